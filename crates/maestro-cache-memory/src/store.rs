//! How calls on a key, moka's evictions and the sweeper work together.
//!
//! moka evicts cells when it likes, and tells nobody. These rules keep the rest in order:
//!
//! 1. A cell whose key is gone is **dead**: it is emptied under its lock, then leaves moka, then the front.
//! 2. A cell enters the front while its bucket is locked and moka has it.
//! 3. Who finds no cell in moka looks into the front **afterwards**, and makes dead what moka has
//!    evicted. Only then is the key missing.
//! 4. A hit of the front is reported to moka every now and then. If moka has the cell no more, it is dead.
//! 5. A new cell is inserted under the stripe lock of its key, by who finds none there.

mod write;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

// The model has to run the same each time.
#[cfg(loom)]
use foldhash::quality::FixedState as RandomState;
#[cfg(not(loom))]
use foldhash::quality::RandomState;
use maestro_cache_core::{Error, LoadToken, LookFor, Lookup, Pattern, Result, TimeToLive, Value};

use crate::capacity::{Capacity, EvictionPolicy};
use crate::cell::{Cell, Change, Entry};
use crate::cell_map::{CellMap, MAX_EXACT_ENTRIES};
use crate::clock::Clock;
use crate::expiry::Tickets;
use crate::front::Front;
use crate::key::KeyRef;
use crate::leases;
use crate::sync::{AtomicBool, Mutex, MutexGuard, Ordering, Padded};

/// More than the threads that insert at once, so that they seldom meet.
#[cfg(not(loom))]
const STRIPES: usize = 64;
#[cfg(loom)]
const STRIPES: usize = 1;

/// All entries of a cache.
#[derive(Debug)]
pub(crate) struct Store {
    pub(crate) map: CellMap,
    pub(crate) front: Front,
    stripes: Box<[Padded<Mutex<Stripe>>]>,
    tickets: Tickets,
    /// The cells that were inserted so far.
    pub(crate) insertions: Padded<AtomicU64>,
    /// After so many insertions a hit of the front is reported again.
    pub(crate) report_after: u64,
    capacity: Capacity,
    hasher: RandomState,
    clock: Clock,
    closed: AtomicBool,
}

/// The leases of missing keys, under the lock that new cells of the same keys are inserted under.
type Stripe = HashMap<Box<str>, LoadToken, RandomState>;

impl Store {
    pub(crate) fn new(capacity: Capacity, policy: EvictionPolicy, clock: Clock) -> Self {
        let entries = capacity.max_entries;
        // Small caches go to moka with every use, so that their order is exact.
        let in_front = Some(entries).filter(|entries| *entries > MAX_EXACT_ENTRIES);
        let report_after = match policy {
            EvictionPolicy::Lru => entries / 8,
            // It counts uses, and does not only look at the last one.
            EvictionPolicy::TinyLfu => entries / 64,
        };
        Self {
            map: CellMap::new(capacity, policy),
            front: Front::new(in_front.unwrap_or(0)),
            stripes: (0..STRIPES)
                .map(|_| Padded(Mutex::new(Stripe::default())))
                .collect(),
            tickets: Tickets::new(),
            insertions: Padded(AtomicU64::new(0)),
            report_after,
            capacity,
            hasher: RandomState::default(),
            clock,
            closed: AtomicBool::new(false),
        }
    }

    #[inline]
    pub(crate) fn check_open(&self) -> Result<()> {
        match self.closed.load(Ordering::Acquire) {
            true => Err(Error::closed()),
            false => Ok(()),
        }
    }

    /// The live value of the key. Counts as use.
    #[inline]
    pub(crate) fn get(&self, key: &str) -> Option<Value> {
        self.read(key, |entry| entry.value.clone())
    }

    /// The remaining time of the key. May count as use.
    pub(crate) fn time_to_live(&self, key: &str) -> TimeToLive {
        let left = |live: &Entry| match live.deadline.left(self.clock.now_millis()) {
            _ if live.deadline.is_never() => TimeToLive::NoExpiry,
            Duration::ZERO => TimeToLive::Missing,
            left => TimeToLive::Left(left),
        };
        self.read(key, left).unwrap_or(TimeToLive::Missing)
    }

    /// What there is for a load. A value that is found counts as used.
    #[inline]
    pub(crate) fn look_up(&self, key: &str, look_for: LookFor) -> Result<Lookup> {
        let now = || self.clock.now_millis();
        if let Some(fresh) = self.read(key, |live| leases::fresh(live, look_for, now)) {
            return Ok(fresh);
        }
        self.lease(key, |found| {
            (Change::Keep, leases::look_up(&found, look_for))
        })
    }

    #[inline]
    fn read<T>(&self, key: &str, read: impl Fn(&Entry) -> T) -> Option<T> {
        let key = KeyRef::new(key, &self.hasher);
        // The clock is read under the lock: a deadline that another call puts off would be long past later.
        if let Some(cell) = self.find_in_front(key)
            && let Some(entry) = &*cell.entry.lock()
        {
            return (!self.clock.has_passed(entry.deadline)).then(|| read(entry));
        }
        self.read_in_map(key, read)
    }

    #[inline(never)] // Beside a hit of the front it is long.
    fn read_in_map<T>(&self, key: KeyRef<'_>, read: impl Fn(&Entry) -> T) -> Option<T> {
        let cell = self.find_in_map(key).or_else(|| self.confirm_miss(key))?;
        let entry = cell.entry.lock();
        let live = entry.as_ref()?;
        (!self.clock.has_passed(live.deadline)).then(|| read(live))
    }

    #[inline]
    fn find_in_front(&self, key: KeyRef<'_>) -> Option<Arc<Cell>> {
        let cell = self.front.find(key)?;
        let insertions = self.insertions.0.load(Relaxed);
        if insertions.wrapping_sub(cell.reported.load(Relaxed)) > self.report_after {
            return self.report(cell, insertions);
        }
        Some(cell)
    }

    /// Tells moka of the use of a cell. None if moka has evicted it.
    #[cold]
    #[inline(never)]
    fn report(&self, cell: Arc<Cell>, insertions: u64) -> Option<Arc<Cell>> {
        let held = self.map.get(cell.key_ref());
        if held.is_some_and(|held| Arc::ptr_eq(&held, &cell)) {
            // Not before: another writer would take a cell for reported that is about to die.
            cell.reported.store(insertions, Relaxed);
            return Some(cell);
        }
        self.remove(&cell);
        None
    }

    /// The cell that moka has. It is in the front afterwards.
    fn find_in_map(&self, key: KeyRef<'_>) -> Option<Arc<Cell>> {
        if self.map.lacks(key) {
            return None;
        }
        let cell = self.front.put(key, || self.map.get(key))?;
        cell.reported
            .store(self.insertions.0.load(Relaxed), Relaxed);
        Some(cell)
    }

    /// Makes sure that the key which moka lacks is missing for everybody else, too.
    fn confirm_miss(&self, key: KeyRef<'_>) -> Option<Arc<Cell>> {
        self.map.count_miss(key);
        if self.capacity.counts_bytes() {
            // A cell that is weighed anew may be missing in moka for a moment, while its stripe is locked.
            let _stripe = self.stripe(key);
            if let Some(cell) = self.map.get(key) {
                return Some(cell);
            }
        }
        let cell = self.front.find(key)?;
        if !self.map.holds(&cell) {
            self.remove(&cell);
            return None;
        }
        Some(cell)
    }

    fn remove_if_useless(&self, cell: &Arc<Cell>) -> bool {
        let entry = cell.entry.lock();
        let now_millis = self.clock.now_millis();
        match entry.as_ref().map(Entry::useless) {
            Some(useless) if useless.has_passed(now_millis) => {
                drop(self.forget(cell, entry));
                return true;
            }
            Some(later) => self.tickets.note(cell, later),
            None => {}
        }
        false
    }

    /// Makes the cell dead.
    fn remove(&self, cell: &Arc<Cell>) {
        drop(self.forget(cell, cell.entry.lock()));
    }

    /// Makes the cell dead, and hands out its entry, to be dropped without a lock.
    fn forget(&self, cell: &Cell, mut entry: MutexGuard<'_, Option<Entry>>) -> Option<Entry> {
        let former = entry.take();
        drop(entry);
        self.map.remove(cell);
        self.front.remove(cell);
        former
    }

    /// Releases everything that has expired, or all if the store is closed. For the sweeper.
    pub(crate) fn release(&self) {
        if self.check_open().is_err() {
            for place in self.stripes.iter() {
                // A writer who was let in before has inserted its cell by now.
                *place.0.lock() = Stripe::default();
            }
            let cells = self.map.cells().chain(self.front.cells());
            cells.for_each(|cell| self.remove(&cell));
        }
        let _turn = self.map.turn();
        let now_millis = self.clock.now_millis();
        while let Some(cell) = self.tickets.take(now_millis) {
            self.remove_if_useless(&cell);
        }
        self.map.settle();
        self.tickets.tidy(self.map.len());
    }

    /// The stored keys that the pattern selects, each once, with expired ones and leased ones: a key that
    /// was removed and stored again meanwhile is not removed twice. Counts as no use.
    ///
    /// None if `go_on`, which is asked every now and then, has had enough.
    pub(crate) fn selected_keys(
        &self,
        pattern: &Pattern,
        go_on: impl Fn() -> bool,
    ) -> Option<Vec<Arc<str>>> {
        const ASKED_EVERY: usize = 1024;
        let mut selected: HashSet<Arc<str>, RandomState> = HashSet::default();
        // Leases first: the value of one may be stored while the cells are looked at.
        for place in self.stripes.iter() {
            let stripe = place.0.lock();
            let leased = stripe.keys().filter(|key| pattern.selects(key.as_bytes()));
            selected.extend(leased.map(|key| key.as_ref().into()));
        }
        // The front may have cells that moka has just evicted.
        let evicted = self.front.cells().filter(|cell| !self.map.holds(cell));
        for (looked_at, cell) in self.map.cells().chain(evicted).enumerate() {
            if looked_at % ASKED_EVERY == ASKED_EVERY - 1 && !go_on() {
                return None;
            }
            if pattern.selects(cell.key.as_bytes()) {
                selected.insert(Arc::clone(&cell.key));
            }
        }
        Some(selected.into_iter().collect())
    }

    /// The number of entries, with expired ones that were not released yet.
    pub(crate) fn entry_count(&self) -> u64 {
        let _turn = self.map.turn();
        self.map.settle();
        self.map.len()
    }

    /// Lets no further call in, and has every entry released by the sweeper.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    #[allow(clippy::indexing_slicing)] // A place is below their number.
    fn stripe(&self, key: KeyRef<'_>) -> MutexGuard<'_, Stripe> {
        self.stripes[(key.hash >> 20) as usize % STRIPES].0.lock()
    }
}
