//! What is stored under a key.

use std::time::Duration;

use maestro_cache_core::{Expiry, Value};

/// A value and the time at which it is gone for all but loads.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) value: Value,
    pub(crate) deadline: Deadline,
    /// What loads are told besides, for few of all entries.
    pub(crate) loaded: Option<Box<Loaded>>,
}

/// What is known of a value that a load has stored for other loads.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    /// When it is of no use any more, not even as a stale one.
    pub(crate) useless: Deadline,
    /// How long it took to compute, if it may be loaded again early.
    pub(crate) cost: Option<Duration>,
}

impl Entry {
    pub(crate) fn new(value: Value, deadline: Deadline) -> Self {
        Self {
            value,
            deadline,
            loaded: None,
        }
    }

    /// When it can be released.
    pub(crate) fn useless(&self) -> Deadline {
        let loaded = self.loaded.as_ref();
        loaded.map_or(self.deadline, |loaded| loaded.useless)
    }
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

    /// So much later.
    pub(crate) fn put_off(self, by_millis: u64) -> Self {
        if self.is_never() {
            return self;
        }
        Self(self.0.saturating_add(by_millis).min(u64::MAX - 1))
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
