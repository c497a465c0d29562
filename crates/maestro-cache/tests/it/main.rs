//! The facade: configuration, features, and programs of others on the same keys.

// A test fails by panicking, in what it is built from too.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod environment;
#[cfg(feature = "tls")]
mod environment_tls;
#[cfg(not(all(feature = "memory", feature = "redis")))]
mod features_off;
#[cfg(feature = "memory")]
mod global;
#[cfg(feature = "redis")]
mod real_clients;
