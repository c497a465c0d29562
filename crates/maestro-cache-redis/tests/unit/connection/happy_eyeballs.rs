use tokio::time::Instant;

use super::*;

const HEAD_START: Duration = Duration::from_millis(250);

/// Asks witnesses that take so many milliseconds and end so.
async fn race(witnesses: &[(u64, Result<u8>)]) -> (Option<Result<u8>>, Duration) {
    let began = Instant::now();
    let answer = first_success(witnesses, HEAD_START, |(millis, answer)| async {
        sleep(Duration::from_millis(*millis)).await;
        answer.clone()
    });
    (answer.await, began.elapsed())
}

fn failure(kind: ErrorKind) -> Result<u8> {
    Err(Error::new(kind, "of a test"))
}

#[tokio::test(start_paused = true)]
async fn the_next_one_is_asked_when_one_fails_or_is_silent_and_the_slow_one_is_heard() {
    let never = u64::from(u32::MAX);
    let unavailable = || failure(ErrorKind::Unavailable);
    for (witnesses, wins, after) in [
        (vec![(10, Ok(1)), (0, Ok(2))], 1, 10),
        (vec![(10, unavailable()), (10, Ok(2))], 2, 20),
        (vec![(never, Ok(1)), (10, Ok(2))], 2, 260),
        (vec![(never, Ok(1)), (never, Ok(2)), (10, Ok(3))], 3, 510),
        // Slower than the head start, and the only one that knows.
        (vec![(700, Ok(1)), (10, unavailable())], 1, 700),
    ] {
        let (answer, took) = race(&witnesses).await;
        assert_eq!(answer.unwrap().unwrap(), wins);
        assert_eq!(took, Duration::from_millis(after));
    }
}

#[tokio::test(start_paused = true)]
async fn if_all_fail_an_answer_says_more_than_silence() {
    assert!(race(&[]).await.0.is_none());
    for kinds in [
        [ErrorKind::Config, ErrorKind::Unavailable],
        [ErrorKind::Timeout, ErrorKind::Config],
    ] {
        let (answer, _) = race(&kinds.map(|kind| (1, failure(kind)))).await;
        assert_eq!(answer.unwrap().unwrap_err().kind(), ErrorKind::Config);
    }
}
