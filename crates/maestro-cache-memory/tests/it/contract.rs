//! The contract that every backend keeps, under both eviction policies.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use maestro_cache_core::CacheBackend;
use maestro_cache_memory::{EvictionPolicy, InMemoryCache, ManualClock};
use maestro_cache_testkit::{Fixture, check_handles, check_histories, check_linearizability};

struct MemoryFixture {
    cache: InMemoryCache,
    clock: ManualClock,
}

impl MemoryFixture {
    fn new(policy: EvictionPolicy) -> Self {
        // It also runs by itself: some cases wait for real time to pass.
        let clock = ManualClock::running();
        let cache = InMemoryCache::builder()
            .max_entries(1_000_000)
            .eviction_policy(policy)
            .clock(clock.clone())
            .build()
            .unwrap();
        Self { cache, clock }
    }

    fn lru() -> Self {
        Self::new(EvictionPolicy::Lru)
    }
}

impl Fixture for MemoryFixture {
    fn backend(&self) -> Arc<dyn CacheBackend> {
        Arc::new(self.cache.clone())
    }

    fn advance<'a>(
        &'a self,
        _: &'a str,
        by: Duration,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        self.clock.advance(by);
        Box::pin(std::future::ready(()))
    }
}

mod lru {
    use super::MemoryFixture;

    maestro_cache_testkit::conformance!(MemoryFixture::lru());
}

mod tiny_lfu {
    use super::{EvictionPolicy, MemoryFixture};

    maestro_cache_testkit::conformance!(MemoryFixture::new(EvictionPolicy::TinyLfu));
}

#[test]
fn random_histories_give_what_the_model_gives() {
    check_histories(MemoryFixture::lru, 100_000);
}

#[test]
fn random_calls_on_handles_give_what_the_model_gives() {
    check_handles(MemoryFixture::lru, 30_000);
}

#[test]
fn concurrent_histories_on_one_key_are_linearizable() {
    check_linearizability(MemoryFixture::lru, 2_000);
}
