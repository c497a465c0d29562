//! The in-memory backend against the contract, and its own promises.

// A test fails by panicking, in what it is built from too.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod bound;
mod clear;
mod contract;
mod dropping;
mod release;
mod shared_values;
mod threads;
mod url;
