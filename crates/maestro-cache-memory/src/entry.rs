//! What is stored under a key.

use maestro_cache_core::{Expiry, Value};

/// A value and the time at which it is gone.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) value: Value,
    pub(crate) deadline: Deadline,
}

/// When an entry is gone: a millisecond of the store's clock, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deadline(u64);

impl Deadline {
    pub(crate) const NEVER: Self = Self(u64::MAX);

    /// The deadline of an entry that is written now with this expiry.
    pub(crate) fn of(expiry: Expiry, now_millis: u64) -> Self {
        match expiry {
            Expiry::Never => Self::NEVER,
            // Both are half of the range at most, so this is no `NEVER`.
            Expiry::AfterMillis(millis) => Self(now_millis.saturating_add(millis.get())),
        }
    }

    #[cfg(all(test, not(loom)))]
    pub(crate) fn at(millis: u64) -> Self {
        Self(millis)
    }

    /// The millisecond; that of `NEVER` does not come.
    pub(crate) fn at_millis(self) -> u64 {
        self.0
    }

    pub(crate) fn is_never(self) -> bool {
        self == Self::NEVER
    }

    pub(crate) fn has_passed(self, now_millis: u64) -> bool {
        now_millis >= self.0
    }
}
