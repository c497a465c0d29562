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
///
/// It is closed while no next attempt is set: nothing speaks against connecting, and callers wait for it.
/// A first failure may mean little: a server that restarts refuses for a moment, a greeting may be cut
/// short or swallowed like any call. So callers wait for the second attempt too, which is soon. After
/// that it is open, and callers are told the cause at once.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// When the trouble began that may not be over. It may outlive a failure: there is a connection,
    /// and it has shown nothing yet but a greeting.
    trouble: Option<Instant>,
    next_attempt: Option<Instant>,
    cause: Option<Error>,
    /// No connection is suspected before.
    suspect_after: Option<Instant>,
}

impl Breaker {
    /// Why callers are refused; none if they are not.
    pub(super) fn cause(&self) -> Option<&Error> {
        self.cause.as_ref()
    }

    /// When the next attempt may be made; none if at once.
    pub(super) fn next_attempt(&self) -> Option<Instant> {
        self.next_attempt
    }

    /// Whether a connection that is silent may be suspected, which costs another one.
    pub(super) fn may_suspect(&self, now: Instant) -> bool {
        self.suspect_after.is_none_or(|after| now >= after)
    }

    /// A connection was made. Returns how long callers were refused, if they were.
    pub(super) fn connected(&mut self, now: Instant) -> Option<Duration> {
        self.next_attempt = None;
        self.cause.take()?;
        let since = self.trouble?;
        Some(now.saturating_duration_since(since))
    }

    /// A connection serves calls, or has lasted: what fails from now on is new trouble.
    pub(super) fn settled(&mut self) {
        if self.next_attempt.is_none() {
            self.trouble = None;
        }
    }

    /// A connection was suspected, and had only been slow.
    pub(super) fn suspected_wrongly(&mut self, now: Instant) {
        self.suspect_after = Some(now + PAUSE_AFTER_WRONG_SUSPICION);
    }

    /// An attempt to connect failed, or what it made was of no use. `chance` is a number from 0 to
    /// 1, evenly distributed. Returns whether callers are refused from now on, and were not before.
    pub(super) fn failed(&mut self, now: Instant, cause: Error, chance: f64) -> bool {
        let is_new_trouble = self.trouble.is_none();
        let since = *self.trouble.get_or_insert(now);
        let down_for = now.saturating_duration_since(since);
        self.next_attempt = Some(now + pause(cause.kind(), down_for, chance));
        // Other failures than these do not pass in a moment.
        let may_pass = matches!(cause.kind(), ErrorKind::Unavailable | ErrorKind::Timeout);
        if may_pass && is_new_trouble {
            return false;
        }
        self.cause.replace(cause).is_none()
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
