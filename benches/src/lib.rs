//! What maestro-cache costs, beside what else one would take, in the same process.
//!
//! The package is a workspace of its own, built as a service is that depends on the crates.
//!
//! [`memory`], [`redis`] and [`codec`] say who does what: each [`Contest`] is one operation, and its
//! contestants do the same work on the same keys. How that is measured is left to the programs:
//! `ratios` has them take turns, `counted` runs one of them under callgrind, criterion takes each by
//! itself, `footprint` asks the allocator, and `page` writes `docs/performance.md` from it all.

pub mod codec;
mod contest;
pub mod counted;
mod latency;
mod load;
pub mod memory;
pub mod redis;
mod report;
mod rounds;
mod statistics;
mod targets;
mod values;

pub use contest::{Contest, Contestant};
pub use latency::{Latencies, race_latencies};
pub use load::{Load, PREFIX, Step};
pub use report::{Footprint, Machine, Report};
pub use rounds::{Outcome, Pace, Timing, race};
pub use statistics::Quartiles;
pub use targets::{TARGETS, Target, Verdict};
pub use values::User;

/// Every contest there is.
#[must_use]
pub fn contests() -> Vec<Contest> {
    let mut contests = memory::contests();
    contests.extend(codec::contests());
    contests.extend(redis::contests());
    contests
}
