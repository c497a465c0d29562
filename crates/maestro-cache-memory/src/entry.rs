//! What is stored under a key.

use maestro_cache_core::{Expiry, Value};

/// A value and the time at which it is gone.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) value: Value,
    pub(crate) deadline: Option<Deadline>,
}

/// When an entry is gone, and which writing of the key said so: two writes may name the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Deadline {
    pub(crate) at_millis: u64,
    pub(crate) id: u64,
}

impl Deadline {
    pub(crate) fn has_passed(self, now_millis: u64) -> bool {
        now_millis >= self.at_millis
    }
}

impl Entry {
    pub(crate) fn is_live(&self, now_millis: u64) -> bool {
        self.deadline
            .is_none_or(|deadline| !deadline.has_passed(now_millis))
    }
}

/// The time at which an entry with this expiry is gone, if it ever is.
pub(crate) fn gone_at(expiry: Expiry, now_millis: u64) -> Option<u64> {
    match expiry {
        Expiry::Never => None,
        Expiry::AfterMillis(millis) => Some(now_millis.saturating_add(millis.get())),
    }
}
