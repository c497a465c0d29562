//! The in-memory backend of maestro-cache: the contract of Redis in one process.
//!
//! For development, for tests and for services of a single instance. moka holds the entries and
//! their order of use; deadlines, their clock and the serialization of writes are this crate's,
//! since moka has no clock that tests can move, gives back what has expired, and lets writes of
//! one key overtake each other. What an operation means stands in `maestro-cache-core`.
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
