//! Contests of writes.

use std::sync::Arc;

use maestro_cache::Bytes;
use moka::ops::compute::Op;

use super::caches::{moka_sync, ours, ours_filled};
use super::steps::at_each_step;
use crate::contest::{Contest, Contestant};
use crate::load::Load;
use crate::values::User;

const KEYS: usize = 5_000;

pub(super) fn contests() -> Vec<Contest> {
    vec![
        Contest::new("memory/set, 1 thread", || overwrite(1)),
        Contest::new("memory/set, 2 threads", || overwrite(2)),
        Contest::new("memory/set of a new key, evicting, 1 thread", evicting),
        Contest::new("memory/increment, 1 thread", increment),
    ]
}

/// Of keys that are there. Ours encodes; moka is given what it stores, or encodes as well.
fn overwrite(threads: usize) -> Vec<Contestant> {
    let load = Arc::new(Load::uniform(KEYS));
    let cache = ours_filled(2 * KEYS, &load);
    let shared = moka_sync(2 * KEYS, &load, |step| Arc::new(User::new(step.id)));
    let encoding = moka_sync(2 * KEYS, &load, |_| Bytes::new());
    let [first, second, third] = [(); 3].map(|()| User::new(7));
    vec![
        at_each_step("maestro-cache", threads, &load, async move |step| {
            cache.set(step.name, &first).await
        }),
        at_each_step("moka::sync, Arc", threads, &load, async move |step| {
            shared.insert(step.stored.to_owned(), Arc::new(second.clone()));
        }),
        at_each_step("moka::sync, encoding", threads, &load, async move |step| {
            encoding.insert(step.stored.to_owned(), third.encode().into());
        }),
    ]
}

/// Keys in turn, so many that each has been evicted long before it comes again.
fn evicting() -> Vec<Contestant> {
    const TURNED_OVER: usize = 1 << 18;
    const CAPACITY: usize = 10_000;
    let load = Arc::new(Load::in_order(TURNED_OVER));
    let full = Load::absent(CAPACITY);
    let cache = ours_filled(CAPACITY, &full);
    let shared = moka_sync(CAPACITY, &full, |step| Arc::new(User::new(step.id)));
    let [first, second] = [(); 2].map(|()| User::new(7));
    vec![
        at_each_step("maestro-cache", 1, &load, async move |step| {
            cache.set(step.name, &first).await
        }),
        at_each_step("moka::sync, Arc", 1, &load, async move |step| {
            shared.insert(step.stored.to_owned(), Arc::new(second.clone()));
        }),
    ]
}

fn increment() -> Vec<Contestant> {
    let load = Arc::new(Load::uniform(KEYS));
    let cache = ours(2 * KEYS);
    let sync = moka_sync(2 * KEYS, &load, |_| 0_i64);
    vec![
        at_each_step("maestro-cache", 1, &load, async move |step| {
            cache.increment(step.name, 1).await
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
