//! Settings for a cache in memory.

use std::sync::Arc;

use maestro_cache_core::{Flights, Result};

use crate::backend::InMemoryCache;
use crate::capacity::{Capacity, EvictionPolicy};
use crate::clock::{Clock, ManualClock};
use crate::store::Store;
use crate::sweeper;

/// Settings for an [`InMemoryCache`]; made by [`InMemoryCache::builder`].
///
/// # Examples
///
/// ```
/// # fn main() -> maestro_cache_core::Result<()> {
/// use maestro_cache_memory::{EvictionPolicy, InMemoryCache};
///
/// let cache = InMemoryCache::builder()
///     .max_entries(50_000)
///     .max_bytes(64 << 20)
///     .eviction_policy(EvictionPolicy::TinyLfu)
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a builder builds nothing until `build` is called"]
pub struct InMemoryCacheBuilder {
    max_entries: u64,
    max_bytes: Option<u64>,
    policy: EvictionPolicy,
    clock: Clock,
}

impl InMemoryCache {
    /// Settings for a cache in memory.
    pub fn builder() -> InMemoryCacheBuilder {
        InMemoryCacheBuilder {
            max_entries: InMemoryCacheBuilder::DEFAULT_MAX_ENTRIES,
            max_bytes: None,
            policy: EvictionPolicy::default(),
            clock: Clock::monotonic(),
        }
    }
}

impl InMemoryCacheBuilder {
    /// How many entries are kept unless the builder says otherwise.
    pub const DEFAULT_MAX_ENTRIES: u64 = 10_000;

    /// How many entries are kept at most; 10 000 by default.
    pub fn max_entries(mut self, max_entries: u64) -> Self {
        self.max_entries = max_entries;
        self
    }

    /// How many bytes are kept at most, besides the bound by entries; keys and values are counted,
    /// the memory that manages them is not. No bound by default.
    ///
    /// Each entry takes up the larger of its two shares, one of `max_entries` or its bytes of
    /// `max_bytes`: neither bound is passed, and where small and large entries are mixed, room is
    /// used up before either is reached. A large entry takes the time that evicting all the small
    /// ones in its place takes.
    ///
    /// Not counted: what `get_shared` has decoded from an entry, and what a slice given to
    /// `set_bytes` keeps alive around it.
    pub fn max_bytes(mut self, max_bytes: u64) -> Self {
        self.max_bytes = Some(max_bytes);
        self
    }

    /// Which entry goes when there is no room; the least recently used one by default.
    pub fn eviction_policy(mut self, policy: EvictionPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// A clock that is moved by hand, for tests.
    pub fn clock(mut self, clock: ManualClock) -> Self {
        self.clock = Clock::Manual(clock);
        self
    }

    /// The cache.
    ///
    /// # Errors
    ///
    /// [`Config`](maestro_cache_core::ErrorKind::Config) if a bound is 0, or if there are more
    /// than 4294967295 entries beside a bound by bytes.
    pub fn build(self) -> Result<InMemoryCache> {
        let capacity = Capacity::new(self.max_entries, self.max_bytes)?;
        let store = Arc::new(Store::new(capacity, self.policy, self.clock));
        sweeper::watch(Arc::downgrade(&store));
        let flights = Flights::new();
        Ok(InMemoryCache { store, flights })
    }
}
