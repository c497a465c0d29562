use super::*;

fn reply(line: &str) -> Reply {
    let value = redis::parse_redis_value(line.as_bytes()).unwrap();
    Reply::new(value, Outcome::Unknown)
}

#[test]
fn pttl_has_three_answers_and_zero_is_still_there() {
    let ttl = |line: &str| reply(line).time_to_live().unwrap();
    assert_eq!(ttl(":-2\r\n"), TimeToLive::Missing);
    assert_eq!(ttl(":0\r\n"), TimeToLive::Left(Duration::from_millis(1)));
    assert_eq!(ttl(":-1\r\n"), TimeToLive::NoExpiry);
    assert_eq!(ttl(":7\r\n"), TimeToLive::Left(Duration::from_millis(7)));
    assert!(reply(":-3\r\n").time_to_live().is_err());
}

#[test]
fn a_refusal_while_queueing_changed_nothing_and_one_while_running_may_have() {
    let queueing = "*3\r\n+OK\r\n-OOM no\r\n-EXECABORT discarded\r\n";
    let error = reply(queueing).transaction().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    assert_eq!(error.outcome(), Outcome::NotApplied);

    let no_transaction = "*4\r\n-NOPERM no\r\n+OK\r\n-NOPERM no\r\n-ERR no MULTI\r\n";
    let error = reply(no_transaction).transaction().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(error.outcome(), Outcome::Unknown);

    let running = "*4\r\n+OK\r\n+QUEUED\r\n+QUEUED\r\n*2\r\n+OK\r\n-OOM no\r\n";
    let error = reply(running).transaction().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    assert_eq!(error.outcome(), Outcome::Unknown);
}

#[test]
fn an_answer_of_another_kind_is_an_error_that_shows_nothing_of_it() {
    let error = reply("$6\r\ncanary\r\n").integer().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Backend);
    assert_eq!(error.outcome(), Outcome::Unknown);
    assert!(!format!("{error:?} {error}").contains("canary"));
    assert!(reply(":1\r\n").value().is_err());
    assert!(reply("*1\r\n:1\r\n").scanned().is_err());
    assert!(reply("*0\r\n").transaction().is_err());
}
