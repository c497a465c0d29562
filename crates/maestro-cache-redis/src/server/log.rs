//! What is written to the log of a server's connections: each change of state once, and warnings not
//! more often than anybody wants to read them.

use std::sync::Arc;
use std::time::Duration;

use maestro_cache_core::ErrorKind;
use tokio::time::Instant;

/// The shortest time between two warnings of the same. Those in between are counted.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

/// The log of one server.
#[derive(Debug)]
pub(super) struct Log {
    /// What the server is called.
    name: Arc<str>,
    refusals: Limit,
    drops: Limit,
}

/// When the last warning was written, and how many were left out since.
#[derive(Debug, Default)]
struct Limit {
    warned: Option<Instant>,
    left_out: u64,
}

impl Log {
    pub(super) fn new(name: Arc<str>) -> Self {
        Self {
            name,
            refusals: Limit::default(),
            drops: Limit::default(),
        }
    }

    pub(super) fn connected(&self) {
        tracing::debug!(target: "maestro_cache::redis", address = &*self.name, "connected");
    }

    /// The breaker closed.
    pub(super) fn connected_again(&self, down_for: Duration) {
        tracing::info!(
            target: "maestro_cache::redis",
            address = &*self.name,
            ?down_for,
            "connected again"
        );
    }

    /// The breaker opened.
    pub(super) fn cannot_connect(&mut self, kind: ErrorKind, now: Instant) {
        if let Some(left_out) = self.refusals.may_warn(now) {
            tracing::warn!(
                target: "maestro_cache::redis",
                address = &*self.name,
                ?kind,
                left_out,
                "cannot connect"
            );
        }
    }

    /// The breaker stays open.
    pub(super) fn still_cannot_connect(&self, kind: ErrorKind) {
        tracing::debug!(
            target: "maestro_cache::redis",
            address = &*self.name,
            ?kind,
            "still cannot connect"
        );
    }

    pub(super) fn doubted(&self) {
        tracing::debug!(
            target: "maestro_cache::redis",
            address = &*self.name,
            "a connection is silent; another one is asked for"
        );
    }

    pub(super) fn dropped(&mut self, why: &'static str, now: Instant) {
        if let Some(left_out) = self.drops.may_warn(now) {
            tracing::warn!(
                target: "maestro_cache::redis",
                address = &*self.name,
                why,
                left_out,
                "connection dropped"
            );
        }
    }
}

impl Limit {
    /// How many warnings were left out, if one may be written.
    fn may_warn(&mut self, now: Instant) -> Option<u64> {
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
mod tests {
    use super::*;

    #[test]
    fn warnings_follow_each_other_by_a_second_and_count_those_in_between() {
        let began = Instant::now();
        let mut limit = Limit::default();
        let at = |millis| began + Duration::from_millis(millis);
        let warned = [0, 1, 999, 1000, 1001, 5000].map(|millis| limit.may_warn(at(millis)));
        assert_eq!(warned, [Some(0), None, None, Some(2), None, Some(1)]);
    }
}
