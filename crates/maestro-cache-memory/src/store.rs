//! The entries: moka for storage and order, our own deadlines, locks and bounds around it.
//!
//! Reads go straight to moka and compare with the clock. Writes of a key follow one another under
//! its lock, and every write is then told to moka's order of use at once, so that the order is
//! exact for calls that follow one another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

use maestro_cache_core::{Error, Pattern, Result, TimeToLive, Value};
use moka::notification::RemovalCause;
use parking_lot::Mutex;

use crate::bounds::{Bounds, EvictionPolicy};
use crate::clock::Clock;
use crate::deadlines::Deadlines;
use crate::entry::Entry;
use crate::locks::KeyLocks;

/// All entries of a cache.
#[derive(Debug)]
pub(crate) struct Store {
    entries: moka::sync::Cache<Arc<str>, Entry>,
    deadlines: Arc<Deadlines>,
    locks: KeyLocks,
    bounds: Bounds,
    clock: Clock,
    closed: AtomicBool,
    /// Held by whoever lets moka work off its logs.
    maintenance: Mutex<()>,
    /// Writes that nobody has let moka work off yet.
    unapplied_writes: AtomicUsize,
}

/// What a write makes of the entry it found.
pub(crate) enum Change {
    Keep,
    Remove,
    Store {
        value: Value,
        gone_at_millis: Option<u64>,
    },
}

impl Store {
    pub(crate) fn new(bounds: Bounds, policy: EvictionPolicy, clock: Clock) -> Self {
        let deadlines = Arc::new(Deadlines::new());
        let evicted = Arc::clone(&deadlines);
        let entries = moka::sync::Cache::builder()
            .max_capacity(bounds.total_weight())
            .weigher(move |key: &Arc<str>, entry: &Entry| bounds.weight(size(key, &entry.value)))
            .eviction_policy(match policy {
                EvictionPolicy::Lru => moka::policy::EvictionPolicy::lru(),
                EvictionPolicy::TinyLfu => moka::policy::EvictionPolicy::tiny_lfu(),
            })
            .eviction_listener(move |key, entry: Entry, cause| {
                // The other causes are our own writes, which have seen to the deadline.
                if let (RemovalCause::Size, Some(deadline)) = (cause, entry.deadline) {
                    evicted.forget_exactly(&key, deadline);
                }
            })
            .build();
        Self {
            entries,
            deadlines,
            locks: KeyLocks::new(),
            bounds,
            clock,
            closed: AtomicBool::new(false),
            maintenance: Mutex::new(()),
            unapplied_writes: AtomicUsize::new(0),
        }
    }

    fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    pub(crate) fn check_open(&self) -> Result<()> {
        if self.is_closed() {
            return Err(Error::closed());
        }
        Ok(())
    }

    /// The live value of the key. Counts as use.
    pub(crate) fn get(&self, key: &str) -> Option<Value> {
        let entry = self.entries.get(key)?;
        let live = entry.deadline.is_none() || entry.is_live(self.clock.now_millis());
        live.then_some(entry.value)
    }

    /// The remaining time of the key. Does not count as use.
    pub(crate) fn time_to_live(&self, key: &str) -> TimeToLive {
        // Under the lock entry and deadline are of the same write. An eviction takes no lock and
        // takes both away: the deadline first here, so that it never looks as if there were none.
        let _lock = self.locks.lock(key);
        let deadline = self.deadlines.of(key);
        if !self.entries.contains_key(key) {
            return TimeToLive::Missing;
        }
        let Some(deadline) = deadline else {
            return TimeToLive::NoExpiry;
        };
        match deadline.at_millis.checked_sub(self.clock.now_millis()) {
            None | Some(0) => TimeToLive::Missing,
            Some(left) => TimeToLive::Left(std::time::Duration::from_millis(left)),
        }
    }

    /// Reads the live entry, decides, and writes, with no other write of the key in between.
    ///
    /// `decide` gets the live entry, if there is one, and the time. If it fails nothing changes.
    pub(crate) fn update<T>(
        &self,
        key: &str,
        decide: impl FnOnce(Option<&Entry>, u64) -> Result<(Change, T)>,
    ) -> Result<T> {
        let lock = self.locks.lock(key);
        self.check_open()?;
        let now_millis = self.clock.now_millis();
        let stored = self.entries.get(key);
        let live = stored.as_ref().filter(|entry| entry.is_live(now_millis));
        let (change, result) = decide(live, now_millis)?;
        match change {
            Change::Keep => return Ok(result),
            Change::Remove => {
                if stored.is_some() {
                    self.remove(key);
                }
            }
            Change::Store {
                value,
                gone_at_millis,
            } => {
                let bytes = size(key, &value);
                self.bounds.check(bytes)?;
                let key = Arc::from(key);
                let deadline = self.deadlines.replace(&key, gone_at_millis);
                self.entries.insert(key, Entry { value, deadline });
            }
        }
        drop(lock);
        self.note_write();
        Ok(result)
    }

    /// Refuses an entry that would not fit into an empty cache.
    pub(crate) fn check_size(&self, bytes: usize) -> Result<()> {
        self.bounds.check(bytes)
    }

    /// Removes expired entries until one of this size fits, so that no live one has to go.
    ///
    /// To be called before the lock of any key is taken: it takes those of the expired ones.
    pub(crate) fn make_room(&self, bytes: usize) {
        let needed = u64::from(self.bounds.weight(bytes));
        while self.entries.weighted_size().saturating_add(needed) > self.bounds.total_weight() {
            if !self.release_one_expired(self.clock.now_millis()) {
                return;
            }
            self.note_write();
        }
    }

    /// Removes everything that has expired, and has moka let go of it.
    ///
    /// For the sweeper, which must not stand in for a writer's own maintenance: that writer would
    /// return before its write is worked off. Both wait for each other inside of moka instead.
    pub(crate) fn release_expired(&self) {
        let now_millis = self.clock.now_millis();
        while self.release_one_expired(now_millis) {}
        if self.is_closed() {
            self.deadlines.forget_all();
        }
        // moka stops after a tenth of a second, whatever is left.
        let mut left = u64::MAX;
        while self.entries.entry_count() < left {
            left = self.entries.entry_count();
            self.entries.run_pending_tasks();
        }
    }

    fn release_one_expired(&self, now_millis: u64) -> bool {
        let Some((key, deadline)) = self.deadlines.first_passed(now_millis) else {
            return false;
        };
        let _lock = self.locks.lock(&key);
        // The key may have been written since; then it has another deadline or none.
        if self.deadlines.of(&key) == Some(deadline) {
            self.remove(&key);
        }
        true
    }

    /// Removes an entry, its lock being held.
    fn remove(&self, key: &str) {
        self.deadlines.forget(key);
        self.entries.invalidate(key);
    }

    /// Lets moka work off its logs of reads and writes, unless another thread is about to.
    ///
    /// moka applies all logged reads before all logged writes, so its order of use is exact only
    /// if no read is logged behind a write: hence after every write.
    fn note_write(&self) {
        self.unapplied_writes.fetch_add(1, Ordering::SeqCst);
        // Either the one who holds the lock sees this write, or this thread sees the lock free.
        fence(Ordering::SeqCst);
        while self.unapplied_writes.load(Ordering::SeqCst) > 0 {
            let Some(maintenance) = self.maintenance.try_lock() else {
                return;
            };
            self.unapplied_writes.store(0, Ordering::SeqCst);
            self.work_off_logs();
            drop(maintenance);
            fence(Ordering::SeqCst);
        }
    }

    /// Has moka apply what it logged and evict what is too much.
    fn work_off_logs(&self) {
        let mut left = u64::MAX;
        loop {
            self.entries.run_pending_tasks();
            // moka stops after a tenth of a second, whatever is left to evict.
            let weight = self.entries.weighted_size();
            if weight <= self.bounds.total_weight() || weight >= left {
                return;
            }
            left = weight;
        }
    }

    /// The stored keys that the pattern selects, expired ones among them. Counts as no use.
    ///
    /// None if `go_on`, which is asked every now and then, has had enough.
    pub(crate) fn selected_keys(
        &self,
        pattern: &Pattern,
        go_on: impl Fn() -> bool,
    ) -> Option<Vec<Arc<str>>> {
        const ASKED_EVERY: usize = 1024;
        let mut selected = Vec::new();
        for (looked_at, (key, _)) in self.entries.iter().enumerate() {
            if looked_at % ASKED_EVERY == ASKED_EVERY - 1 && !go_on() {
                return None;
            }
            if pattern.selects(&**key) {
                selected.push(Arc::clone(&*key));
            }
        }
        Some(selected)
    }

    /// How many entries are stored, expired ones that were not released yet among them.
    pub(crate) fn entry_count(&self) -> u64 {
        self.entries.entry_count()
    }

    /// Lets no further call in, and has every entry released by the sweeper.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        // Writers that were let in before have finished once every lock was free.
        self.locks.wait_for_all();
        self.entries.invalidate_all();
    }
}

/// What an entry takes up as the bound by bytes counts: key and value, nothing else.
pub(crate) fn size(key: &str, value: &Value) -> usize {
    key.len().saturating_add(value.bytes().len())
}
