//! Contests of writes.

use std::sync::Arc;

use maestro_cache::{Bytes, Ttl};
use moka::ops::compute::Op;
use moka::policy::EvictionPolicy;

use super::caches::{ExpiresAfterWrite, TTL, locked, moka_future, moka_sync, ours, ours_filled};
use super::steps::at_each_step;
use crate::contest::{Contest, Contestant};
use crate::load::Load;
use crate::values::{SIZES, User};

const KEYS: usize = 5_000;

pub(super) fn contests() -> Vec<Contest> {
    let mut contests = vec![
        Contest::new("memory/set, 1 thread", || set(1, KEYS)),
        Contest::new("memory/set, 2 threads", || set(2, KEYS)),
        Contest::new("memory/set with TTL, 1 thread", || set_with_ttl(1)),
        Contest::new("memory/set with TTL, 2 threads", || set_with_ttl(2)),
        Contest::new("memory/increment, 1 thread", || increment(Ttl::Never)),
        Contest::new("memory/increment with TTL, 1 thread", || {
            increment(Ttl::After(TTL))
        }),
    ];
    for (label, bytes) in SIZES {
        contests.push(Contest::new(
            format!("memory/set bytes of {label}"),
            move || set_bytes(bytes),
        ));
    }
    for keys in [100, 1_000, 10_000, 100_000, 1_000_000] {
        contests.push(Contest::new(
            format!("memory/set among {keys} keys"),
            move || set(1, keys),
        ));
    }
    contests
}

/// All but the last store the bytes of the value; a cache that is to hand them to somebody else, or
/// count them, has to.
fn set(threads: usize, keys: usize) -> Vec<Contestant> {
    let load = Arc::new(Load::uniform(keys));
    let cache = ours_filled(2 * keys, &load);
    let locked = locked(&load, |_| Bytes::new());
    let sync = moka_sync(2 * keys, &load, |_| Bytes::new());
    let future = moka_future(2 * keys, &load, |_| Bytes::new());
    let shared = moka_sync(2 * keys, &load, |step| Arc::new(User::new(step.id)));
    let [first, second, third, fourth, fifth] = [(); 5].map(|()| User::new(7));
    vec![
        at_each_step("maestro-cache", threads, &load, async move |step| {
            cache.set(step.name, &first).await
        }),
        at_each_step("locked map, encoding", threads, &load, async move |step| {
            let bytes = Bytes::from(second.encode());
            locked.lock().insert(step.stored.to_owned(), bytes)
        }),
        at_each_step("moka::sync, encoding", threads, &load, async move |step| {
            sync.insert(step.stored.to_owned(), third.encode().into());
        }),
        at_each_step(
            "moka::future, encoding",
            threads,
            &load,
            async move |step| {
                let bytes = fourth.encode().into();
                future.insert(step.stored.to_owned(), bytes).await;
            },
        ),
        at_each_step("moka::sync, Arc", threads, &load, async move |step| {
            shared.insert(step.stored.to_owned(), Arc::new(fifth.clone()));
        }),
    ]
}

fn set_with_ttl(threads: usize) -> Vec<Contestant> {
    let load = Arc::new(Load::uniform(KEYS));
    let cache = ours_filled(2 * KEYS, &load);
    let sync: moka::sync::Cache<String, Bytes> = moka::sync::Cache::builder()
        .max_capacity(2 * KEYS as u64)
        .eviction_policy(EvictionPolicy::lru())
        .expire_after(ExpiresAfterWrite)
        .build();
    let future: moka::future::Cache<String, Bytes> = moka::future::Cache::builder()
        .max_capacity(2 * KEYS as u64)
        .eviction_policy(EvictionPolicy::lru())
        .expire_after(ExpiresAfterWrite)
        .build();
    let [first, second, third] = [(); 3].map(|()| User::new(7));
    vec![
        at_each_step("maestro-cache", threads, &load, async move |step| {
            cache.set(step.name, &first).ttl(TTL).await
        }),
        at_each_step("moka::sync, encoding", threads, &load, async move |step| {
            sync.insert(step.stored.to_owned(), second.encode().into());
        }),
        at_each_step(
            "moka::future, encoding",
            threads,
            &load,
            async move |step| {
                let bytes = third.encode().into();
                future.insert(step.stored.to_owned(), bytes).await;
            },
        ),
    ]
}

fn set_bytes(bytes: usize) -> Vec<Contestant> {
    let load = Arc::new(Load::uniform(KEYS));
    let cache = ours(2 * KEYS);
    let sync = moka_sync(2 * KEYS, &load, |_| Bytes::new());
    let value = Bytes::from(vec![7; bytes]);
    let same = value.clone();
    vec![
        at_each_step("maestro-cache", 1, &load, async move |step| {
            cache.set_bytes(step.name, value.clone()).await
        }),
        at_each_step("moka::sync, Bytes", 1, &load, async move |step| {
            sync.insert(step.stored.to_owned(), same.clone());
        }),
    ]
}

fn increment(ttl: Ttl) -> Vec<Contestant> {
    let load = Arc::new(Load::uniform(KEYS));
    let cache = ours(2 * KEYS);
    let locked = locked(&load, |_| 0_i64);
    let sync = moka_sync(2 * KEYS, &load, |_| 0_i64);
    vec![
        at_each_step("maestro-cache", 1, &load, async move |step| {
            cache.increment(step.name, 1).ttl(ttl).await
        }),
        at_each_step("locked map, integer", 1, &load, async move |step| {
            let mut sums = locked.lock();
            if let Some(sum) = sums.get_mut(step.stored) {
                *sum += 1;
            }
        }),
        at_each_step(
            "moka::sync, and_compute_with",
            1,
            &load,
            async move |step| {
                let entry = sync.entry_by_ref(step.stored);
                entry.and_compute_with(|sum| Op::Put(sum.map_or(0, moka::Entry::into_value) + 1))
            },
        ),
    ]
}
