//! The handle: what it adds to every call, whatever the backend; and what the codecs promise.

// A test fails by panicking, in what it is built from too.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod builder;
mod debug;
mod decode_errors;
mod errors;
mod futures;
mod loader_errors;
mod messagepack;
mod spans;
