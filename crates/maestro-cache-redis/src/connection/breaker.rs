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
        ErrorKind::Timeout => (SHORTEST_PAUSE, LONGEST_PAUSE_AFTER_TIMEOUT),
        ErrorKind::Authentication | ErrorKind::PermissionDenied | ErrorKind::Config => {
            (SHORTEST_PAUSE_AFTER_REFUSAL, LONGEST_PAUSE)
        }
        // A replica becomes a master, and a server has read its data, without a sign.
        ErrorKind::NotWritable | ErrorKind::Loading => {
            (SHORTEST_PAUSE, LONGEST_PAUSE_AFTER_TIMEOUT)
        }
        _ => (Duration::ZERO, LONGEST_PAUSE),
    };
    let ceiling = (down_for / 2).clamp(SHORTEST_PAUSE, longest);
    shortest.max(ceiling.mul_f64(chance.clamp(0.0, 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: ErrorKind) -> Error {
        Error::new(kind, "of a test")
    }

    /// The attempts of so many seconds during which all fail, each pause as long as chance has it.
    fn attempts(kind: ErrorKind, seconds: u64, chance: f64) -> Vec<Duration> {
        let began = Instant::now();
        let (mut breaker, mut now) = (Breaker::new(), began);
        let mut attempts = Vec::new();
        while now < began + Duration::from_secs(seconds) {
            if breaker.next_attempt().is_none_or(|next| now >= next) {
                attempts.push(now - began);
                breaker.failed(now, error(kind), chance);
            }
            now += Duration::from_millis(1);
        }
        attempts
    }

    #[test]
    fn pauses_grow_up_to_the_longest_and_are_never_longer() {
        let attempts = attempts(ErrorKind::Unavailable, 60, 1.0);
        let pauses: Vec<_> = attempts.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(pauses[0], SHORTEST_PAUSE);
        assert!(pauses.is_sorted(), "{pauses:?}");
        assert_eq!(*pauses.last().unwrap(), LONGEST_PAUSE);
    }

    #[test]
    fn whoever_was_gone_for_a_time_is_asked_again_within_half_of_it() {
        for chance in [0.1, 0.5, 1.0] {
            let attempts = attempts(ErrorKind::Unavailable, 60, chance);
            for pair in attempts.windows(2) {
                let longest = (pair[0] / 2).max(SHORTEST_PAUSE) + Duration::from_millis(1);
                assert!(pair[1] - pair[0] <= longest, "{pair:?}");
            }
        }
    }

    #[test]
    fn a_wrong_password_is_tried_less_than_twice_a_second_whatever_the_chance() {
        let attempts = attempts(ErrorKind::Authentication, 20, 0.0);
        for trio in attempts.windows(3) {
            assert!(trio[2] - trio[0] > Duration::from_secs(1), "{trio:?}");
        }
    }

    #[test]
    fn after_a_timeout_it_takes_a_second_at_most() {
        let attempts = attempts(ErrorKind::Timeout, 60, 1.0);
        for pair in attempts.windows(2) {
            assert!(pair[1] - pair[0] <= LONGEST_PAUSE_AFTER_TIMEOUT, "{pair:?}");
        }
    }

    #[test]
    fn callers_are_told_the_last_cause_until_a_connection_works() {
        let now = Instant::now();
        let mut breaker = Breaker::new();
        assert!(breaker.cause().is_none() && breaker.next_attempt().is_none());
        assert!(breaker.failed(now, error(ErrorKind::Authentication), 1.0));
        assert!(!breaker.failed(now, error(ErrorKind::Timeout), 1.0));
        let cause = breaker.cause().map(Error::kind);
        assert_eq!(cause, Some(ErrorKind::Timeout));
        assert!(breaker.next_attempt().is_some_and(|next| next > now));
        let later = now + Duration::from_secs(3);
        assert_eq!(breaker.connected(later), Some(Duration::from_secs(3)));
        assert!(breaker.cause().is_none() && breaker.next_attempt().is_none());
        assert_eq!(breaker.connected(later), None);
    }

    #[test]
    fn one_attempt_that_failed_is_not_the_end_and_the_second_one_is() {
        for kind in [ErrorKind::Unavailable, ErrorKind::Timeout] {
            let now = Instant::now();
            let mut breaker = Breaker::new();
            assert!(!breaker.failed(now, error(kind), 1.0));
            assert!(breaker.cause().is_none());
            assert_eq!(breaker.next_attempt(), Some(now + SHORTEST_PAUSE));
            assert!(breaker.failed(now, error(kind), 1.0));
            assert!(breaker.cause().is_some());
            breaker.connected(now);
            breaker.settled();
            assert!(!breaker.failed(now, error(kind), 1.0));
            assert_eq!(breaker.connected(now), None);
        }
    }

    #[test]
    fn a_server_that_greets_and_breaks_is_one_that_is_down() {
        let began = Instant::now();
        let (mut breaker, mut now, mut attempts) = (Breaker::new(), began, Vec::new());
        while now < began + Duration::from_secs(60) {
            if breaker.next_attempt().is_none_or(|next| now >= next) {
                attempts.push(now - began);
                breaker.connected(now);
                breaker.failed(now, error(ErrorKind::Unavailable), 1.0);
            }
            now += Duration::from_millis(1);
        }
        let pauses: Vec<_> = attempts.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(pauses.is_sorted(), "{pauses:?}");
        assert_eq!(*pauses.last().unwrap(), LONGEST_PAUSE);
        assert!(breaker.cause().is_some());

        // Once one serves calls, the next failure is the first one.
        breaker.connected(now);
        breaker.settled();
        assert!(!breaker.failed(now, error(ErrorKind::Unavailable), 1.0));
        assert_eq!(breaker.next_attempt(), Some(now + SHORTEST_PAUSE));
    }

    #[test]
    fn a_wrong_suspicion_is_not_repeated_at_once() {
        let now = Instant::now();
        let mut breaker = Breaker::new();
        assert!(breaker.may_suspect(now));
        breaker.suspected_wrongly(now);
        assert!(!breaker.may_suspect(now + Duration::from_secs(1)));
        assert!(breaker.may_suspect(now + PAUSE_AFTER_WRONG_SUSPICION));
    }
}
