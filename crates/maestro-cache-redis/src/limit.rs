//! Warnings not more often than anybody wants to read them.

use std::time::Duration;

use tokio::time::Instant;

/// The shortest time between two warnings of the same. Those in between are counted.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// When the last warning was written, and how many were left out since.
#[derive(Debug, Default)]
pub(crate) struct Limit {
    warned: Option<Instant>,
    left_out: u64,
}

impl Limit {
    /// How many warnings were left out, if one may be written.
    pub(crate) fn may_warn(&mut self, now: Instant) -> Option<u64> {
        let is_due = self
            .warned
            .is_none_or(|warned| now.saturating_duration_since(warned) >= SHORTEST_PAUSE);
        if is_due {
            self.warned = Some(now);
            Some(std::mem::take(&mut self.left_out))
        } else {
            self.left_out += 1;
            None
        }
    }
}

#[cfg(test)]
#[path = "../tests/unit/limit.rs"]
mod tests;
