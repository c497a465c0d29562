//! Keys with their hash, which is computed once for the tables here.

use std::hash::BuildHasher;

#[derive(Clone, Copy)]
pub(crate) struct KeyRef<'a> {
    pub(crate) text: &'a str,
    pub(crate) hash: u64,
}

impl<'a> KeyRef<'a> {
    #[inline]
    pub(crate) fn new(text: &'a str, hasher: &impl BuildHasher) -> Self {
        let hash = hasher.hash_one(text);
        Self { text, hash }
    }
}
