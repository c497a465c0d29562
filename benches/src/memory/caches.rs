//! The caches that are set beside each other, each bounded alike and with the same order of use.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use maestro_cache::{Cache, InMemoryCache, Ttl};
use moka::policy::EvictionPolicy;
use parking_lot::Mutex;

use super::steps::block_on;
use crate::load::Load;
use crate::{PREFIX, Step, User};

/// What is written with a time to live lives so long: longer than any measurement.
pub(super) const TTL: Duration = Duration::from_secs(3600);

/// Longer than any call takes on a busy machine.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A map behind one lock: no bound, no expiry, the least that can be done.
pub(super) type Locked<V> = Mutex<HashMap<String, V>>;
pub(super) type MokaSync<V> = moka::sync::Cache<String, V>;
pub(super) type MokaFuture<V> = moka::future::Cache<String, V>;

/// Ours. Its entries do not expire unless a call says so.
#[must_use]
pub fn ours(capacity: usize) -> Cache {
    Cache::builder(backend(capacity))
        .key_prefix(PREFIX)
        .default_ttl(Ttl::Never)
        .timeout(TIMEOUT)
        .build()
        .expect("the settings are right")
}

/// What is behind ours.
pub(super) fn backend(capacity: usize) -> InMemoryCache {
    let builder = InMemoryCache::builder().max_entries(capacity as u64);
    builder.build().expect("the capacity is more than zero")
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
    let cache = moka::sync::Cache::builder()
        .max_capacity(capacity as u64)
        .eviction_policy(EvictionPolicy::lru())
        .build();
    for step in load.each_once() {
        cache.insert(step.stored.to_owned(), value(step));
    }
    cache.run_pending_tasks();
    cache
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
        .eviction_policy(EvictionPolicy::lru())
        .build();
    block_on(async {
        for step in load.each_once() {
            cache.insert(step.stored.to_owned(), value(step)).await;
        }
        cache.run_pending_tasks().await;
    });
    cache
}

/// A time to live for each entry, as moka has it.
pub(super) struct ExpiresAfterWrite;

impl<V> moka::Expiry<String, V> for ExpiresAfterWrite {
    fn expire_after_create(&self, _: &String, _: &V, _: Instant) -> Option<Duration> {
        Some(TTL)
    }

    fn expire_after_update(
        &self,
        _: &String,
        _: &V,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(TTL)
    }
}
