//! The Redis backend beside what else one would reach Redis with.
//!
//! `clients` are those others, `tasks` has all of them take their turns at the same time, and
//! `operations` says how each does the same thing; the rest hold the contests.

mod clients;
mod contests;
mod operations;
mod raw_socket;
mod server;
mod tasks;

pub use contests::contests;
