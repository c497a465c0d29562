//! The bound: what is evicted, in which order, and what never is.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::FutureExt;
use maestro_cache_core::{Cache, ErrorKind, StaleIfError, Ttl};
use maestro_cache_memory::{EvictionPolicy, InMemoryCache, InMemoryCacheBuilder, ManualClock};

const LONG: Duration = Duration::from_secs(3600);
/// Up to this many entries the bound and the order are exact.
const EXACT: u64 = 1_024;

fn cache(settings: InMemoryCacheBuilder) -> Cache {
    Cache::new(settings.build().unwrap())
}

fn bounded(max_entries: u64) -> Cache {
    cache(InMemoryCache::builder().max_entries(max_entries))
}

/// Memory answers at once, so that no test here needs a runtime.
fn now<T>(future: impl IntoFuture<Output = T>) -> T {
    future
        .into_future()
        .now_or_never()
        .expect("memory answers at once")
}

fn set(cache: &Cache, key: &str) {
    now(cache.set(key, &1)).unwrap();
}

fn present(cache: &Cache, keys: &[&str]) -> String {
    keys.iter()
        .filter(|key| now(cache.exists(key)).unwrap())
        .copied()
        .collect()
}

#[test]
fn the_least_recently_used_entry_goes() {
    let cache = bounded(3);
    ["a", "b", "c"].into_iter().for_each(|key| set(&cache, key));
    assert_eq!(now(cache.get::<i64>("a")).unwrap(), Some(1));
    set(&cache, "d");
    assert_eq!(present(&cache, &["a", "b", "c", "d"]), "acd");
}

#[test]
fn every_operation_that_touches_a_value_counts_as_use() {
    // Each answers whether it did what it should have done.
    type Use = fn(&Cache) -> bool;
    let uses: [(&str, Use); 9] = [
        ("get", |cache| {
            now(cache.get::<i64>("a")).unwrap() == Some(1)
        }),
        ("get_shared", |cache| {
            now(cache.get_shared::<i64>("a")).unwrap().as_deref() == Some(&1)
        }),
        ("get_or_compute", |cache| {
            let load = || async { Ok::<_, std::io::Error>(2) };
            now(cache.get_or_compute("a", load)).unwrap() == 1
        }),
        ("get_many", |cache| {
            now(cache.get_many(["a"])).unwrap() == [Some(1)]
        }),
        ("set", |cache| now(cache.set("a", &2)).is_ok()),
        ("set_many", |cache| now(cache.set_many([("a", 2)])).is_ok()),
        ("increment", |cache| {
            now(cache.increment("a", 1)).unwrap() == 2
        }),
        ("compare_and_set", |cache| {
            now(cache.compare_and_set("a", Some(&1), &2)).unwrap()
        }),
        ("expire", |cache| now(cache.expire("a", LONG)).unwrap()),
    ];
    for (name, use_a) in uses {
        let cache = bounded(2);
        ["a", "b"].into_iter().for_each(|key| set(&cache, key));
        assert!(use_a(&cache), "{name}");
        set(&cache, "c");
        assert_eq!(present(&cache, &["a", "b", "c"]), "ac", "{name}");
    }
}

#[test]
fn overwriting_evicts_nobody() {
    let cache = bounded(2);
    ["a", "b"].into_iter().for_each(|key| set(&cache, key));
    for _ in 0..300 {
        set(&cache, "b");
        now(cache.increment("b", 1)).unwrap();
        now(cache.set_many([("b", 1), ("b", 2)])).unwrap();
    }
    assert_eq!(present(&cache, &["a", "b"]), "ab");
}

#[test]
fn expired_entries_go_before_live_ones() {
    let clock = ManualClock::new();
    let cache = cache(InMemoryCache::builder().max_entries(3).clock(clock.clone()));
    now(cache.set("oldest", &1).ttl(LONG)).unwrap();
    now(cache.set("dying", &1).ttl(Duration::from_millis(5))).unwrap();
    now(cache.set("newest", &1).ttl(Ttl::Never)).unwrap();
    clock.advance(Duration::from_millis(5));
    set(&cache, "a");
    assert_eq!(
        present(&cache, &["oldest", "dying", "newest", "a"]),
        "oldestnewesta"
    );
    set(&cache, "b");
    assert_eq!(present(&cache, &["oldest", "newest", "a", "b"]), "newestab");
}

#[test]
fn an_old_value_that_is_served_counts_as_used() {
    let clock = ManualClock::new();
    let cache = cache(InMemoryCache::builder().max_entries(2).clock(clock.clone()));
    let load = |loaded: Result<i64, &'static str>| {
        let load = cache.get_or_compute("old", || async { loaded });
        let load = load.ttl(Duration::from_millis(1));
        now(load.stale_if_error(StaleIfError::within(LONG).back_off(Duration::ZERO)))
    };
    assert_eq!(load(Ok(1)).unwrap(), 1);
    set(&cache, "a");
    clock.advance(Duration::from_millis(1));
    assert_eq!(load(Err("the source is down")).unwrap(), 1);
    set(&cache, "b");
    assert_eq!(present(&cache, &["a", "b"]), "b");
    assert_eq!(load(Err("the source is down")).unwrap(), 1);
}

#[test]
fn an_entry_that_was_expired_and_is_written_again_takes_one_place() {
    let clock = ManualClock::new();
    let cache = cache(InMemoryCache::builder().max_entries(2).clock(clock.clone()));
    for _ in 0..100 {
        now(cache.set("a", &1).ttl(Duration::from_millis(1))).unwrap();
        clock.advance(Duration::from_millis(1));
        now(cache.increment("a", 1).ttl(Duration::from_millis(1))).unwrap();
    }
    ["b", "a"].into_iter().for_each(|key| set(&cache, key));
    assert_eq!(present(&cache, &["a", "b"]), "ab");
}

#[test]
fn a_bound_of_nothing_is_refused() {
    let error = InMemoryCache::builder().max_entries(0).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let error = InMemoryCache::builder().max_bytes(0).build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    // So many entries leave no fraction of one for its bytes.
    let both = InMemoryCache::builder().max_entries(u64::MAX).max_bytes(1);
    assert_eq!(both.build().unwrap_err().kind(), ErrorKind::Config);
}

#[test]
fn neither_bound_is_passed_and_both_are_reached() {
    for (max_entries, max_bytes) in [(1, 1), (3, 10), (1_000, 1 << 20)] {
        let settings = InMemoryCache::builder().max_entries(max_entries);
        let memory = settings.max_bytes(max_bytes).build().unwrap();
        let cache = Cache::new(memory.clone());
        // Keys that are as short as the bytes allow.
        let keys = (0..=max_entries).map(|key| char::from_u32(key as u32 + 1).unwrap());
        for key in keys
            .clone()
            .filter(|key| key.len_utf8() as u64 <= max_bytes)
        {
            now(cache.set_bytes(&key.to_string(), "")).unwrap();
        }
        assert_eq!(memory.entry_count(), max_entries);
        let rest = usize::try_from(max_bytes).unwrap() - "k".len();
        now(cache.set_bytes("k", vec![0; rest])).unwrap();
        assert_eq!(memory.entry_count(), 1);
        let error = now(cache.set_bytes("k", vec![0; rest + 1])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
    }
}

#[test]
fn what_cannot_fit_is_refused_and_changes_nothing() {
    let cache = cache(InMemoryCache::builder().max_bytes(100));
    now(cache.set_bytes("a", vec![1; 99])).unwrap();
    let error = now(cache.set_bytes("a", vec![2; 100])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    let too_large = "x".repeat(100);
    let error = now(cache.set_many([("b", "fits"), ("c", &too_large)])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(now(cache.get_bytes("a")).unwrap().unwrap(), vec![1; 99]);
    assert_eq!(present(&cache, &["a", "b", "c"]), "a");
}

#[test]
fn bytes_are_bounded_and_the_least_recently_used_go() {
    let cache = cache(InMemoryCache::builder().max_entries(EXACT).max_bytes(100));
    for key in ["a", "b", "c", "d"] {
        now(cache.set_bytes(key, vec![0; 24])).unwrap();
    }
    assert_eq!(present(&cache, &["a", "b", "c", "d"]), "abcd");
    now(cache.get_bytes("a")).unwrap();
    now(cache.set_bytes("e", vec![0; 48])).unwrap();
    assert_eq!(present(&cache, &["a", "b", "c", "d", "e"]), "ade");
    // An entry that grows makes room for itself at the others' cost.
    now(cache.set_bytes("d", vec![0; 99])).unwrap();
    assert_eq!(present(&cache, &["a", "b", "c", "d", "e"]), "d");
}

#[test]
fn one_large_entry_takes_the_place_of_very_many_small_ones_at_once() {
    const SMALL: u64 = 200_000;
    let settings = InMemoryCache::builder()
        .max_entries(SMALL)
        .max_bytes(64 << 20);
    let memory = settings.build().unwrap();
    let cache = Cache::new(memory.clone());
    for index in 0..SMALL {
        now(cache.set_bytes(&index.to_string(), "x")).unwrap();
    }
    assert_eq!(memory.entry_count(), SMALL);
    let large = vec![0; (64 << 20) - "large".len()];
    now(cache.set_bytes("large", large)).unwrap();
    assert_eq!(memory.entry_count(), 1);
    assert!(now(cache.exists("large")).unwrap());
}

/// The order of use as a list: what is looked up is moved to the back, what is over goes in front.
#[test]
fn random_calls_evict_just_what_a_list_by_use_evicts() {
    // A small generator of its own keeps the test the same on every run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    for capacity in [1, 2, 3, 7, 70, 200, EXACT] {
        let cache = bounded(capacity);
        let mut by_use: Vec<String> = Vec::new();
        for _ in 0..20_000 {
            let key = format!("k{}", random(capacity * 2));
            let at = by_use.iter().position(|used| *used == key);
            match random(5) {
                0 | 1 => {
                    set(&cache, &key);
                    at.map(|at| by_use.remove(at));
                    by_use.push(key);
                }
                2 => {
                    now(cache.increment(&key, 1)).unwrap();
                    at.map(|at| by_use.remove(at));
                    by_use.push(key);
                }
                3 => {
                    let hit = now(cache.get::<i64>(&key)).unwrap().is_some();
                    assert_eq!(hit, at.is_some(), "capacity {capacity}");
                    if let Some(at) = at {
                        let used = by_use.remove(at);
                        by_use.push(used);
                    }
                }
                _ => {
                    assert_eq!(now(cache.delete(&key)).unwrap(), at.is_some());
                    at.map(|at| by_use.remove(at));
                }
            }
            if by_use.len() as u64 > capacity {
                by_use.remove(0);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn concurrent_writers_leave_the_bound_kept() {
    const WRITERS: usize = 8;
    const MAX_ENTRIES: usize = 100;
    let memory = InMemoryCache::builder()
        .max_entries(MAX_ENTRIES as u64)
        .build()
        .unwrap();
    let cache = Cache::new(memory.clone());
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let cache = cache.clone();
            tokio::spawn(async move {
                for round in 0..2_000 {
                    cache
                        .set(&format!("{writer}:{round}"), &round)
                        .await
                        .unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let mut left = BTreeSet::new();
    for writer in 0..WRITERS {
        for round in 0..2_000 {
            let key = format!("{writer}:{round}");
            if cache.exists(&key).await.unwrap() {
                left.insert(key);
            }
        }
    }
    assert_eq!(left.len(), MAX_ENTRIES);
}

#[test]
fn a_hot_entry_survives_in_a_large_cache() {
    for policy in [EvictionPolicy::Lru, EvictionPolicy::TinyLfu] {
        let cache = cache(InMemoryCache::builder().eviction_policy(policy));
        set(&cache, "hot");
        for index in 0..100_000 {
            if index % 200 == 0 {
                assert_eq!(now(cache.get::<i64>("hot")).unwrap(), Some(1), "{index}");
            }
            set(&cache, &index.to_string());
        }
    }
}

#[test]
fn an_overwritten_entry_survives_in_a_large_cache() {
    let cache = cache(InMemoryCache::builder());
    for index in 0..100_000 {
        if index % 200 == 0 {
            assert_eq!(now(cache.increment("hot", 1)).unwrap(), index / 200 + 1);
        }
        set(&cache, &index.to_string());
    }
}

#[test]
fn a_large_cache_has_what_was_just_stored() {
    let cache = bounded(2_000);
    for index in 0..20_000 {
        let key = index.to_string();
        now(cache.set(&key, &index)).unwrap();
        assert_eq!(now(cache.get(&key)).unwrap(), Some(index));
    }
}

#[test]
fn a_large_cache_keeps_its_bound_after_maintenance() {
    const MAX_ENTRIES: u64 = 5_000;
    let memory = InMemoryCache::builder().max_entries(MAX_ENTRIES);
    let memory = memory.build().unwrap();
    let cache = Cache::new(memory.clone());
    for index in 0..20_000 {
        set(&cache, &index.to_string());
        if index % 1_000 == 0 {
            // To count them lets moka do its maintenance.
            assert!(memory.entry_count() <= MAX_ENTRIES);
        }
    }
    assert_eq!(memory.entry_count(), MAX_ENTRIES);
}

#[test]
fn a_loaded_value_that_cannot_fit_is_returned_and_leaves_no_claim() {
    let cache = cache(InMemoryCache::builder().max_bytes(100));
    for length in [200, 300, 20] {
        let load = || async move { Ok::<_, std::io::Error>("x".repeat(length)) };
        // Whoever met a claim would wait for it, which takes a runtime: here it would not be stored.
        let value = now(cache.get_or_compute("key", load)).unwrap();
        assert_eq!(value.len(), length);
    }
    let kept = now(cache.get::<String>("key")).unwrap();
    assert_eq!(kept.map(|kept| kept.len()), Some(20));
}
