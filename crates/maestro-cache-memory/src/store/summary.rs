//! One number for each shard, for those who look for the lowest of all.

use super::queue::NO_RANK;
use crate::sync::{AtomicU64, Ordering};

/// The lowest rank in each shard. It is set under the shard's lock and read without one, so it is a
/// hint: who follows it looks again under the lock.
#[derive(Debug)]
pub(super) struct Summary(Box<[AtomicU64]>);

impl Summary {
    pub(super) fn of(shards: usize) -> Self {
        Self((0..shards).map(|_| AtomicU64::new(NO_RANK)).collect())
    }

    pub(super) fn set(&self, place: usize, rank: u64) {
        if let Some(lowest) = self.0.get(place)
            // Reading what others share is cheap, and writing it is not.
            && lowest.load(Ordering::Relaxed) != rank
        {
            lowest.store(rank, Ordering::Relaxed);
        }
    }

    /// The shard with the lowest rank, and the lowest rank of the others.
    pub(super) fn lowest(&self) -> Option<(usize, u64)> {
        self.lowest_up_to(NO_RANK - 1)
    }

    /// The same, if that rank is no higher than `limit`.
    pub(super) fn lowest_up_to(&self, limit: u64) -> Option<(usize, u64)> {
        let (mut place, mut lowest, mut next) = (0, NO_RANK, NO_RANK);
        for (at, rank) in self.0.iter().enumerate() {
            let rank = rank.load(Ordering::Relaxed);
            if rank < lowest {
                (place, next, lowest) = (at, lowest, rank);
            } else if rank < next {
                next = rank;
            }
        }
        (lowest <= limit).then_some((place, next))
    }
}
