//! What must hold of a store that many threads have used.

// A test fails by panicking; Clippy does not see a test behind `not(loom)`.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::thread;

use futures_util::FutureExt;
use maestro_cache_core::{Cache, ErrorKind, Ttl};

use super::*;
use crate::{InMemoryCache, ManualClock};

const THREADS: u64 = 4;
const CALLS: u64 = 4_000;

/// Memory answers at once.
fn now<T>(future: impl IntoFuture<Output = T>) -> T {
    future
        .into_future()
        .now_or_never()
        .expect("memory answers at once")
}

impl Store {
    /// The weight as a sum, while nobody else uses the store.
    fn summed_weight(&self) -> u64 {
        (0..SHARDS)
            .flat_map(|place| {
                let shard = self.shard(place);
                let weight = |kept: &Kept| self.weight_of(&kept.key, &kept.entry);
                shard.iter().map(weight).collect::<Vec<_>>()
            })
            .sum()
    }
}

/// Numbers that are the same on each run.
fn random(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    }
}

/// One thread's calls. `most` is what the store may weigh at any moment.
fn call(cache: &Cache, store: &Store, clock: &ManualClock, seed: u64, most: u64) {
    let mut random = random(seed);
    for _ in 0..CALLS {
        let key = format!("k{}", random(60));
        let ttl = match random(3) {
            0 => Ttl::Never,
            _ => Ttl::After(Duration::from_millis(1 + random(20))),
        };
        match random(20) {
            0..=6 => {
                let size = usize::try_from(random(40)).unwrap();
                now(cache.set_bytes(&key, vec![b'1'; size]).ttl(ttl)).unwrap();
            }
            7..=10 => drop(now(cache.get_bytes(&key)).unwrap()),
            11 => drop(now(cache.delete(&key)).unwrap()),
            12..=13 => match now(cache.increment(&key, 1).ttl(ttl)) {
                Ok(_) => {}
                // Not every text of ones is an integer of 64 bits.
                Err(error) => assert_eq!(error.kind(), ErrorKind::NotAnInteger),
            },
            14 => drop(now(cache.expire(&key, Duration::from_millis(random(9)))).unwrap()),
            15 => drop(now(cache.persist(&key)).unwrap()),
            16 => drop(now(cache.add(&key, &1).ttl(ttl)).unwrap()),
            17 if random(20) == 0 => drop(now(cache.clear("k*5")).unwrap()),
            17 => drop(now(cache.ttl(&key)).unwrap()),
            18 => store.release(),
            _ => clock.advance(Duration::from_millis(1)),
        }
        let weight = store.weight.0.load(Ordering::Relaxed);
        assert!(weight <= most, "{weight} is more than {most}");
    }
}

fn used_by_many_threads(bounds: Bounds, policy: EvictionPolicy) {
    let clock = ManualClock::new();
    let store = Arc::new(Store::new(bounds, policy, Clock::Manual(clock.clone())));
    let cache = Cache::new(InMemoryCache::from_store(Arc::clone(&store)));
    // Each writer may have stored one entry for which there is no room yet.
    let most = bounds.total_weight() + THREADS * u64::from(bounds.weight(43));
    thread::scope(|scope| {
        for seed in 0..THREADS {
            let (cache, store, clock) = (&cache, &store, &clock);
            scope.spawn(move || call(cache, store, clock, seed, most));
        }
    });
    let weight = store.weight.0.load(Ordering::Relaxed);
    assert_eq!(weight, store.summed_weight());
    assert!(weight <= bounds.total_weight());

    clock.advance(Duration::from_millis(20));
    store.release();
    let without_expiry = (0..60)
        .filter(|key| store.time_to_live(&format!("k{key}")) == TimeToLive::NoExpiry)
        .count();
    assert_eq!(store.entry_count(), without_expiry as u64);

    now(cache.close()).unwrap();
    store.release();
    assert_eq!(store.weight.0.load(Ordering::Relaxed), 0);
    assert_eq!(store.entry_count(), 0);
}

#[test]
fn what_many_threads_leave_weighs_what_its_entries_weigh() {
    for policy in [EvictionPolicy::Lru, EvictionPolicy::TinyLfu] {
        for (max_entries, max_bytes) in [(1, None), (20, None), (30, Some(300)), (100, None)] {
            used_by_many_threads(Bounds::new(max_entries, max_bytes).unwrap(), policy);
        }
    }
}

/// A test may move its clock to the end of time.
#[test]
fn at_the_end_of_time_what_never_expires_is_still_there() {
    let clock = ManualClock::new();
    let bounds = Bounds::new(2, None).unwrap();
    let store = Store::new(bounds, EvictionPolicy::Lru, Clock::Manual(clock.clone()));
    let store = Arc::new(store);
    let cache = Cache::new(InMemoryCache::from_store(Arc::clone(&store)));
    now(cache.set("never", &1).ttl(Ttl::Never)).unwrap();
    let longest = Duration::from_millis(maestro_cache_core::Expiry::MAX_MILLIS);
    now(cache.set("long", &1).ttl(longest)).unwrap();
    clock.advance(Duration::MAX);
    store.release();
    assert_eq!(now(cache.increment("never", 1)).unwrap(), 2);
    assert_eq!(store.entry_count(), 1);
    now(cache.set("later", &1).ttl(longest)).unwrap();
    now(cache.set("later still", &1).ttl(longest)).unwrap();
    assert!(now(cache.exists("later still")).unwrap());
    assert_eq!(store.entry_count(), 2);
}
