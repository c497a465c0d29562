//! Chance, to keep clients apart that were started alike.

use std::hash::{BuildHasher, RandomState};

/// Evenly distributed bits. The keys of the standard library's hash maps are the only chance that it
/// has, and good enough for this.
fn bits() -> u32 {
    let random = RandomState::new().hash_one(());
    (random >> 32) as u32
}

/// A number from 0 to 1.
pub(crate) fn fraction() -> f64 {
    f64::from(bits()) / f64::from(u32::MAX)
}

/// Turns them, so that any of them is the first.
pub(crate) fn turn<T>(all: &mut [T]) {
    let first = usize::try_from(bits()).unwrap_or(0);
    all.rotate_left(first.checked_rem(all.len()).unwrap_or(0));
}
