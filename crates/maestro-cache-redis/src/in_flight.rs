//! How many calls are under way, and when there are too many.

use std::sync::atomic::{AtomicUsize, Ordering};

use maestro_cache_core::{Error, ErrorKind, Result};

/// Counts the calls under way and refuses those beyond a bound.
#[derive(Debug)]
pub(crate) struct InFlight {
    most: usize,
    now: AtomicUsize,
}

/// The place of one call; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit<'a>(&'a InFlight);

impl InFlight {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            now: AtomicUsize::new(0),
        }
    }

    pub(crate) fn enter(&self) -> Result<Permit<'_>> {
        let others = self.now.fetch_add(1, Ordering::Relaxed);
        // One that is refused is counted for a moment too; at the bound that makes no difference.
        let permit = Permit(self);
        if others >= self.most {
            return Err(Error::new(
                ErrorKind::Rejected,
                "as many calls as may be under way already wait for the server; find out why it is \
                 slow, ask for less at once, or raise `max_in_flight`",
            ));
        }
        Ok(permit)
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[path = "../tests/unit/in_flight.rs"]
mod tests;
