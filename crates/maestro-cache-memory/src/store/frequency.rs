//! How often keys were asked for lately, in half a byte each
//! ([TinyLFU](https://arxiv.org/abs/1512.00727)).

use crate::sync::{AtomicU64, Ordering};

/// A key has a counter in each of so many rows; the lowest one is the estimate.
const ROWS: u32 = 4;

/// The counters of a word, and the bits of each.
const COUNTERS: u64 = 16;
const BITS: u64 = 4;
const FULL: u64 = 0xf;

/// The most words: 8 MiB, good for a million entries that are all in use.
const MOST_WORDS: u64 = 1 << 20;

/// All counters are halved after so many uses for each entry, so that what was popular once is
/// forgotten.
const USES_OF_AN_AGE: u64 = 10;

/// Estimates of how often keys were used. Threads that count at once may lose a use, which an
/// estimate can bear.
#[derive(Debug)]
pub(super) struct Frequency {
    words: Box<[AtomicU64]>,
    uses: AtomicU64,
    uses_of_an_age: u64,
}

impl Frequency {
    pub(super) fn of(max_entries: u64) -> Self {
        let words = max_entries.clamp(16, MOST_WORDS).next_power_of_two();
        Self {
            words: (0..words).map(|_| AtomicU64::new(0)).collect(),
            uses: AtomicU64::new(0),
            uses_of_an_age: words.saturating_mul(USES_OF_AN_AGE),
        }
    }

    /// Counts a use.
    pub(super) fn count(&self, hash: u64) {
        let mut counted = false;
        for (word, shift) in self.counters(hash) {
            let counters = word.load(Ordering::Relaxed);
            if (counters >> shift) & FULL < FULL {
                word.store(counters + (1 << shift), Ordering::Relaxed);
                counted = true;
            }
        }
        if counted && self.uses.fetch_add(1, Ordering::Relaxed) + 1 == self.uses_of_an_age {
            self.age();
        }
    }

    /// How often the key was used, 15 at most.
    pub(super) fn estimate(&self, hash: u64) -> u64 {
        self.counters(hash)
            .map(|(word, shift)| (word.load(Ordering::Relaxed) >> shift) & FULL)
            .min()
            .unwrap_or(0)
    }

    fn age(&self) {
        const HALVED: u64 = 0x7777_7777_7777_7777;
        for word in &self.words {
            let counters = word.load(Ordering::Relaxed);
            word.store((counters >> 1) & HALVED, Ordering::Relaxed);
        }
        self.uses.store(self.uses_of_an_age / 2, Ordering::Relaxed);
    }

    /// The word and the place in it of each row's counter.
    fn counters(&self, hash: u64) -> impl Iterator<Item = (&AtomicU64, u64)> {
        // Multiples of an odd number scatter the rows of keys that share one.
        const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
        (1..=ROWS).filter_map(move |row| {
            let spread = hash.rotate_left(row * 16).wrapping_mul(ODD);
            let at = (spread >> 32) % self.words.len() as u64;
            let shift = (spread >> 28) % COUNTERS * BITS;
            let word = self.words.get(usize::try_from(at).ok()?)?;
            Some((word, shift))
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Hashes of keys, all of whose bits are used.
    fn hash(key: u64) -> u64 {
        (key + 1)
            .wrapping_mul(0xd6e8_feb8_6659_fd93)
            .rotate_left(29)
    }

    #[test]
    fn what_is_used_more_often_is_estimated_higher() {
        let frequency = Frequency::of(1000);
        for key in 0..1000 {
            for _ in 0..=key % 8 {
                frequency.count(hash(key));
            }
        }
        let right = (0..1000)
            .filter(|key| frequency.estimate(hash(*key)) == key % 8 + 1)
            .count();
        assert!(right > 950, "{right} of 1000 estimates are right");
        let unknown = (1000..2000)
            .filter(|key| frequency.estimate(hash(*key)) > 0)
            .count();
        assert!(unknown < 50, "{unknown} of 1000 unknown keys seem known");
    }

    #[test]
    fn what_was_popular_once_is_forgotten() {
        let frequency = Frequency::of(16);
        for _ in 0..100 {
            frequency.count(hash(0));
        }
        assert_eq!(frequency.estimate(hash(0)), 15);
        for key in 1..2000 {
            frequency.count(hash(key));
        }
        assert!(frequency.estimate(hash(0)) < 15);
    }
}
