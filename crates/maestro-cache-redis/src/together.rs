//! Many calls at the same time.

use futures_util::{FutureExt, StreamExt, stream};

/// So many are under way at once, so that there is room for others.
pub(crate) const AT_ONCE: usize = 512;

/// Waits for all of them, so many at a time, and returns what they say in their order. One that is late
/// holds up no others.
pub(crate) async fn all_of<T>(
    calls: Vec<impl Future<Output = T> + Send>,
    at_once: usize,
) -> Vec<T> {
    let numbered: Vec<_> = (0_usize..)
        .zip(calls)
        .map(|(place, call)| call.map(move |answer| (place, answer)))
        .collect();
    let mut answers: Vec<_> = stream::iter(numbered)
        .buffer_unordered(at_once)
        .collect()
        .await;
    answers.sort_unstable_by_key(|(place, _)| *place);
    answers.into_iter().map(|(_, answer)| answer).collect()
}
