//! One lock a key, in stripes: all writes of a key follow one another.

use std::hash::{BuildHasher, RandomState};

use parking_lot::{Mutex, MutexGuard};

/// More than the writers there will be at once, so that they seldom meet.
const STRIPES: usize = 64;

/// Locks that writers of a key hold while they read, decide and write.
///
/// Nobody holds two of them at once.
#[derive(Debug)]
pub(crate) struct KeyLocks {
    first: Mutex<()>,
    others: [Mutex<()>; STRIPES - 1],
    hasher: RandomState,
}

impl KeyLocks {
    pub(crate) fn new() -> Self {
        Self {
            first: Mutex::new(()),
            others: [const { Mutex::new(()) }; STRIPES - 1],
            hasher: RandomState::new(),
        }
    }

    pub(crate) fn lock(&self, key: &str) -> MutexGuard<'_, ()> {
        // The remainder is below `STRIPES`, so the cast keeps all of it.
        #[allow(clippy::cast_possible_truncation)]
        let stripe = (self.hasher.hash_one(key) % STRIPES as u64) as usize;
        self.others.get(stripe).unwrap_or(&self.first).lock()
    }

    /// Returns once all who held a lock when it was called have let go of it.
    pub(crate) fn wait_for_all(&self) {
        for lock in std::iter::once(&self.first).chain(&self.others) {
            drop(lock.lock());
        }
    }
}
