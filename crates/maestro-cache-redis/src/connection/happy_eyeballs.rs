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
#[path = "../../tests/unit/connection/happy_eyeballs.rs"]
mod tests;
