//! What meets in the store, in all orders in which threads can run. `scripts/model-check.sh` runs these.

// A model fails by panicking; Clippy does not see a test behind `loom`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::atomic::Ordering::Relaxed;

use loom::model::Builder;
use loom::sync::Arc;
use loom::thread::{self, JoinHandle};
use maestro_cache_core::{Bytes, Claim, ClaimOver, Expiry, Keeping, LoadToken, Pattern, Value};

use crate::capacity::{Capacity, EvictionPolicy};
use crate::cell::{Change, Entry, Found};
use crate::clock::{Clock, Deadline, ManualClock};
use crate::front::Front;
use crate::leases;
use crate::store::Store;

/// So few suffice to find most faults, and end in seconds.
const PREEMPTIONS: usize = 3;
const KEY: &str = "key";

fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(PREEMPTIONS));
    builder.check(model);
}

#[derive(Clone)]
struct World {
    store: Arc<Store>,
    clock: ManualClock,
}

impl World {
    /// A store with a front of one segment, of which each hit is reported, or none.
    fn new(max_bytes: Option<u64>, reports: bool) -> Self {
        Self::with_front(Front::new(1), max_bytes, reports)
    }

    fn with_front(front: Front, max_bytes: Option<u64>, reports: bool) -> Self {
        let clock = ManualClock::new();
        let capacity = Capacity::new(10_000, max_bytes).expect("no bound here is 0");
        let mut store = Store::new(capacity, EvictionPolicy::Lru, Clock::Manual(clock.clone()));
        store.front = front;
        store.report_after = if reports { 0 } else { u64::MAX };
        let store = Arc::new(store);
        Self { store, clock }
    }

    /// The same with a value, in the front.
    fn with_value(value: u64, reports: bool) -> Self {
        let world = Self::new(None, reports);
        world.set(value);
        assert_eq!(world.get(), Some(value));
        world
    }

    fn spawn<T: 'static>(&self, call: impl FnOnce(&Self) -> T + 'static) -> JoinHandle<T> {
        let world = self.clone();
        thread::spawn(move || call(&world))
    }

    fn store(
        &self,
        value: u64,
        when: impl FnOnce(Option<u64>) -> bool,
        deadline: Deadline,
    ) -> bool {
        let stored = self.store.update(KEY, |live, _| {
            let is_stored = when(live.map(read));
            let entry = Entry::new(to_value(value), deadline);
            let change = if is_stored {
                Change::Store(entry)
            } else {
                Change::Keep
            };
            Ok((change, is_stored))
        });
        stored.expect("the store is open")
    }

    fn set(&self, value: u64) {
        self.store(value, |_| true, Deadline::NEVER);
    }

    fn add(&self, value: u64) -> bool {
        self.store(value, |live| live.is_none(), Deadline::NEVER)
    }

    fn increment(&self) -> u64 {
        let sum = self.store.update(KEY, |live, _| {
            let sum = live.map_or(0, read) + 1;
            let entry = Entry::new(to_value(sum), Deadline::NEVER);
            Ok((Change::Store(entry), sum))
        });
        sum.expect("the store is open")
    }

    fn delete(&self) -> bool {
        self.store.remove_live(KEY).expect("the store is open")
    }

    fn get(&self) -> Option<u64> {
        let value = self.store.get(KEY)?;
        Some(number(value.bytes()))
    }

    fn evict(&self) {
        self.store.map.evict_all();
    }

    fn clear(&self) {
        let keys = self.store.selected_keys(&Pattern::all(), || true);
        for _ in keys.expect("nobody stops it") {
            self.delete();
        }
    }

    fn claim(&self, token: LoadToken) -> bool {
        let claim = |found: Found<'_>| leases::acquire(&found, token, ClaimOver::Gap);
        let claim = self.store.lease(KEY, claim).expect("the store is open");
        matches!(claim, Claim::Granted)
    }

    fn publish(&self, token: LoadToken, value: u64) -> bool {
        let mut value = Some(to_value(value));
        let keeping = Keeping::plain(Expiry::Never);
        let publish = |found: Found<'_>| leases::publish(&found, token, &mut value, keeping);
        self.store.lease(KEY, publish).expect("the store is open")
    }
}

fn to_value(number: u64) -> Value {
    Value::new(Bytes::copy_from_slice(&number.to_le_bytes()))
}

fn number(bytes: &Bytes) -> u64 {
    u64::from_le_bytes(bytes[..].try_into().expect("values here are numbers"))
}

fn read(entry: &Entry) -> u64 {
    number(entry.value.bytes())
}

/// A value that was found missing comes back to nobody, whether it is in the front or comes into it.
#[test]
fn an_evicted_value_does_not_come_back() {
    for in_front in [false, true] {
        check(move || {
            let world = World::new(None, false);
            world.set(1);
            if in_front {
                world.get();
            }
            let evicting = world.spawn(World::evict);
            let reading = world.spawn(|world| world.get());
            let reads = [world.get(), world.get()];
            evicting.join().unwrap();
            reading.join().unwrap();
            let reads = [reads[0], reads[1], world.get()];
            assert!(reads.is_sorted_by(|a, b| a >= b), "{reads:?}");
        });
    }
}

/// What one thread sees that reads, adds and reads again, while another one increments, and what is left.
type Outcome = (Option<u64>, bool, Option<u64>, u64, Option<u64>);

/// All outcomes of calls that follow one another, with one eviction somewhere in between or none.
fn outcomes_one_after_the_other() -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for increment_at in 0..4 {
        for evict_at in 0..6 {
            let mut calls = vec!["read", "add", "read again"];
            calls.insert(increment_at, "increment");
            calls.insert(
                evict_at.min(calls.len()),
                if evict_at < 5 { "evict" } else { "" },
            );
            let (mut stored, mut outcome) = (Some(1), Outcome::default());
            for call in calls {
                match call {
                    "read" => outcome.0 = stored,
                    "add" => {
                        outcome.1 = stored.is_none();
                        stored = stored.or(Some(10));
                    }
                    "read again" => outcome.2 = stored,
                    "increment" => {
                        outcome.3 = stored.unwrap_or(0) + 1;
                        stored = Some(outcome.3);
                    }
                    "evict" => stored = None,
                    _ => {}
                }
            }
            outcome.4 = stored;
            outcomes.push(outcome);
        }
    }
    outcomes
}

#[test]
fn an_eviction_during_a_write_is_before_it_or_after_it() {
    for in_front in [false, true] {
        check(move || {
            let world = World::new(None, false);
            world.set(1);
            if in_front {
                world.get();
            }
            let evicting = world.spawn(World::evict);
            let incrementing = world.spawn(World::increment);
            let seen = (world.get(), world.add(10), world.get());
            evicting.join().unwrap();
            let sum = incrementing.join().unwrap();
            let outcome = (seen.0, seen.1, seen.2, sum, world.get());
            assert!(
                outcomes_one_after_the_other().contains(&outcome),
                "{outcome:?}"
            );
        });
    }
}

#[test]
fn a_removal_takes_no_value_that_was_stored_after_it() {
    check(|| {
        let world = World::with_value(1, false);
        let deleting = world.spawn(World::delete);
        let added = world.add(2);
        let was_there = deleting.join().unwrap();
        assert!(was_there);
        // It could be added only after the removal.
        assert_eq!(world.get(), added.then_some(2));
    });
}

#[test]
fn a_late_report_harms_no_newer_value() {
    check(|| {
        let world = World::with_value(1, true);
        // So that the next hit is reported.
        world.store.insertions.0.fetch_add(1, Relaxed);
        world.evict();
        let reading = world.spawn(|world| [world.get(), world.get()]);
        world.set(2);
        assert_eq!(world.get(), Some(2));
        let reads = reading.join().unwrap();
        let age = |read: &Option<u64>| read.unwrap_or(1);
        assert!(reads.iter().map(age).is_sorted(), "{reads:?}");
        world.store.map.drop_evicted();
        assert_eq!(world.get(), Some(2));
    });
}

#[test]
fn two_writers_of_a_new_key_meet() {
    check(|| {
        let world = World::new(None, false);
        let other = world.spawn(World::increment);
        let mut sums = [world.increment(), other.join().unwrap()];
        sums.sort_unstable();
        assert_eq!((sums, world.get()), ([1, 2], Some(2)));
        assert_eq!(world.store.entry_count(), 1);
    });
}

#[test]
fn a_write_ends_the_lease_of_a_missing_key() {
    check(|| {
        let world = World::new(None, false);
        let token = LoadToken::from_number(1).expect("it is a token");
        let loading = world.spawn(move |world| world.claim(token) && world.publish(token, 1));
        world.set(2);
        loading.join().unwrap();
        // Before the claim, it refuses it; after that, it ends it; after the load, it replaces the value.
        assert_eq!(world.get(), Some(2));
        assert!(world.delete());
        assert!(world.claim(LoadToken::new()), "no lease is left");
    });
}

#[test]
fn a_clear_leaves_nothing_that_was_there_before() {
    check(|| {
        let world = World::new(None, false);
        world.set(1);
        let evicting = world.spawn(World::evict);
        let reading = world.spawn(|world| world.get());
        world.clear();
        assert_eq!(world.get(), None);
        evicting.join().unwrap();
        reading.join().unwrap();
        assert_eq!(world.get(), None);
    });
}

#[test]
fn a_clear_leaves_nothing_that_is_loaded_meanwhile() {
    check(|| {
        let world = World::new(None, false);
        let token = LoadToken::from_number(1).expect("it is a token");
        assert!(world.claim(token));
        let loading = world.spawn(move |world| world.publish(token, 1));
        world.clear();
        loading.join().unwrap();
        assert_eq!(world.get(), None);
    });
}

#[test]
fn a_value_that_grows_does_not_come_back() {
    check(|| {
        let world = World::with_front(Front::new(0), Some(1_000), false);
        world.set(1);
        let growing = world.spawn(|world| {
            let long = Value::new(Bytes::from_static(&[0; 13]));
            let entry = Entry::new(long, Deadline::NEVER);
            let grow = |_: Option<&Entry>, _| Ok((Change::Store(entry), ()));
            world.store.update(KEY, grow).expect("the store is open");
        });
        let size = || world.store.get(KEY).map_or(0, |value| value.bytes().len());
        let before = size();
        world.evict();
        let after = [size(), size()];
        growing.join().unwrap();
        // What has grown was found missing, and nobody has written since.
        let came_back = before == 13 && after == [0, 13];
        assert!(!came_back, "{before} {after:?}");
    });
}

#[test]
fn the_sweeper_takes_no_value_that_was_written_anew() {
    check(|| {
        let world = World::new(None, false);
        let soon = Deadline::of(Expiry::AfterMillis(1.try_into().unwrap()), 0);
        world.store(1, |_| true, soon);
        world.clock.advance(std::time::Duration::from_millis(1));
        let sweeping = world.spawn(|world| world.store.release());
        world.set(2);
        assert_eq!(world.get(), Some(2));
        sweeping.join().unwrap();
        assert_eq!((world.get(), world.store.entry_count()), (Some(2), 1));
    });
}

#[test]
fn a_writer_during_a_close_leaves_nothing_behind() {
    check(|| {
        let world = World::with_value(1, false);
        let writing = world.spawn(|world| {
            let entry = Entry::new(to_value(2), Deadline::NEVER);
            world
                .store
                .update(KEY, |_, _| Ok((Change::Store(entry), ())))
        });
        world.store.close();
        world.store.release();
        let _ = writing.join().unwrap();
        assert_eq!((world.store.entry_count(), world.get()), (0, None));
    });
}
