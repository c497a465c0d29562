//! Contests of operations on many keys at once.

use std::sync::Arc;

use maestro_cache::Bytes;

use super::caches::{moka_sync, ours_filled};
use super::steps::{at_each_step, block_on};
use crate::contest::{Contest, Contestant};
use crate::load::Load;
use crate::values::User;

const KEYS: usize = 5_000;
const COUNTS: [usize; 2] = [10, 100];

pub(super) fn contests() -> Vec<Contest> {
    let mut contests = vec![Contest::new("memory/clear 10,000 of 100,000", clear)];
    for count in COUNTS {
        contests.push(Contest::new(
            format!("memory/get_many of {count}"),
            move || get_many(count),
        ));
        contests.push(Contest::new(
            format!("memory/set_many of {count}"),
            move || set_many(count),
        ));
    }
    contests
}

/// The others have no such operation: one read after the other, each decoded.
fn get_many(count: usize) -> Vec<Contestant> {
    let load = Arc::new(Load::uniform(KEYS));
    let cache = ours_filled(2 * KEYS, &load);
    let sync = moka_sync(2 * KEYS, &load, |step| {
        Bytes::from(User::new(step.id).encode())
    });
    let [ours_load, sync_load] = [&load, &load].map(Arc::clone);
    vec![
        at_each_step("maestro-cache", 1, &load, async move |step| {
            let names = ours_load.following(step, count).map(|step| step.name);
            cache.get_many::<User>(names).await
        }),
        at_each_step("moka::sync, decoding", 1, &load, async move |step| {
            let steps = sync_load.following(step, count);
            let users = steps.map(|step| sync.get(step.stored).map(|bytes| User::decode(&bytes)));
            users.collect::<Vec<_>>()
        }),
    ]
}

fn set_many(count: usize) -> Vec<Contestant> {
    let load = Arc::new(Load::uniform(KEYS));
    let cache = ours_filled(2 * KEYS, &load);
    let sync = moka_sync(2 * KEYS, &load, |_| Bytes::new());
    let [ours_load, sync_load] = [&load, &load].map(Arc::clone);
    let [first, second] = [(); 2].map(|()| User::new(7));
    vec![
        at_each_step("maestro-cache", 1, &load, async move |step| {
            let steps = ours_load.following(step, count);
            cache.set_many(steps.map(|step| (step.name, &first))).await
        }),
        at_each_step("moka::sync, encoding", 1, &load, async move |step| {
            for step in sync_load.following(step, count) {
                sync.insert(step.stored.to_owned(), second.encode().into());
            }
        }),
    ]
}

/// By a pattern. moka's own `invalidate_entries_if` leaves entries behind, so the keys are listed.
fn clear() -> Vec<Contestant> {
    const KEPT: usize = 90_000;
    const CLEARED: usize = 10_000;
    let kept = Load::uniform(KEPT);
    let capacity = 2 * (KEPT + CLEARED);
    let cache = ours_filled(capacity, &kept);
    let sync = moka_sync(capacity, &kept, |_| Bytes::new());
    let cleared = Arc::new(Load::absent(CLEARED));
    let [ours_cleared, sync_cleared] = [(); 2].map(|()| Arc::clone(&cleared));
    let fill_ours = {
        let cache = cache.clone();
        move || {
            block_on(async {
                for step in ours_cleared.each_once() {
                    let stored = cache.set_bytes(step.name, Bytes::new()).await;
                    stored.expect("memory stores");
                }
            });
        }
    };
    let fill_sync = {
        let sync = sync.clone();
        move || {
            for step in sync_cleared.each_once() {
                sync.insert(step.stored.to_owned(), Bytes::new());
            }
            sync.run_pending_tasks();
        }
    };
    vec![
        Contestant::prepared("maestro-cache", fill_ours, move |()| {
            let removed = block_on(cache.clear("none:*"));
            assert_eq!(removed.expect("memory clears"), CLEARED as u64);
        }),
        Contestant::prepared("moka::sync, listing", fill_sync, move |()| {
            for (key, _) in &sync {
                if key.starts_with(crate::PREFIX) && key.contains("none:") {
                    sync.invalidate(&*key);
                }
            }
        }),
    ]
}
