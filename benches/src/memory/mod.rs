//! The in-memory backend beside raw moka.
//!
//! `caches` makes each of them, `steps` has them take their turns, and the others hold the contests.

mod caches;
pub mod kept;
mod loads;
mod many;
mod reads;
mod steps;
mod writes;

pub use caches::ours;

use crate::Contest;

/// Every contest of caches in memory.
#[must_use]
pub fn contests() -> Vec<Contest> {
    let mut contests = reads::contests();
    contests.extend(writes::contests());
    contests.extend(many::contests());
    contests.extend(loads::contests());
    contests
}
