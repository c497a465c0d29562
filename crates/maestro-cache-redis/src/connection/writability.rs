//! Whether the server at a plain address takes writes, and when to look whether another one does by now.
//!
//! A name, a Kubernetes Service or a virtual address may move to another master while connections to the
//! old one, which is a replica now, stay open. So a refused write makes a fresh connection beside them.

use std::time::Duration;

use tokio::time::Instant;

/// The shortest and the longest pause between two looks.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

#[derive(Debug)]
pub(super) struct Writability {
    pub(super) is_refused: bool,
    /// The attempt that last made a connection to a master. What is said over older ones is old.
    master: u64,
    checked: Option<Instant>,
    pause: Duration,
}

impl Writability {
    pub(super) fn new() -> Self {
        Self {
            is_refused: false,
            master: 0,
            checked: None,
            pause: SHORTEST_PAUSE,
        }
    }

    /// A write was refused over the connection of this attempt. True if none was before.
    pub(super) fn refused(&mut self, now: Instant, attempt: u64) -> bool {
        if attempt < self.master {
            return false;
        }
        let is_new_trouble = self
            .checked
            .is_none_or(|checked| now.saturating_duration_since(checked) > LONGEST_PAUSE);
        if is_new_trouble {
            self.pause = SHORTEST_PAUSE;
        }
        !std::mem::replace(&mut self.is_refused, true)
    }

    /// When to look whether the address leads to a master by now; none if there is no reason to.
    pub(super) fn next_check(&self, now: Instant) -> Option<Instant> {
        let next = self.checked.map_or(now, |checked| checked + self.pause);
        self.is_refused.then_some(next)
    }

    /// What a look came to: the attempt that made a connection to a master, if it is one.
    pub(super) fn checked(&mut self, now: Instant, master: Option<u64>) {
        if self.checked.is_some() {
            self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        }
        self.checked = Some(now);
        self.is_refused = master.is_none();
        self.master = master.unwrap_or(self.master);
    }

    /// The connections were lost and made anew, so nothing is known.
    pub(super) fn is_unknown(&mut self) {
        self.is_refused = false;
    }
}

#[cfg(test)]
#[path = "../../tests/unit/connection/writability.rs"]
mod tests;
