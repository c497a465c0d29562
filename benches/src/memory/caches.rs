//! The caches that are set beside each other, each bounded alike and with the same order of use.

use std::collections::HashMap;
use std::time::Duration;

use maestro_cache::{Cache, EvictionPolicy, InMemoryCache};
use moka::policy::EvictionPolicy as MokaPolicy;
use parking_lot::Mutex;

use super::steps::block_on;
use crate::load::Load;
use crate::{PREFIX, Step, User};

/// Longer than any call takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A map behind one lock: no bound, no expiry, the least that can be done.
pub(super) type Locked<V> = Mutex<HashMap<String, V>>;
pub(super) type MokaSync<V> = moka::sync::Cache<String, V>;
pub(super) type MokaFuture<V> = moka::future::Cache<String, V>;

/// Ours, with the time to live that a service gets that names none: each hit asks the clock.
#[must_use]
pub fn ours(capacity: usize) -> Cache {
    ours_with(capacity, EvictionPolicy::Lru)
}

/// Ours, with this order of eviction.
pub(super) fn ours_with(capacity: usize, policy: EvictionPolicy) -> Cache {
    let builder = InMemoryCache::builder().max_entries(capacity as u64);
    let backend = builder.eviction_policy(policy).build();
    Cache::builder(backend.expect("the capacity is more than zero"))
        .key_prefix(PREFIX)
        .timeout(TIMEOUT)
        .build()
        .expect("the settings are right")
}

/// Ours, with a user under each key, each decoded once as it is after its first shared read.
pub(super) fn ours_filled(capacity: usize, load: &Load) -> Cache {
    let cache = ours(capacity);
    block_on(async {
        for step in load.each_once() {
            let user = User::new(step.id);
            cache.set(step.name, &user).await.expect("memory stores");
            let read = cache.get_shared::<User>(step.name).await;
            read.expect("memory reads");
        }
    });
    cache
}

pub(super) fn locked<V>(load: &Load, value: impl Fn(Step<'_>) -> V) -> Locked<V> {
    let entries = load
        .each_once()
        .map(|step| (step.stored.to_owned(), value(step)));
    Mutex::new(entries.collect())
}

pub(super) fn moka_sync<V>(
    capacity: usize,
    load: &Load,
    value: impl Fn(Step<'_>) -> V,
) -> MokaSync<V>
where
    V: Clone + Send + Sync + 'static,
{
    let cache = moka_empty(capacity, MokaPolicy::lru());
    for step in load.each_once() {
        cache.insert(step.stored.to_owned(), value(step));
    }
    cache.run_pending_tasks();
    cache
}

pub(super) fn moka_empty<V>(capacity: usize, policy: MokaPolicy) -> MokaSync<V>
where
    V: Clone + Send + Sync + 'static,
{
    moka::sync::Cache::builder()
        .max_capacity(capacity as u64)
        .eviction_policy(policy)
        .build()
}

pub(super) fn moka_future<V>(
    capacity: usize,
    load: &Load,
    value: impl Fn(Step<'_>) -> V,
) -> MokaFuture<V>
where
    V: Clone + Send + Sync + 'static,
{
    let cache = moka::future::Cache::builder()
        .max_capacity(capacity as u64)
        .eviction_policy(MokaPolicy::lru())
        .build();
    block_on(async {
        for step in load.each_once() {
            cache.insert(step.stored.to_owned(), value(step)).await;
        }
        cache.run_pending_tasks().await;
    });
    cache
}
