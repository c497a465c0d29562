//! What is measured and need not be timed, so that a test can demand it.

// A test fails by panicking, in what it is built from too.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod hit_rates;
