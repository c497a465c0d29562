//! One number for each shard, for those who look for the lowest of all.

use super::queue::NO_RANK;
use crate::sync::{AtomicU64, Ordering};

/// The lowest rank in each shard. It is set under the shard's lock and read without one, so it is a
/// hint: who follows it looks again under the lock.
#[derive(Debug)]
pub(super) struct Summary(Box<[AtomicU64]>);

/// Where to look for the lowest rank.
pub(super) struct Lowest {
    pub(super) place: usize,
    pub(super) rank: u64,
    /// The lowest rank elsewhere.
    pub(super) next: u64,
}

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

    /// Where the lowest rank is, unless there is none.
    pub(super) fn lowest(&self) -> Option<Lowest> {
        let mut lowest = Lowest {
            place: 0,
            rank: NO_RANK,
            next: NO_RANK,
        };
        for (place, rank) in self.0.iter().enumerate() {
            let rank = rank.load(Ordering::Relaxed);
            if rank < lowest.rank {
                let next = lowest.rank;
                lowest = Lowest { place, rank, next };
            } else if rank < lowest.next {
                lowest.next = rank;
            }
        }
        (lowest.rank < NO_RANK).then_some(lowest)
    }
}
