//! The in-memory backend of maestro-cache: the contract of Redis in one process.
//!
//! For development, for tests and for services of a single instance. [moka](https://docs.rs/moka)
//! decides which keys there are, in which order they are evicted, and keeps the bound. Everything else
//! happens in the cell of a key, in place: that is faster than a call of moka, makes all operations
//! on a key follow one another, and lets tests move time. What an operation means stands in
//! `maestro-cache-core`.
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
mod builder;
mod capacity;
mod cell;
#[cfg_attr(loom, path = "../tests/models/cell_map.rs")]
mod cell_map;
mod clear;
mod clock;
mod expiry;
mod front;
mod key;
mod leases;
#[cfg(all(test, loom))]
#[path = "../tests/models/mod.rs"]
mod models;
mod store;
mod sweeper;
mod sync;
mod url;

pub use backend::InMemoryCache;
pub use builder::InMemoryCacheBuilder;
pub use capacity::EvictionPolicy;
pub use clock::ManualClock;
pub use url::SCHEMES;
