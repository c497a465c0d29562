#![doc = include_str!("../../../README.md")]

mod backends;
mod environment;
mod service;

pub use maestro_cache_core::*;
#[cfg(feature = "memory")]
pub use maestro_cache_memory::{EvictionPolicy, InMemoryCache, InMemoryCacheBuilder, ManualClock};
#[cfg(feature = "tls")]
pub use maestro_cache_redis::{AcceptAnyServer, RedisTls};
#[cfg(feature = "redis")]
pub use maestro_cache_redis::{RedisCache, RedisCacheBuilder};
pub use service::{CacheService, CacheServiceBuilder};
