//! Contests of loads: what is there, what is missing, and what many ask for at once.

use std::convert::Infallible;
use std::sync::Arc;

use maestro_cache::Load as Loaded;
use tokio::task::yield_now;

use super::caches::{moka_future, ours, ours_filled};
use super::steps::at_each_step;
use crate::User;
use crate::contest::{Contest, Contestant};
use crate::load::{Load, Step};

const KEYS: usize = 5_000;

pub(super) fn contests() -> Vec<Contest> {
    vec![
        Contest::new("memory/load, hit", hit),
        Contest::new("memory/load, miss", miss),
        Contest::new("memory/load, transient", transient),
        Contest::new("memory/load, failing", failing),
        Contest::new("memory/load, 10,000 at once", at_once),
    ]
}

fn user(step: Step<'_>) -> Result<User, Infallible> {
    Ok(User::new(step.id))
}

fn hit() -> Vec<Contestant> {
    let load = Arc::new(Load::uniform(KEYS));
    let cache = ours_filled(2 * KEYS, &load);
    let plain = cache.clone();
    let future = moka_future(2 * KEYS, &load, |step| User::new(step.id));
    vec![
        at_each_step("maestro-cache", 1, &load, async move |step| {
            cache
                .get_or_compute(step.name, || async move { user(step) })
                .await
        }),
        at_each_step("maestro-cache, get", 1, &load, async move |step| {
            plain.get::<User>(step.name).await
        }),
        at_each_step(
            "moka::future, get_with, cloning",
            1,
            &load,
            async move |step| {
                let load = async { User::new(step.id) };
                future.get_with_by_ref(step.stored, load).await
            },
        ),
    ]
}

/// Far more keys than there is room for, one after the other, so that none is there.
fn miss() -> Vec<Contestant> {
    const KEYS: usize = 50_000;
    const CAPACITY: usize = 1_000;
    let load = Arc::new(Load::uniform(KEYS));
    let empty = Load::uniform(1);
    let cache = ours(CAPACITY);
    let naive = ours(CAPACITY);
    let future = moka_future(CAPACITY, &empty, |step| User::new(step.id));
    vec![
        at_each_step("maestro-cache", 1, &load, async move |step| {
            cache
                .get_or_compute(step.name, || async move { user(step) })
                .await
        }),
        at_each_step("maestro-cache, get then set", 1, &load, async move |step| {
            let found = naive.get::<User>(step.name).await;
            if found.expect("memory reads").is_none() {
                let user = User::new(step.id);
                naive.set(step.name, &user).await.expect("memory stores");
            }
        }),
        at_each_step("moka::future, get_with", 1, &load, async move |step| {
            let load = async { User::new(step.id) };
            future.get_with_by_ref(step.stored, load).await
        }),
    ]
}

/// What a load costs whose value is not kept: a lookup, a claim, a flight, and letting go of it.
fn transient() -> Vec<Contestant> {
    let load = Arc::new(Load::uniform(KEYS));
    let cache = ours(2 * KEYS);
    vec![
        at_each_step("maestro-cache", 1, &load, async move |step| {
            let load = || async move { user(step).map(Loaded::transient) };
            cache.get_or_compute(step.name, load).await
        }),
        at_each_step("the loader alone", 1, &load, async |step| user(step)),
    ]
}

fn failing() -> Vec<Contestant> {
    let load = Arc::new(Load::uniform(KEYS));
    let cache = ours(2 * KEYS);
    let future = moka_future::<User>(2 * KEYS, &Load::uniform(1), |step| User::new(step.id));
    let fail = || std::io::Error::from(std::io::ErrorKind::NotFound);
    vec![
        at_each_step("maestro-cache", 1, &load, async move |step| {
            let load = || async move { Err::<User, _>(fail()) };
            cache.get_or_compute(step.name, load).await.is_err()
        }),
        at_each_step("moka::future, try_get_with", 1, &load, async move |step| {
            let load = async { Err::<User, _>(fail()) };
            future.try_get_with_by_ref(step.stored, load).await.is_err()
        }),
    ]
}

/// Each step is ten thousand callers on one key that is not there, and one load.
fn at_once() -> Vec<Contestant> {
    const CALLERS: usize = 10_000;
    let load = Arc::new(Load::uniform(KEYS));
    let cache = ours(2 * KEYS);
    let future = moka_future::<User>(2 * KEYS, &Load::uniform(1), |step| User::new(step.id));
    let slow = async |step: Step<'_>| {
        for _ in 0..10 {
            yield_now().await;
        }
        User::new(step.id)
    };
    vec![
        at_each_step("maestro-cache", 1, &load, async move |step| {
            let before = cache.load_counts().loads;
            let callers = (0..CALLERS).map(|_| async {
                let load = || async { Ok::<_, Infallible>(slow(step).await) };
                cache.get_or_compute(step.name, load).await
            });
            futures_util::future::join_all(callers).await;
            assert_eq!(cache.load_counts().loads, before + 1, "one load");
            cache.delete(step.name).await
        }),
        at_each_step("moka::future, get_with", 1, &load, async move |step| {
            let callers = (0..CALLERS).map(|_| future.get_with_by_ref(step.stored, slow(step)));
            futures_util::future::join_all(callers).await;
            future.invalidate(step.stored).await;
        }),
    ]
}
