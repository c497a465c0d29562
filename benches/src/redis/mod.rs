//! The Redis backend beside what else one would reach Redis with.
//!
//! `clients` are those others, `tasks` has all of them take their turns at the same time, and
//! `operations` says how each does the same thing; `server_time` asks the
//! server what that takes of it; the rest hold the contests.

mod clients;
mod commands;
mod contests;
mod operations;
mod placement;
mod server;
mod server_time;
mod tasks;

pub use contests::contests;
pub use server_time::{ServerTime, server_times};
