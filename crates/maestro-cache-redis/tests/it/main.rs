//! The backend against real servers: the contract, and what only a server can show.

// A test fails by panicking, and so does what it is built from.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod cancellation;
mod claims;
mod clear;
mod connections;
mod contract;
mod errors;
mod fakes;
mod faults;
mod gathering;
mod log;
mod patterns;
mod runtimes;
mod scripts;
#[cfg(all(feature = "tls", feature = "cluster", feature = "sentinel"))]
mod secrets;
#[cfg(feature = "sentinel")]
mod sentinels;
mod servers;
#[cfg(feature = "tls")]
mod tls;
#[cfg(all(feature = "tls", feature = "cluster"))]
mod tls_cluster;
#[cfg(all(feature = "tls", feature = "sentinel"))]
mod tls_sentinels;
mod urls;
