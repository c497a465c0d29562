use maestro_cache_core::{Error, ErrorKind};

use super::*;

fn reply(line: &str) -> Reply {
    Reply::new(
        redis::parse_redis_value(line.as_bytes()).unwrap(),
        Outcome::Unknown,
    )
}

fn judged(replies: &[&str], failures: &[Outcome]) -> Option<Outcome> {
    let replies = replies.iter().map(|line| Ok(reply(line)));
    let failures = failures.iter().map(|outcome| {
        let late = Error::new(ErrorKind::Timeout, "late");
        Err(late.with_outcome(*outcome))
    });
    let answers: Vec<_> = replies.chain(failures).collect();
    judge(&answers).err().map(|error| error.outcome())
}

#[test]
fn a_batch_that_was_written_in_part_is_unknown() {
    use Outcome::{NotApplied, Unknown};
    const OOM: &str = "-OOM no\r\n";
    const OK: &str = "+OK\r\n";
    assert_eq!(judged(&[OK, OK], &[]), None);
    assert_eq!(judged(&[OK, OOM], &[]), Some(Unknown));
    assert_eq!(judged(&[OOM, OOM], &[]), Some(NotApplied));
    assert_eq!(judged(&[OK], &[NotApplied]), Some(Unknown));
    assert_eq!(judged(&[], &[Unknown, NotApplied]), Some(Unknown));
    assert_eq!(judged(&[], &[NotApplied, Unknown]), Some(Unknown));
    assert_eq!(judged(&[], &[NotApplied]), Some(NotApplied));
}
