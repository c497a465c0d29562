//! When the next connection may be asked for, and what callers are told until then: the breaker
//! and the back-off, in one state machine.
//!
//! It knows neither clock nor chance: both are told to it.

use std::time::Duration;

use maestro_cache_core::{Error, ErrorKind};
use tokio::time::Instant;

/// The shortest and the longest pause between two attempts to connect.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The longest pause after an attempt that took its whole time. That was most of a pause already,
/// and a server that was frozen is well again without a sign.
const LONGEST_PAUSE_AFTER_TIMEOUT: Duration = Duration::from_secs(1);

/// The shortest pause after a refusal that only people can mend, such as a wrong password. Servers
/// log these, and some count them.
const SHORTEST_PAUSE_AFTER_REFUSAL: Duration = Duration::from_millis(550);

/// How long a connection is not suspected again after it was suspected and had only been slow.
const PAUSE_AFTER_WRONG_SUSPICION: Duration = Duration::from_secs(2);

/// What callers are told while there is no connection, and when the next attempt is due.
#[derive(Debug)]
pub(super) struct Breaker {
    state: State,
    /// No connection is suspected before.
    suspect_after: Option<Instant>,
}

#[derive(Debug)]
enum State {
    /// Nothing speaks against connecting. Callers wait for it.
    Closed {
        /// When the trouble began that may not be over: there is a connection, and it has shown
        /// nothing yet but a greeting.
        trouble: Option<Instant>,
    },
    /// An attempt failed, which may mean little: a server that restarts refuses for a moment, a
    /// greeting may be cut short or swallowed like any call. Callers wait for the second attempt,
    /// which is soon.
    Retrying { since: Instant, next: Instant },
    /// The last attempt failed. Callers are told why, at once.
    Open {
        cause: Error,
        /// When the first attempt failed.
        since: Instant,
        next: Instant,
    },
}

impl Breaker {
    pub(super) fn new() -> Self {
        Self {
            state: State::Closed { trouble: None },
            suspect_after: None,
        }
    }

    /// Why callers are refused; none if they are not.
    pub(super) fn cause(&self) -> Option<&Error> {
        match &self.state {
            State::Closed { .. } | State::Retrying { .. } => None,
            State::Open { cause, .. } => Some(cause),
        }
    }

    /// When the next attempt may be made; none if at once.
    pub(super) fn next_attempt(&self) -> Option<Instant> {
        match &self.state {
            State::Closed { .. } => None,
            State::Retrying { next, .. } | State::Open { next, .. } => Some(*next),
        }
    }

    /// Whether a connection that is silent may be suspected, which costs another one.
    pub(super) fn may_suspect(&self, now: Instant) -> bool {
        self.suspect_after.is_none_or(|after| now >= after)
    }

    /// A connection was made. Returns how long there was none.
    pub(super) fn connected(&mut self, now: Instant) -> Option<Duration> {
        let trouble = self.trouble();
        match std::mem::replace(&mut self.state, State::Closed { trouble }) {
            State::Closed { .. } | State::Retrying { .. } => None,
            State::Open { since, .. } => Some(now.saturating_duration_since(since)),
        }
    }

    /// A connection serves calls, or has lasted: what fails from now on is new trouble.
    pub(super) fn settled(&mut self) {
        if let State::Closed { trouble } = &mut self.state {
            *trouble = None;
        }
    }

    fn trouble(&self) -> Option<Instant> {
        match &self.state {
            State::Closed { trouble } => *trouble,
            State::Retrying { since, .. } | State::Open { since, .. } => Some(*since),
        }
    }

    /// A connection was suspected, and had only been slow.
    pub(super) fn suspected_wrongly(&mut self, now: Instant) {
        self.suspect_after = Some(now + PAUSE_AFTER_WRONG_SUSPICION);
    }

    /// An attempt to connect failed, or what it made was of no use. `chance` is a number from 0 to
    /// 1, evenly distributed. Returns whether callers are refused from now on, and were not before.
    pub(super) fn failed(&mut self, now: Instant, cause: Error, chance: f64) -> bool {
        let trouble = self.trouble();
        let since = trouble.unwrap_or(now);
        let down_for = now.saturating_duration_since(since);
        let next = now + pause(cause.kind(), down_for, chance);
        // Other failures than these do not pass in a moment.
        let may_pass = matches!(cause.kind(), ErrorKind::Unavailable | ErrorKind::Timeout);
        if may_pass && trouble.is_none() {
            self.state = State::Retrying { since, next };
            return false;
        }
        let was_open = self.cause().is_some();
        self.state = State::Open { cause, since, next };
        !was_open
    }
}

/// How long to wait before the next attempt, by what the last one ended with.
///
/// Full jitter: any time up to a ceiling, so that those who lost a server together do not come back
/// together. The ceiling is half of the time since the first failure, so it grows exponentially,
/// and whoever was gone for two seconds is found again within one.
fn pause(kind: ErrorKind, down_for: Duration, chance: f64) -> Duration {
    let (shortest, longest) = match kind {
        // A replica becomes a master, and a server has read its data, without a sign.
        ErrorKind::Timeout | ErrorKind::NotWritable | ErrorKind::Loading => {
            (SHORTEST_PAUSE, LONGEST_PAUSE_AFTER_TIMEOUT)
        }
        ErrorKind::Authentication | ErrorKind::PermissionDenied | ErrorKind::Config => {
            (SHORTEST_PAUSE_AFTER_REFUSAL, LONGEST_PAUSE)
        }
        _ => (Duration::ZERO, LONGEST_PAUSE),
    };
    let ceiling = (down_for / 2).clamp(SHORTEST_PAUSE, longest);
    shortest.max(ceiling.mul_f64(chance.clamp(0.0, 1.0)))
}

#[cfg(test)]
#[path = "../../tests/unit/connection/breaker.rs"]
mod tests;
