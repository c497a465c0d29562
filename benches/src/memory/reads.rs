//! Contests of reads, and of reads with some writes among them.

use std::sync::Arc;

use maestro_cache::{Bytes, Cache, EvictionPolicy};
use moka::policy::EvictionPolicy as MokaPolicy;

use super::caches::{locked, moka_empty, moka_sync, ours, ours_filled, ours_with};
use super::steps::{at_each_step, block_on};
use crate::contest::{Contest, Contestant, Hits};
use crate::load::{Load, Step};
use crate::values::{SIZES, User, text};

/// So many keys are hot unless a contest is about their number, in a cache for twice as many.
const KEYS: usize = 5_000;
/// So few that a mebibyte under each takes little room.
const FEW_KEYS: usize = 32;
const EVERY_TWENTIETH: usize = 20;

pub(super) fn contests() -> Vec<Contest> {
    let zipf = || Load::zipf(100_000);
    let uniform = || Load::uniform(200_000);
    let mut contests = vec![
        Contest::new("memory/nothing", nothing),
        Contest::new("memory/get shared hit, 1 thread", || shared_hit(1, KEYS)),
        Contest::new("memory/get shared hit, 2 threads", || shared_hit(2, KEYS)),
        Contest::new("memory/get owned hit, 1 thread", owned_hit),
        Contest::new("memory/get bytes hit, 1 thread", bytes_hit),
        Contest::new("memory/get miss, 1 thread", miss),
        Contest::new("memory/mixed 95/5 shared, 1 thread", || mixed(1)),
        Contest::new("memory/mixed 95/5 shared, 2 threads", || mixed(2)),
        Contest::new("memory/zipf read-through, 1 thread", move || {
            read_through(1, zipf(), EvictionPolicy::Lru)
        }),
        Contest::new("memory/zipf read-through, 2 threads", move || {
            read_through(2, zipf(), EvictionPolicy::Lru)
        }),
        Contest::new("memory/zipf read-through, TinyLFU, 1 thread", move || {
            read_through(1, zipf(), EvictionPolicy::TinyLfu)
        }),
        Contest::new("memory/uniform read-through, 1 thread", move || {
            read_through(1, uniform(), EvictionPolicy::Lru)
        }),
        Contest::new("memory/uniform read-through, 2 threads", move || {
            read_through(2, uniform(), EvictionPolicy::Lru)
        }),
    ];
    for (label, bytes) in SIZES {
        contests.push(Contest::new(
            format!("memory/get shared hit of {label}"),
            move || shared_hit_of(bytes),
        ));
        contests.push(Contest::new(
            format!("memory/get owned hit of {label}"),
            move || owned_hit_of(bytes),
        ));
    }
    for keys in [100, 1_000, 10_000, 100_000, 1_000_000] {
        contests.push(Contest::new(
            format!("memory/get shared hit among {keys} keys"),
            move || shared_hit(1, keys),
        ));
    }
    contests
}

fn shared_hit(threads: usize, keys: usize) -> Vec<Contestant> {
    let load = Arc::new(Load::uniform(keys));
    let cache = ours_filled(2 * keys, &load);
    let user = |step: Step<'_>| Arc::new(User::new(step.id));
    let locked = locked(&load, user);
    let sync = moka_sync(2 * keys, &load, user);
    vec![
        at_each_step("maestro-cache", threads, &load, async move |step| {
            cache.get_shared::<User>(step.name).await
        }),
        at_each_step("moka::sync, Arc", threads, &load, async move |step| {
            sync.get(step.stored)
        }),
        at_each_step("locked map, Arc", threads, &load, async move |step| {
            locked.lock().get(step.stored).cloned()
        }),
    ]
}

fn owned_hit() -> Vec<Contestant> {
    let load = Arc::new(Load::uniform(KEYS));
    let cache = ours_filled(2 * KEYS, &load);
    let sync = moka_sync(2 * KEYS, &load, encoded);
    let cloned = moka_sync(2 * KEYS, &load, |step| User::new(step.id));
    vec![
        at_each_step("maestro-cache", 1, &load, async move |step| {
            cache.get::<User>(step.name).await
        }),
        at_each_step("moka::sync, decoding", 1, &load, async move |step| {
            sync.get(step.stored).map(|bytes| User::decode(&bytes))
        }),
        at_each_step("moka::sync, cloning", 1, &load, async move |step| {
            cloned.get(step.stored)
        }),
    ]
}

fn encoded(step: Step<'_>) -> Bytes {
    Bytes::from(User::new(step.id).encode())
}

fn bytes_hit() -> Vec<Contestant> {
    let load = Arc::new(Load::uniform(KEYS));
    let cache = ours_filled(2 * KEYS, &load);
    let sync = moka_sync(2 * KEYS, &load, encoded);
    block_on(async {
        for step in load.each_once() {
            // The first clone of bytes allocates what all of them share. Here each has been read once.
            cache.get_bytes(step.name).await.expect("memory reads");
            sync.get(step.stored);
        }
    });
    vec![
        at_each_step("maestro-cache", 1, &load, async move |step| {
            cache.get_bytes(step.name).await
        }),
        at_each_step("moka::sync, Bytes", 1, &load, async move |step| {
            sync.get(step.stored)
        }),
    ]
}

/// What the loop around the others costs.
fn nothing() -> Vec<Contestant> {
    let load = Arc::new(Load::uniform(KEYS));
    vec![at_each_step("nothing", 1, &load, async |step| step.turn)]
}

fn miss() -> Vec<Contestant> {
    let filled = Load::uniform(KEYS);
    let cache = ours_filled(2 * KEYS, &filled);
    let sync = moka_sync(2 * KEYS, &filled, |step| Arc::new(User::new(step.id)));
    let absent = Arc::new(Load::absent(KEYS));
    vec![
        at_each_step("maestro-cache", 1, &absent, async move |step| {
            cache.get_shared::<User>(step.name).await
        }),
        at_each_step("moka::sync, Arc", 1, &absent, async move |step| {
            sync.get(step.stored)
        }),
    ]
}

/// One write for nineteen reads. moka stores what it is given; ours encodes each write, and decodes at
/// the first read behind it.
fn mixed(threads: usize) -> Vec<Contestant> {
    let load = Arc::new(Load::uniform(KEYS));
    let cache = ours_filled(2 * KEYS, &load);
    let sync = moka_sync(2 * KEYS, &load, |step| Arc::new(User::new(step.id)));
    let [first, second] = [(); 2].map(|()| User::new(7));
    let writes = |step: Step<'_>| step.turn.is_multiple_of(EVERY_TWENTIETH);
    vec![
        at_each_step("maestro-cache", threads, &load, async move |step| {
            if writes(step) {
                cache.set(step.name, &first).await.expect("memory stores");
                None
            } else {
                cache
                    .get_shared::<User>(step.name)
                    .await
                    .expect("memory reads")
            }
        }),
        at_each_step("moka::sync, Arc", threads, &load, async move |step| {
            if writes(step) {
                sync.insert(step.stored.to_owned(), Arc::new(second.clone()));
                None
            } else {
                sync.get(step.stored)
            }
        }),
    ]
}

/// A read, and on a miss a write; far more keys than there is room for.
fn read_through(threads: usize, load: Load, policy: EvictionPolicy) -> Vec<Contestant> {
    const CAPACITY: usize = 10_000;
    let load = Arc::new(load);
    let cache = ours_with(CAPACITY, policy);
    let sync = moka_empty(
        CAPACITY,
        match policy {
            EvictionPolicy::TinyLfu => MokaPolicy::tiny_lfu(),
            _ => MokaPolicy::lru(),
        },
    );
    let [ours_hits, sync_hits] = [(); 2].map(|()| Arc::new(Hits::default()));
    let [ours_counts, sync_counts] = [&ours_hits, &sync_hits].map(Arc::clone);
    vec![
        at_each_step("maestro-cache", threads, &load, async move |step| {
            let user = cache.get_shared::<User>(step.name).await;
            if !ours_hits.note(user.expect("memory reads").is_some()) {
                let user = User::new(step.id);
                cache.set(step.name, &user).await.expect("memory stores");
            }
        })
        .counting(ours_counts),
        at_each_step("moka::sync, Arc", threads, &load, async move |step| {
            if !sync_hits.note(sync.get(step.stored).is_some()) {
                sync.insert(step.stored.to_owned(), Arc::new(User::new(step.id)));
            }
        })
        .counting(sync_counts),
    ]
}

/// What `get_shared` costs must not depend on the size: the value is decoded once.
fn shared_hit_of(bytes: usize) -> Vec<Contestant> {
    let load = Arc::new(Load::uniform(FEW_KEYS));
    let cache = texts(bytes, &load);
    let sync = moka_sync(2 * FEW_KEYS, &load, |_| Arc::new(text(bytes)));
    vec![
        at_each_step("maestro-cache", 1, &load, async move |step| {
            cache.get_shared::<String>(step.name).await
        }),
        at_each_step("moka::sync, Arc", 1, &load, async move |step| {
            sync.get(step.stored)
        }),
    ]
}

fn owned_hit_of(bytes: usize) -> Vec<Contestant> {
    let load = Arc::new(Load::uniform(FEW_KEYS));
    let cache = texts(bytes, &load);
    let encoded = rmp_serde::to_vec(&text(bytes)).expect("text encodes");
    let encoded = Bytes::from(encoded);
    let sync = moka_sync(2 * FEW_KEYS, &load, |_| encoded.clone());
    vec![
        at_each_step("maestro-cache", 1, &load, async move |step| {
            cache.get::<String>(step.name).await
        }),
        at_each_step("moka::sync, decoding", 1, &load, async move |step| {
            let bytes = sync.get(step.stored);
            bytes.map(|bytes| rmp_serde::from_slice::<String>(&bytes))
        }),
    ]
}

fn texts(bytes: usize, load: &Load) -> Cache {
    let cache = ours(2 * FEW_KEYS);
    block_on(async {
        for step in load.each_once() {
            let stored = cache.set(step.name, &text(bytes)).await;
            stored.expect("memory stores");
        }
    });
    cache
}
