//! Keys with their hash, which is computed once for the tables here.

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
        let hash = hasher.hash_one(text);
        Self { text, hash }
    }
}

/// Finds this very key in a table, and no other one of the same text.
pub(crate) struct SameKey<'a>(pub(crate) &'a Arc<str>);

impl Hash for SameKey<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Equivalent<Arc<str>> for SameKey<'_> {
    fn equivalent(&self, key: &Arc<str>) -> bool {
        Arc::ptr_eq(self.0, key)
    }
}
