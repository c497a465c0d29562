//! The in-memory backend of maestro-cache: the contract of Redis in one process.
//!
//! For development, for tests and for services of a single instance. The entries, their order of
//! use, their deadlines and the clock are this crate's own, so that the bound and the order are
//! exact, tests can move time, and a value is dropped where it may call the cache. What an
//! operation means stands in `maestro-cache-core`.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> maestro_cache_core::Result<()> {
//! use maestro_cache_core::Cache;
//! use maestro_cache_memory::InMemoryCache;
//!
//! let cache = Cache::new(InMemoryCache::builder().max_entries(10_000).build()?);
//! cache.set("greeting", "hello").await?;
//! assert_eq!(cache.get::<String>("greeting").await?.as_deref(), Some("hello"));
//! # Ok(())
//! # }
//! ```

mod backend;
mod bounds;
mod builder;
mod claims;
mod clock;
mod entry;
mod settings;
mod store;
mod sweeper;
mod sync;

pub use backend::InMemoryCache;
pub use bounds::EvictionPolicy;
pub use builder::InMemoryCacheBuilder;
pub use clock::ManualClock;
pub use settings::SCHEMES;
