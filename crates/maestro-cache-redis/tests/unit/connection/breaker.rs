use super::*;

fn error(kind: ErrorKind) -> Error {
    Error::new(kind, "of a test")
}

/// The attempts of so many seconds during which all fail, each pause as long as chance has it.
fn attempts(kind: ErrorKind, seconds: u64, chance: f64) -> Vec<Duration> {
    let began = Instant::now();
    let (mut breaker, mut now) = (Breaker::default(), began);
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
    let mut breaker = Breaker::default();
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
        let mut breaker = Breaker::default();
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
    let (mut breaker, mut now, mut attempts) = (Breaker::default(), began, Vec::new());
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
    let mut breaker = Breaker::default();
    assert!(breaker.may_suspect(now));
    breaker.suspected_wrongly(now);
    assert!(!breaker.may_suspect(now + Duration::from_secs(1)));
    assert!(breaker.may_suspect(now + PAUSE_AFTER_WRONG_SUSPICION));
}
