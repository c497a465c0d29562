//! The suite on a backend that is right, and on backends that are wrong in one way each; and the
//! doubles.

// Tests fail by panicking, in what they share as well.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod bites;
mod conforms;
mod fault_proxy;
mod faulty;
mod load_early;
mod load_processes;
mod load_table;
mod load_trouble;
mod patterns;
mod redis_cluster;
mod redis_sentinels;
mod redis_server;
mod twisted;
