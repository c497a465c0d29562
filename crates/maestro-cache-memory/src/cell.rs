//! Cells: what is stored under one key, and the lock where all operations on the key meet.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64};
use std::time::Duration;

use maestro_cache_core::{Held, LoadToken, Value};

use crate::clock::Deadline;
use crate::key::KeyRef;
use crate::sync::Mutex;

/// The place of one key: its entry, behind a lock of its own.
///
/// A cell without an entry is **dead**: the entry was removed, or moka has evicted the cell. It never
/// comes back to life. To readers it is a miss; writers look for another cell.
#[derive(Debug)]
pub(crate) struct Cell {
    pub(crate) key: Arc<str>,
    pub(crate) hash: u64,
    pub(crate) entry: Mutex<Option<Entry>>,
    /// The weight of the entry, for moka.
    pub(crate) weight: AtomicU32,
    /// The count of insertions when moka was last told that the cell is in use.
    pub(crate) reported: AtomicU64,
    /// The deadline of the cell's earliest ticket, in milliseconds.
    pub(crate) ticket: AtomicU64,
}

/// The ticket of a cell that has none.
pub(crate) const NO_TICKET: u64 = u64::MAX;

impl Cell {
    pub(crate) fn new(key: KeyRef<'_>, entry: Entry, weight: u32, insertions: u64) -> Self {
        Self {
            key: key.text.into(),
            hash: key.hash,
            entry: Mutex::new(Some(entry)),
            weight: weight.into(),
            reported: insertions.into(),
            ticket: NO_TICKET.into(),
        }
    }

    pub(crate) fn key_ref(&self) -> KeyRef<'_> {
        KeyRef {
            text: &self.key,
            hash: self.hash,
        }
    }

    #[inline]
    pub(crate) fn is_of(&self, key: KeyRef<'_>) -> bool {
        self.hash == key.hash && *self.key == *key.text
    }
}

/// A value, the time at which it is gone, and the lease on it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) value: Value,
    pub(crate) deadline: Deadline,
    /// What loads are told besides, for few of all entries.
    pub(crate) loaded: Option<Box<Loaded>>,
    /// The lease of a load over this value. It ends with the value.
    pub(crate) lease: Option<Lease>,
}

impl Entry {
    pub(crate) fn new(value: Value, deadline: Deadline) -> Self {
        Self {
            value,
            deadline,
            loaded: None,
            lease: None,
        }
    }

    /// The time from which it can be released.
    pub(crate) fn useless(&self) -> Deadline {
        let loaded = self.loaded.as_ref();
        loaded.map_or(self.deadline, |loaded| loaded.useless)
    }
}

/// What is known of a value that a load has stored for other loads.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// The time from which it may not be served any more, not even as a stale value.
    pub(crate) useless: Deadline,
    /// The time it took to compute, if it may be loaded again early.
    pub(crate) cost: Option<Duration>,
}

/// Why others may not load a value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lease {
    /// A load is under way.
    Loading(LoadToken),
    /// A load has failed, and nobody tries again before that.
    BackingOff { until: Deadline },
}

impl Lease {
    pub(crate) fn as_held(self) -> Held {
        match self {
            Self::Loading(token) => Held::Loading(token),
            Self::BackingOff { .. } => Held::BackingOff,
        }
    }

    fn is_over(self, now_millis: u64) -> bool {
        matches!(self, Self::BackingOff { until } if until.has_passed(now_millis))
    }
}

/// What a write found under its key.
pub(crate) struct Found<'a> {
    /// The entry, live or stale.
    pub(crate) entry: Option<&'a Entry>,
    pub(crate) lease: Option<Lease>,
    pub(crate) now_millis: u64,
}

impl<'a> Found<'a> {
    pub(crate) fn in_cell(entry: Option<&'a Entry>, now_millis: u64) -> Self {
        let entry = entry.filter(|entry| !entry.useless().has_passed(now_millis));
        let lease = entry.and_then(|entry| entry.lease);
        Self {
            entry,
            lease: lease.filter(|lease| !lease.is_over(now_millis)),
            now_millis,
        }
    }

    /// The entry, if it is live.
    pub(crate) fn live(&self) -> Option<&'a Entry> {
        self.entry
            .filter(|entry| !entry.deadline.has_passed(self.now_millis))
    }
}

/// What a write makes of what it found.
pub(crate) enum Change {
    Keep,
    /// Ends every lease too.
    Store(Entry),
    /// Ends every lease but this one, of a key that has no entry then.
    Remove(Option<LoadToken>),
    /// Keeps the entry, and sets or ends its lease.
    Lease(Option<Lease>),
}
