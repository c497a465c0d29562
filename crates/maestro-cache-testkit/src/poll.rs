//! Waiting for what another process does in its own time.

use std::time::{Duration, Instant};

/// How long to wait between two looks at a condition.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// How long anything may take, on a machine with much else to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Looks again and again until there is something to see, and panics if there never is.
pub(crate) fn until<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    until_or_none(look)
        .unwrap_or_else(|| panic!("in {PATIENCE:?} it did not come true that {what}"))
}

/// Looks again and again until there is something to see, or it took too long.
pub(crate) fn until_or_none<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let begin = Instant::now();
    loop {
        let seen = look();
        if seen.is_some() || begin.elapsed() > PATIENCE {
            return seen;
        }
        std::thread::sleep(LOOK_AGAIN);
    }
}
