//! The Redis backend of maestro-cache: a server, a cluster or a master behind sentinels, spoken to
//! over a few connections that all callers share.
//!
//! [`RedisCache`] implements [`CacheBackend`](maestro_cache_core::CacheBackend); services put it
//! into a [`Cache`](maestro_cache_core::Cache) and forget about it. It needs Redis 6.2 or newer and
//! a Tokio runtime with I/O and time enabled.

mod backend;
mod builder;
mod call;
mod chance;
#[cfg(feature = "cluster")]
mod cluster;
mod commands;
mod connection;
mod deployment;
mod error;
mod found;
mod in_flight;
mod keys;
mod large;
mod limit;
mod mark;
mod ops;
mod reply;
mod request;
mod scripts;
mod settings;
#[cfg(feature = "tls")]
mod tls;
mod together;
mod url;

pub use backend::RedisCache;
pub use builder::RedisCacheBuilder;
#[cfg(feature = "tls")]
pub use tls::{AcceptAnyServer, RedisTls};
pub use url::SCHEMES;
