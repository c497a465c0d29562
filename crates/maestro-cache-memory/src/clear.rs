//! `clear`: looks at every key, then removes in turns.

use std::future::poll_fn;
use std::task::Poll;
use std::time::Instant;

use maestro_cache_core::{CallContext, Error, ErrorKind, Outcome, Pattern, Result};

use crate::store::Store;

/// After this many removals other tasks run.
const BATCH: usize = 256;

pub(crate) async fn clear(store: &Store, context: CallContext, pattern: Pattern) -> Result<u64> {
    let started = Instant::now();
    let in_time = || started.elapsed() < context.timeout();
    store.check_open()?;
    let selected = store.selected_keys(&pattern, in_time);
    let selected = selected.ok_or_else(timed_out)?;
    let mut removed = 0;
    for (batch, keys) in selected.chunks(BATCH).enumerate() {
        if batch > 0 {
            let_others_run().await;
            if !in_time() {
                // A part is gone already, whatever becomes of the rest.
                return Err(timed_out().with_outcome(Outcome::Unknown));
            }
        }
        for key in keys {
            let was_live = store.remove_live(key).map_err(|error| match removed {
                0 => error,
                _ => error.with_outcome(Outcome::Unknown),
            })?;
            removed += u64::from(was_live);
        }
    }
    Ok(removed)
}

fn timed_out() -> Error {
    Error::new(
        ErrorKind::Timeout,
        "the deadline passed before all entries were removed; call it again for the rest, or give \
         it more time by `with_timeout`",
    )
}

/// Gives the executor a turn, without needing to know which one it is.
async fn let_others_run() {
    let mut gave_way = false;
    poll_fn(|context| {
        if gave_way {
            return Poll::Ready(());
        }
        gave_way = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
