//! Which keys hold large values, as far as is remembered.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use redis::Value;

/// A value beyond this holds up those behind it for longer than a request of its own costs.
const LARGE: usize = 16 << 10;

const WORDS: usize = 64;

/// Remembers by a bit for each hash. Such keys are asked for on their own, on a connection where small
/// answers are not held up. Keys may share one: a small value then goes on its own, too.
pub(crate) struct Large {
    bits: [AtomicU64; WORDS],
    /// False until the first one was seen: most services have none, and need not look.
    are_any: AtomicBool,
    hasher: RandomState,
}

impl Large {
    pub(crate) fn new() -> Self {
        Self {
            bits: [const { AtomicU64::new(0) }; WORDS],
            are_any: AtomicBool::new(false),
            hasher: RandomState::new(),
        }
    }

    /// Whether the key held a large value when it was read last.
    pub(crate) fn holds(&self, key: &str) -> bool {
        self.are_any.load(Ordering::Relaxed) && {
            let (word, bit) = self.place(key);
            word.is_some_and(|word| word.load(Ordering::Relaxed) & bit != 0)
        }
    }

    pub(crate) fn note(&self, key: &str, value: &Value) {
        let is_large = matches!(value, Value::BulkString(bytes) if bytes.len() > LARGE);
        if !is_large && !self.are_any.load(Ordering::Relaxed) {
            return;
        }
        let (Some(word), bit) = self.place(key) else {
            return;
        };
        if is_large {
            self.are_any.store(true, Ordering::Relaxed);
            word.fetch_or(bit, Ordering::Relaxed);
        } else if word.load(Ordering::Relaxed) & bit != 0 {
            word.fetch_and(!bit, Ordering::Relaxed);
        }
    }

    fn place(&self, key: &str) -> (Option<&AtomicU64>, u64) {
        let hash = self.hasher.hash_one(key);
        let word = self.bits.get((hash >> 6) as usize % WORDS);
        (word, 1 << (hash % 64))
    }
}

#[cfg(test)]
#[path = "../tests/unit/large.rs"]
mod tests;
