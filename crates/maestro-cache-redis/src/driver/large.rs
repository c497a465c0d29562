//! Which keys hold large values, as far as is remembered.

use std::hash::{BuildHasher, RandomState};

use crate::resp::Value;

/// A value beyond this holds up those behind it for longer than a request of its own costs.
const LARGE: usize = 16 << 10;

const WORDS: usize = 64;

/// Remembers by a bit for each hash. Keys may share one: a small value then goes on its own, too.
pub(super) struct Large {
    bits: [u64; WORDS],
    /// False until the first one was seen: most services have none, and need not look.
    are_any: bool,
    hasher: RandomState,
}

impl Large {
    pub(super) fn new() -> Self {
        Self {
            bits: [0; WORDS],
            are_any: false,
            hasher: RandomState::new(),
        }
    }

    /// Whether the key held a large value when it was read last.
    pub(super) fn holds(&self, key: &str) -> bool {
        self.are_any && {
            let (word, bit) = self.place(key);
            self.bits.get(word).is_some_and(|word| word & bit != 0)
        }
    }

    /// Takes note of what the key holds.
    pub(super) fn note(&mut self, key: &str, value: &Value) {
        let is_large = matches!(value, Value::Bulk(bytes) if bytes.len() > LARGE);
        if !is_large && !self.are_any {
            return;
        }
        let (word, bit) = self.place(key);
        let Some(word) = self.bits.get_mut(word) else {
            return;
        };
        if is_large {
            self.are_any = true;
            *word |= bit;
        } else {
            *word &= !bit;
        }
    }

    fn place(&self, key: &str) -> (usize, u64) {
        let hash = self.hasher.hash_one(key);
        ((hash >> 6) as usize % WORDS, 1 << (hash % 64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_large_from_its_first_large_value_to_its_next_small_one() {
        let mut large = Large::new();
        let value = |size| Value::Bulk(vec![0; size].into());
        large.note("key", &value(LARGE));
        assert!(!large.holds("key"));
        large.note("key", &value(LARGE + 1));
        assert!(large.holds("key"));
        large.note("key", &value(5));
        assert!(!large.holds("key"));
        large.note("key", &value(LARGE + 1));
        large.note("key", &Value::Nil);
        assert!(!large.holds("key"));
    }
}
