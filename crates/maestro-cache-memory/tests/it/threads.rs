//! What must hold of a cache that many threads have used, and at the end of time.

use std::thread;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use maestro_cache_core::{Cache, ErrorKind, Expiry, TimeToLive, Ttl};
use maestro_cache_memory::{EvictionPolicy, InMemoryCache, ManualClock};

const THREADS: u64 = 4;
const CALLS: u64 = 4_000;
const KEYS: u64 = 60;

/// Memory answers at once.
fn now<T>(future: impl IntoFuture<Output = T>) -> T {
    future
        .into_future()
        .now_or_never()
        .expect("memory answers at once")
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

/// One thread's calls.
fn call(cache: &Cache, clock: &ManualClock, seed: u64) {
    let mut random = random(seed);
    for _ in 0..CALLS {
        let key = format!("k{}", random(KEYS));
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
            _ => clock.advance(Duration::from_millis(1)),
        }
    }
}

/// Waits for the sweeper; how long it may take on a machine in trouble is no promise of ours.
fn wait_for_entries(memory: &InMemoryCache, expected: u64) {
    let given_up = Instant::now() + Duration::from_secs(60);
    while memory.entry_count() != expected && Instant::now() < given_up {
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(memory.entry_count(), expected);
}

fn used_by_many_threads(max_entries: u64, max_bytes: Option<u64>, policy: EvictionPolicy) {
    let clock = ManualClock::new();
    let settings = InMemoryCache::builder()
        .max_entries(max_entries)
        .eviction_policy(policy)
        .clock(clock.clone());
    let settings = match max_bytes {
        Some(max_bytes) => settings.max_bytes(max_bytes),
        None => settings,
    };
    let memory = settings.build().unwrap();
    let cache = Cache::new(memory.clone());
    thread::scope(|scope| {
        for seed in 0..THREADS {
            let (cache, clock) = (&cache, &clock);
            scope.spawn(move || call(cache, clock, seed));
        }
    });
    assert!(memory.entry_count() <= max_entries);

    clock.advance(Duration::from_millis(20));
    let keys = (0..KEYS).map(|key| format!("k{key}"));
    let left: Vec<_> = keys
        .filter(|key| now(cache.ttl(key)).unwrap() == TimeToLive::NoExpiry)
        .collect();
    let bytes = |key: &String| now(cache.get_bytes(key)).unwrap().unwrap().len() + key.len();
    let bytes = left.iter().map(bytes).sum::<usize>() as u64;
    assert!(max_bytes.is_none_or(|max_bytes| bytes <= max_bytes));
    wait_for_entries(&memory, left.len() as u64);

    now(cache.close()).unwrap();
    wait_for_entries(&memory, 0);
}

#[test]
fn many_threads_leave_the_bound_kept_and_nothing_that_has_expired() {
    let bounds = [
        (1, None),
        (20, None),
        (30, Some(300)),
        (100, None),
        (2_000, None),
    ];
    for policy in [EvictionPolicy::Lru, EvictionPolicy::TinyLfu] {
        for (max_entries, max_bytes) in bounds {
            used_by_many_threads(max_entries, max_bytes, policy);
        }
    }
}

/// A test may move its clock to the end of time.
#[test]
fn at_the_end_of_time_what_never_expires_is_still_there() {
    let clock = ManualClock::new();
    let settings = InMemoryCache::builder().max_entries(2).clock(clock.clone());
    let memory = settings.build().unwrap();
    let cache = Cache::new(memory.clone());
    now(cache.set("never", &1).ttl(Ttl::Never)).unwrap();
    let longest = Duration::from_millis(Expiry::MAX_MILLIS);
    now(cache.set("long", &1).ttl(longest)).unwrap();
    clock.advance(Duration::MAX);
    wait_for_entries(&memory, 1);
    assert_eq!(now(cache.increment("never", 1)).unwrap(), 2);
    now(cache.set("later", &1).ttl(longest)).unwrap();
    now(cache.set("later still", &1).ttl(longest)).unwrap();
    assert!(now(cache.exists("later still")).unwrap());
    assert_eq!(memory.entry_count(), 2);
}
