//! The entries, their order of use, their deadlines, and the bound.
//!
//! Sixty-four shards, each under a lock of its own. All operations on a key meet under the lock of its
//! shard, one after the other. What spans the shards are a clock of uses, the weight of all
//! entries, and for each shard the earliest use and the earliest deadline there, which tell an
//! eviction where to look.

mod frequency;
#[cfg(all(test, loom))]
mod models;
mod queue;
mod shard;
mod summary;
#[cfg(all(test, not(loom)))]
mod tests;

use std::hash::{BuildHasher, Hasher};
use std::time::Duration;

// The model has to run the same each time.
#[cfg(loom)]
use foldhash::quality::FixedState as RandomState;
#[cfg(not(loom))]
use foldhash::quality::RandomState;
use maestro_cache_core::{Error, Held, LookFor, Lookup, Pattern, Result, TimeToLive, Value};

use crate::bounds::{Bounds, EvictionPolicy};
use crate::claims;
use crate::clock::Clock;
use crate::entry::Entry;
use crate::sync::{AtomicBool, AtomicU64, Mutex, MutexGuard, Ordering};
use frequency::Frequency;
use queue::NO_RANK;
pub(crate) use shard::Hold;
use shard::{Eviction, Kept, Shard};
use summary::{Lowest, Summary};

/// More than the threads there will be at once, so that they seldom meet.
#[cfg(not(loom))]
const SHARDS: usize = 64;
#[cfg(loom)]
const SHARDS: usize = 2;

/// All entries of a cache.
#[derive(Debug)]
pub(crate) struct Store {
    shards: Box<[Padded<Mutex<Shard>>]>,
    /// The earliest use in each shard, and the earliest deadline.
    uses: Summary,
    deadlines: Summary,
    /// The clock of uses: no two of them have the same tick.
    ticks: Padded<AtomicU64>,
    /// What all entries weigh together.
    weight: Padded<AtomicU64>,
    bounds: Bounds,
    /// How often keys were used, where that decides on who stays.
    frequency: Option<Frequency>,
    /// Held by whoever takes away what is too much, so that nobody takes away more.
    evicting: Mutex<()>,
    hasher: RandomState,
    clock: Clock,
    closed: AtomicBool,
}

/// Alone on its cache lines, so that threads do not slow each other down for what they do not share.
#[derive(Debug)]
#[repr(align(128))]
struct Padded<T>(T);

/// What a write makes of the entry it found. Removing and storing end every claim.
pub(crate) enum Change {
    Keep,
    Remove,
    Store(Entry),
    /// Keeps the entry, and lets others load it or not.
    Hold(Option<Hold>),
    /// Removes the entry, and keeps others from loading it.
    RemoveAndHold(Hold),
}

/// What a write found.
pub(crate) struct Found<'a> {
    /// The entry, unless it is of no use any more; it may be stale.
    pub(crate) entry: Option<&'a Entry>,
    pub(crate) hold: Option<Hold>,
    pub(crate) now_millis: u64,
}

impl<'a> Found<'a> {
    /// The entry, if it is live.
    pub(crate) fn live(&self) -> Option<&'a Entry> {
        self.entry
            .filter(|entry| !entry.deadline.has_passed(self.now_millis))
    }
}

/// What left the store. It is dropped once no lock is held any more: it may be a service's own type,
/// whose `Drop` does what it likes.
type Gone<T> = Option<T>;

/// A key on its way: its text, and what decides on its place.
#[derive(Clone, Copy)]
struct Hashed<'a> {
    key: &'a str,
    hash: u64,
}

impl Store {
    pub(crate) fn new(bounds: Bounds, policy: EvictionPolicy, clock: Clock) -> Self {
        Self {
            shards: (0..SHARDS)
                .map(|_| Padded(Mutex::new(Shard::default())))
                .collect(),
            uses: Summary::of(SHARDS),
            deadlines: Summary::of(SHARDS),
            ticks: Padded(AtomicU64::new(0)),
            weight: Padded(AtomicU64::new(0)),
            bounds,
            frequency: match policy {
                EvictionPolicy::Lru => None,
                EvictionPolicy::TinyLfu => Some(Frequency::of(bounds.max_entries())),
            },
            evicting: Mutex::new(()),
            hasher: RandomState::default(),
            clock,
            closed: AtomicBool::new(false),
        }
    }

    pub(crate) fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::closed());
        }
        Ok(())
    }

    /// The live value of the key. Counts as use.
    #[inline]
    pub(crate) fn get(&self, key: &str) -> Option<Value> {
        let hashed = self.hashed(key);
        self.count_use(hashed);
        let mut shard = self.shard(self.place_of(hashed));
        let kept = shard.find_mut(hashed.hash, key)?;
        if !self.is_live(&kept.entry) {
            return None;
        }
        kept.use_at(self.tick());
        Some(kept.entry.value.clone())
    }

    /// The remaining time of the key. Does not count as use.
    pub(crate) fn time_to_live(&self, key: &str) -> TimeToLive {
        let hashed = self.hashed(key);
        let shard = self.shard(self.place_of(hashed));
        let Some(kept) = shard.find(hashed.hash, key) else {
            return TimeToLive::Missing;
        };
        let deadline = kept.entry.deadline;
        if deadline.is_never() {
            return TimeToLive::NoExpiry;
        }
        // Under the lock too: a deadline that another call has put off would be long past later.
        match deadline.at_millis().checked_sub(self.clock.now_millis()) {
            None | Some(0) => TimeToLive::Missing,
            Some(left) => TimeToLive::Left(Duration::from_millis(left)),
        }
    }

    /// Reads the live entry, decides, and writes, with no other call on the key in between.
    ///
    /// `decide` gets the live entry, if there is one, and the time. If it fails nothing changes. It
    /// had better drop no value: it runs under a lock.
    pub(crate) fn update<T>(
        &self,
        key: &str,
        decide: impl FnOnce(Option<&Entry>, u64) -> Result<(Change, T)>,
    ) -> Result<T> {
        self.change(key, |found| decide(found.live(), found.now_millis))
    }

    /// The same for who also has to do with stale entries and with claims.
    pub(crate) fn change<T>(
        &self,
        key: &str,
        decide: impl FnOnce(Found<'_>) -> Result<(Change, T)>,
    ) -> Result<T> {
        let hashed = self.hashed(key);
        self.count_use(hashed);
        let place = self.place_of(hashed);
        let mut shard = self.shard(place);
        self.check_open()?;
        let now_millis = self.clock.now_millis();
        let hold = shard.hold(hashed.hash, key, now_millis);
        let tick = self.tick();
        let kept = shard.find_mut(hashed.hash, key);
        let entry = kept.and_then(|kept| {
            if kept.entry.deadline.has_passed(now_millis) {
                return (!kept.entry.useless().has_passed(now_millis)).then_some(&kept.entry);
            }
            kept.use_at(tick);
            Some(&kept.entry)
        });
        let (change, result) = decide(Found {
            entry,
            hold,
            now_millis,
        })?;
        match change {
            Change::Keep => {}
            Change::Hold(hold) => shard.set_hold(hashed.hash, key, hold),
            Change::Remove => {
                let removed = self.take_out(&mut shard, hashed, None);
                drop(shard);
                drop(removed);
            }
            Change::RemoveAndHold(hold) => {
                let removed = self.take_out(&mut shard, hashed, Some(hold));
                drop(shard);
                drop(removed);
            }
            Change::Store(entry) => {
                if let Err(error) = self.bounds.check(size(key, &entry.value)) {
                    drop(shard);
                    drop(entry);
                    return Err(error);
                }
                let weight = self.weight_of(key, &entry);
                let former = shard.put(hashed.hash, key, entry, tick);
                shard.set_hold(hashed.hash, key, None);
                let former_weight = former.as_ref().map(|former| self.weight_of(key, former));
                self.summarize(place, &shard);
                self.reweigh(former_weight.unwrap_or(0), weight);
                drop(shard);
                self.keep_the_bound(former.is_none().then_some(hashed));
                drop(former);
            }
        }
        Ok(result)
    }

    /// What there is for a load. A value that is found counts as used.
    #[inline]
    pub(crate) fn look_up(&self, key: &str, look_for: LookFor) -> Lookup {
        let hashed = self.hashed(key);
        self.count_use(hashed);
        let mut shard = self.shard(self.place_of(hashed));
        let Some(kept) = shard.find_mut(hashed.hash, key) else {
            return Lookup::Missing {
                held: self.held(&mut shard, hashed),
            };
        };
        if self.is_live(&kept.entry) {
            kept.use_at(self.tick());
            let value = kept.entry.value.clone();
            let age = match (look_for, &kept.entry.loaded) {
                (LookFor::FreshOrStale, Some(_)) => {
                    claims::age(&kept.entry, self.clock.now_millis())
                }
                _ => None,
            };
            return Lookup::Fresh { value, age };
        }
        self.look_up_old(&mut shard, hashed, look_for)
    }

    /// The same for an entry that is there and not live.
    #[cold] // Beside a hit it is long.
    fn look_up_old(&self, shard: &mut Shard, hashed: Hashed<'_>, look_for: LookFor) -> Lookup {
        let now_millis = self.clock.now_millis();
        let held = self.held(shard, hashed);
        let Some(kept) = shard.find_mut(hashed.hash, hashed.key) else {
            return Lookup::Missing { held };
        };
        let is_stale = !kept.entry.useless().has_passed(now_millis);
        let stale = (is_stale && look_for == LookFor::FreshOrStale).then(|| {
            kept.use_at(self.tick());
            let millis = now_millis.saturating_sub(kept.entry.deadline.at_millis());
            (kept.entry.value.clone(), Duration::from_millis(millis))
        });
        match stale {
            Some((value, stale_for)) => Lookup::Stale {
                value,
                stale_for,
                held,
            },
            None => Lookup::Missing { held },
        }
    }

    fn held(&self, shard: &mut Shard, hashed: Hashed<'_>) -> Option<Held> {
        let hold = shard.hold(hashed.hash, hashed.key, self.clock.now_millis())?;
        Some(hold.as_held())
    }

    /// Refuses an entry that would not fit into an empty cache.
    pub(crate) fn check_size(&self, bytes: usize) -> Result<()> {
        self.bounds.check(bytes)
    }

    /// Removes everything that has expired, or all if the store is closed.
    pub(crate) fn release(&self) {
        let now_millis = self.clock.now_millis();
        loop {
            let gone = {
                let _evicting = self.evicting.lock();
                self.remove_one_expired(now_millis)
            };
            if gone.is_none() {
                break;
            }
        }
        let is_closed = self.check_open().is_err();
        for place in 0..SHARDS {
            let mut shard = self.shard(place);
            if is_closed {
                let all = std::mem::take(&mut *shard);
                let weights = all
                    .iter()
                    .map(|kept| self.weight_of(&kept.key, &kept.entry));
                self.reweigh(weights.sum(), 0);
                self.summarize(place, &shard);
                drop(shard);
                drop(all);
            } else {
                shard.tidy();
            }
        }
    }

    /// The stored keys that the pattern selects, expired ones among them. Counts as no use.
    ///
    /// None if `go_on`, which is asked every now and then, has had enough.
    pub(crate) fn selected_keys(
        &self,
        pattern: &Pattern,
        go_on: impl Fn() -> bool,
    ) -> Option<Vec<Box<str>>> {
        const ASKED_EVERY: usize = 1024;
        let mut selected = Vec::new();
        let mut looked_at = 0;
        for place in 0..SHARDS {
            // Under one lock: what is published in between would be found in neither.
            let shard = self.shard(place);
            for kept in shard.iter() {
                looked_at += 1;
                if looked_at % ASKED_EVERY == 0 && !go_on() {
                    return None;
                }
                if pattern.selects(kept.key.as_bytes()) {
                    selected.push(kept.key.clone());
                }
            }
            // What is being loaded is not stored afterwards.
            let claimed = shard.claimed_keys();
            selected.extend(
                claimed
                    .filter(|key| pattern.selects(key.as_bytes()))
                    .cloned(),
            );
        }
        Some(selected)
    }

    /// How many entries are stored, expired ones that were not released yet among them.
    pub(crate) fn entry_count(&self) -> u64 {
        (0..SHARDS)
            .map(|place| self.shard(place).len() as u64)
            .sum()
    }

    /// Lets no further call in, and has every entry released by the sweeper.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Takes away what is too much: what has expired, then what was used least recently.
    ///
    /// By how often it was used, where that counts: then the newcomer goes again unless it was used
    /// more often than the one that would make room for it.
    fn keep_the_bound(&self, newcomer: Option<Hashed<'_>>) {
        while self.is_over() {
            let gone = {
                let _evicting = self.evicting.lock();
                if !self.is_over() {
                    return;
                }
                self.remove_one_expired(self.clock.now_millis())
                    .or_else(|| self.evict_one(newcomer))
            };
            if gone.is_none() {
                return;
            }
        }
    }

    fn is_over(&self) -> bool {
        self.weight.0.load(Ordering::Acquire) > self.bounds.total_weight()
    }

    /// Called by whoever holds `evicting`: what the sweeper takes meanwhile would be missing from what a
    /// writer has found to be too much, and the writer would take away a live entry for it.
    fn remove_one_expired(&self, now_millis: u64) -> Gone<Kept> {
        loop {
            let Lowest { place, rank, .. } = self.deadlines.lowest()?;
            if rank > now_millis {
                return None;
            }
            let mut shard = self.shard(place);
            let removed = shard.remove_expired(now_millis);
            self.summarize(place, &shard);
            if let Some(kept) = removed {
                self.reweigh(self.weight_of(&kept.key, &kept.entry), 0);
                return Some(kept);
            }
        }
    }

    fn evict_one(&self, mut newcomer: Option<Hashed<'_>>) -> Gone<Kept> {
        let began = self.ticks.0.load(Ordering::Relaxed);
        loop {
            let Lowest { place, rank, next } = self.uses.lowest()?;
            // Once all were used since this began, anyone may go: others might go on using them as fast
            // as this looks for the one that was used first.
            let limit = if rank < began { next } else { NO_RANK };
            let mut shard = self.shard(place);
            let eviction = shard.evict(limit, |hash| self.makes_room_for(newcomer, hash));
            self.summarize(place, &shard);
            match eviction {
                Eviction::Of(kept) => {
                    self.reweigh(self.weight_of(&kept.key, &kept.entry), 0);
                    return Some(kept);
                }
                Eviction::Elsewhere => {}
                Eviction::Refused => {
                    drop(shard);
                    // It may be gone already, by somebody else's hand. Then the other one goes.
                    let newcomer = newcomer.take()?;
                    let mut shard = self.shard(self.place_of(newcomer));
                    if let Some(kept) = self.take_out(&mut shard, newcomer, None) {
                        return Some(kept);
                    }
                }
            }
        }
    }

    /// Removes an entry, with every claim on it but this one.
    fn take_out(&self, shard: &mut Shard, hashed: Hashed<'_>, hold: Option<Hold>) -> Gone<Kept> {
        shard.set_hold(hashed.hash, hashed.key, hold);
        let removed = shard.remove(hashed.hash, hashed.key)?;
        self.reweigh(self.weight_of(hashed.key, &removed.entry), 0);
        Some(removed)
    }

    /// Whether the entry of this hash goes rather than the newcomer.
    fn makes_room_for(&self, newcomer: Option<Hashed<'_>>, hash: u64) -> bool {
        let (Some(frequency), Some(newcomer)) = (&self.frequency, newcomer) else {
            return true;
        };
        frequency.estimate(newcomer.hash) > frequency.estimate(hash)
    }

    fn weight_of(&self, key: &str, entry: &Entry) -> u64 {
        self.bounds.weight(size(key, &entry.value)).into()
    }

    /// Tells evictions what they find in a shard.
    fn summarize(&self, place: usize, shard: &Shard) {
        self.uses.set(place, shard.earliest_use());
        self.deadlines.set(place, shard.earliest_deadline());
    }

    /// Takes note of what entries weigh now that weighed something else before.
    ///
    /// After `summarize`, and released: whoever sees a weight also sees where it is.
    fn reweigh(&self, before: u64, now: u64) {
        if now > before {
            self.weight.0.fetch_add(now - before, Ordering::Release);
        } else if now < before {
            self.weight.0.fetch_sub(before - now, Ordering::Release);
        }
    }

    fn is_live(&self, entry: &Entry) -> bool {
        // Most ask for no time, so most need not look at the clock.
        entry.deadline.is_never() || !entry.deadline.has_passed(self.clock.now_millis())
    }

    fn tick(&self) -> u64 {
        self.ticks.0.fetch_add(1, Ordering::Relaxed)
    }

    fn count_use(&self, hashed: Hashed<'_>) {
        if let Some(frequency) = &self.frequency {
            frequency.count(hashed.hash);
        }
    }

    fn hashed<'a>(&self, key: &'a str) -> Hashed<'a> {
        let mut hasher = self.hasher.build_hasher();
        // The bytes alone: what the hash of a `str` adds keeps parts of a tuple apart.
        hasher.write(key.as_bytes());
        let hash = hasher.finish();
        Hashed { key, hash }
    }

    /// The shard of a key, by bits of its hash that the table of the shard does not look at.
    fn place_of(&self, hashed: Hashed<'_>) -> usize {
        (hashed.hash >> 40) as usize % SHARDS
    }

    #[allow(clippy::indexing_slicing)] // A place is below their number.
    fn shard(&self, place: usize) -> MutexGuard<'_, Shard> {
        self.shards[place].0.lock()
    }
}

/// What an entry takes up as the bound by bytes counts: key and value, nothing else.
pub(crate) fn size(key: &str, value: &Value) -> usize {
    key.len().saturating_add(value.bytes().len())
}
