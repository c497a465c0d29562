//! Asking several who may know, one after the other, without waiting for those that are silent
//! (as [RFC 8305](https://www.rfc-editor.org/rfc/rfc8305) has it for the addresses of a name).

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use maestro_cache_core::{Error, ErrorKind, Result};
use tokio::time::sleep;

/// The answer of the first one that succeeds; nothing if there is nobody to ask.
///
/// Each is asked once the one before has failed or has said nothing for `head_start`, and is listened
/// to until the end: slow is not wrong. If all fail, the error of one that answered says most.
pub(crate) async fn first_success<T, W, A>(
    witnesses: impl IntoIterator<Item = W>,
    head_start: Duration,
    mut ask: impl FnMut(W) -> A,
) -> Option<Result<T>>
where
    A: Future<Output = Result<T>>,
{
    let mut witnesses = witnesses.into_iter().fuse();
    let mut asked = FuturesUnordered::new();
    let mut failure: Option<Error> = None;
    loop {
        let next = witnesses.next();
        let may_be_more = next.is_some();
        asked.extend(next.map(&mut ask));
        tokio::select! {
            answer = asked.next() => match answer {
                Some(Ok(answer)) => return Some(Ok(answer)),
                Some(Err(error)) => {
                    failure = Some(failure.filter(is_an_answer).unwrap_or(error));
                }
                None => return failure.map(Err),
            },
            () = sleep(head_start), if may_be_more => {}
        }
    }
}

fn is_an_answer(error: &Error) -> bool {
    !matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Timeout)
}

#[cfg(test)]
mod tests {
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
}
