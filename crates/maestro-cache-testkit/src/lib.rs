//! The contract of maestro-cache in executable form.
//!
//! [`conformance!`] turns every promise of [`CacheBackend`](maestro_cache_core::CacheBackend) into
//! one named test; [`check_histories`] runs random histories against a backend and the reference
//! [`Model`] at once, and [`check_handles`] through handles; [`check_linearizability`] judges what concurrent tasks saw;
//! [`check_patterns`] compares the glob dialect with a server's. Beside them stand the doubles that
//! tests need: [`ModelBackend`], [`FaultyBackend`], a private [`RedisServer`],
//! [`RedisCluster`] or [`RedisSentinels`], and a [`FaultProxy`] to put in front of a server. With the
//! feature `tls` there is an authority as well, whose certificates a server can show.
//!
//! A backend of your own passes the suite in one line; see [`conformance!`].

// A test kit fails by panicking: that is how a test tells that a promise was broken.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc
)]

pub mod cases;
mod coarse;
mod conformance;
mod fault_proxy;
mod faulty;
mod fixture;
mod histories;
pub mod linearizability;
mod model;
mod model_backend;
mod patterns;
mod poll;
mod port;
mod redis_cluster;
mod redis_sentinels;
mod redis_server;
mod seed;
mod subject;
#[cfg(feature = "tls")]
mod test_authority;

pub use conformance::run_case;
pub use fault_proxy::{Fault, FaultProxy};
pub use faulty::FaultyBackend;
pub use fixture::Fixture;
pub use histories::{check_handles, check_histories};
pub use linearizability::check_linearizability;
pub use model::Model;
pub use model_backend::ModelBackend;
pub use patterns::check_patterns;
pub use redis_cluster::{ClusterNode, RedisCluster, RedisClusterBuilder};
pub use redis_sentinels::{RedisSentinels, RedisSentinelsBuilder};
pub use redis_server::{Answer, Certificate, RedisServer, RedisServerBuilder};
pub use subject::Subject;
#[cfg(feature = "tls")]
pub use test_authority::TestAuthority;
