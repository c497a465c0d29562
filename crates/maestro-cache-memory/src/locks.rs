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
    stripes: [Mutex<()>; STRIPES],
    hasher: RandomState,
}

impl KeyLocks {
    pub(crate) fn new() -> Self {
        Self {
            stripes: [const { Mutex::new(()) }; STRIPES],
            hasher: RandomState::new(),
        }
    }

    pub(crate) fn lock(&self, key: &str) -> MutexGuard<'_, ()> {
        let stripe = self.hasher.hash_one(key) as usize % STRIPES;
        #[allow(clippy::indexing_slicing)] // A remainder of `STRIPES` is below it.
        self.stripes[stripe].lock()
    }

    /// Returns once all who held a lock when it was called have let go of it.
    pub(crate) fn wait_for_all(&self) {
        for lock in &self.stripes {
            drop(lock.lock());
        }
    }
}
