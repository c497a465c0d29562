//! What meets without a lock in common, in all orders in which the threads can run.
//! `scripts/model-check.sh` runs these.

// A model fails by panicking; Clippy does not see a test behind `loom`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use loom::model::Builder;
use loom::sync::Arc;
use loom::thread;
use maestro_cache_core::{Bytes, Expiry};

use super::*;
use crate::ManualClock;
use crate::entry::Deadline;

/// So few suffice to find most faults, and end in seconds.
const PREEMPTIONS: usize = 3;

fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(PREEMPTIONS));
    builder.check(model);
}

fn store(max_entries: u64, clock: &ManualClock) -> Arc<Store> {
    let bounds = Bounds::new(max_entries, None).expect("no bound here is 0");
    let clock = Clock::Manual(clock.clone());
    Arc::new(Store::new(bounds, EvictionPolicy::Lru, clock))
}

/// A key of the first shard or the second one, each time another one by `number`.
fn key_of(store: &Store, place: usize, number: usize) -> String {
    (0..1000)
        .map(|index| format!("k{index}"))
        .filter(|key| store.place_of(store.hashed(key)) == place)
        .nth(number)
        .expect("half of the keys are there")
}

fn set(store: &Store, key: &str, value: &'static str, deadline: Deadline) -> Result<()> {
    let value = Value::new(Bytes::from_static(value.as_bytes()));
    store.update(key, |_, _| {
        Ok((Change::Store(Entry::new(value, deadline)), ()))
    })
}

fn set_for_ever(store: &Store, key: &str, value: &'static str) {
    set(store, key, value, Deadline::NEVER).expect("the store is open");
}

fn get(store: &Store, key: &str) -> Option<Bytes> {
    store.get(key).map(Value::into_bytes)
}

fn weight(store: &Store) -> u64 {
    store.weight.0.load(Ordering::Acquire)
}

fn after(millis: u64) -> Deadline {
    let millis = millis.try_into().expect("no expiry is 0");
    Deadline::of(Expiry::AfterMillis(millis), 0)
}

#[test]
fn two_writers_at_the_bound_leave_it_kept() {
    check(|| {
        let store = store(1, &ManualClock::new());
        set_for_ever(&store, &key_of(&store, 0, 0), "there before");
        let writers: Vec<_> = (0..2)
            .map(|place| {
                let store = Arc::clone(&store);
                thread::spawn(move || set_for_ever(&store, &key_of(&store, place, 1), "new"))
            })
            .collect();
        for writer in writers {
            writer.join().expect("no writer panics");
        }
        assert_eq!((store.entry_count(), weight(&store)), (1, 1));
    });
}

#[test]
fn the_sweeper_costs_a_writer_no_live_entry() {
    check(|| {
        let clock = ManualClock::new();
        let store = store(2, &clock);
        let [live, dying, new] = [(0, 0), (1, 0), (0, 1)].map(|(at, key)| key_of(&store, at, key));
        set_for_ever(&store, &live, "live");
        set(&store, &dying, "dying", after(1)).expect("the store is open");
        clock.advance(Duration::from_millis(1));
        let sweeper = {
            let store = Arc::clone(&store);
            thread::spawn(move || store.release())
        };
        set_for_ever(&store, &new, "new");
        sweeper.join().expect("the sweeper does not panic");
        assert_eq!((store.entry_count(), weight(&store)), (2, 2));
        assert!(get(&store, &live).is_some());
    });
}

#[test]
fn a_reader_sees_what_was_there_then_nothing_then_what_is_new() {
    check(|| {
        let clock = ManualClock::new();
        let store = store(2, &clock);
        let key = key_of(&store, 0, 0);
        set(&store, &key, "old", after(1)).expect("the store is open");
        let reader = {
            let (store, key) = (Arc::clone(&store), key.clone());
            thread::spawn(move || [get(&store, &key), get(&store, &key)])
        };
        let sweeper = {
            let store = Arc::clone(&store);
            thread::spawn(move || {
                clock.advance(Duration::from_millis(1));
                store.release();
            })
        };
        set_for_ever(&store, &key, "new");
        let reads = reader.join().expect("no reader panics");
        sweeper.join().expect("the sweeper does not panic");
        let age = |read: &Option<Bytes>| match read.as_deref() {
            Some(b"old") => 0,
            None => 1,
            Some(_) => 2,
        };
        assert!(reads.iter().map(age).is_sorted(), "{reads:?}");
        assert_eq!(get(&store, &key).as_deref(), Some(&b"new"[..]));
        assert_eq!((store.entry_count(), weight(&store)), (1, 1));
    });
}

#[test]
fn a_clear_takes_what_was_there_and_weighs_it_once() {
    check(|| {
        let store = store(1, &ManualClock::new());
        let [there, new] = [(0, 0), (1, 0)].map(|(at, key)| key_of(&store, at, key));
        set_for_ever(&store, &there, "there before");
        let writer = {
            let store = Arc::clone(&store);
            thread::spawn(move || set_for_ever(&store, &new, "new"))
        };
        let all = Pattern::all();
        for key in store.selected_keys(&all, || true).expect("nobody stops it") {
            let remove = |_: Option<&Entry>, _| Ok((Change::Remove, ()));
            store.update(&key, remove).expect("the store is open");
        }
        writer.join().expect("no writer panics");
        assert!(get(&store, &there).is_none());
        assert_eq!(store.entry_count(), weight(&store));
    });
}

#[test]
fn a_writer_during_a_close_leaves_nothing_behind() {
    check(|| {
        let store = store(1, &ManualClock::new());
        set_for_ever(&store, &key_of(&store, 0, 0), "there before");
        let writer = {
            let store = Arc::clone(&store);
            thread::spawn(move || set(&store, &key_of(&store, 1, 0), "new", Deadline::NEVER))
        };
        store.close();
        store.release();
        let _ = writer.join().expect("no writer panics");
        assert_eq!((store.entry_count(), weight(&store)), (0, 0));
    });
}
