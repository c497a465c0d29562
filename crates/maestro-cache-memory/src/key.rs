//! Keys with their hash, which is computed once a call.

#![cfg_attr(loom, allow(dead_code))] // The models do without moka.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use moka::Equivalent;

/// A key of a call.
#[derive(Clone, Copy)]
pub(crate) struct KeyRef<'a> {
    pub(crate) text: &'a str,
    pub(crate) hash: u64,
}

impl<'a> KeyRef<'a> {
    #[inline]
    pub(crate) fn new(text: &'a str, hasher: &impl BuildHasher) -> Self {
        let mut hasher = hasher.build_hasher();
        // The bytes alone: what the hash of a `str` adds keeps the parts of a tuple apart.
        hasher.write(text.as_bytes());
        let hash = hasher.finish();
        Self { text, hash }
    }
}

/// The key of a stored entry.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    hash: u64,
    text: Arc<str>,
}

impl Key {
    pub(crate) fn text(&self) -> &Arc<str> {
        &self.text
    }

    #[inline]
    pub(crate) fn as_ref(&self) -> KeyRef<'_> {
        KeyRef {
            text: &self.text,
            hash: self.hash,
        }
    }
}

impl From<KeyRef<'_>> for Key {
    fn from(key: KeyRef<'_>) -> Self {
        Self {
            hash: key.hash,
            text: key.text.into(),
        }
    }
}

impl PartialEq for Key {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.text == other.text
    }
}

impl Eq for Key {}

impl Hash for Key {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Hash for KeyRef<'_> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// Finds the key in a table by its text.
impl Equivalent<Key> for KeyRef<'_> {
    #[inline]
    fn equivalent(&self, key: &Key) -> bool {
        self.hash == key.hash && *self.text == *key.text
    }
}

/// Finds this very key in a table, and no other one of the same text.
pub(crate) struct SameKey<'a>(pub(crate) &'a Key);

impl Hash for SameKey<'_> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Equivalent<Key> for SameKey<'_> {
    #[inline]
    fn equivalent(&self, key: &Key) -> bool {
        Arc::ptr_eq(&self.0.text, &key.text)
    }
}

/// The hash of a key is the one that it carries.
#[derive(Clone, Debug, Default)]
pub(crate) struct CarriedHash(u64);

impl BuildHasher for CarriedHash {
    type Hasher = Self;

    #[inline]
    fn build_hasher(&self) -> Self {
        Self::default()
    }
}

impl Hasher for CarriedHash {
    #[inline]
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    /// Not called: a key writes its hash alone.
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}
