//! What is kept, for programs that ask the allocator how much that is.

use maestro_cache::{Bytes, Cache, Ttl};

use super::caches::{moka_sync, ours, ours_filled};
use super::steps::block_on;
use crate::load::Load;
use crate::values::User;

const KEYS: usize = 20_000;

/// Shared reads of what is there and was decoded before.
#[derive(Debug)]
pub struct SharedHits {
    cache: Cache,
    load: Load,
}

/// A cache whose shared reads are all hits.
#[must_use]
pub fn shared_hits() -> SharedHits {
    let load = Load::uniform(KEYS);
    let cache = ours_filled(2 * KEYS, &load);
    SharedHits { cache, load }
}

impl SharedHits {
    /// So many of them.
    pub fn read(&self, times: usize) {
        block_on(async {
            for turn in self.load.take_turns(times) {
                let user = self.cache.get_shared::<User>(self.load.step(turn).name);
                let user = user.await.expect("memory reads");
                assert!(user.is_some(), "the key was stored");
            }
        });
    }
}

/// Which cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Ours.
    Ours,
    /// Ours, without a time to live.
    OursForEver,
    /// Raw moka, with bytes under strings.
    Moka,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ours, Self::OursForEver, Self::Moka];

    /// What it is called in a table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "maestro-cache",
            Self::OursForEver => "maestro-cache, no TTL",
            Self::Moka => "moka::sync",
        }
    }
}

/// A full cache, and how much of it is keys and values.
#[derive(Debug)]
pub struct Entries {
    payload_bytes: usize,
    _cache: Kept,
}

#[derive(Debug)]
enum Kept {
    Ours {
        _cache: Cache,
    },
    Moka {
        _cache: moka::sync::Cache<String, Bytes>,
    },
}

impl Entries {
    /// Fills a cache with values of this size.
    #[must_use]
    pub fn store(kind: Kind, value_bytes: usize) -> Self {
        let load = Load::uniform(KEYS);
        let payload_bytes = load
            .each_once()
            .map(|step| step.stored.len() + value_bytes)
            .sum();
        let value = || Bytes::from(vec![7; value_bytes]);
        let cache = match kind {
            Kind::Moka => Kept::Moka {
                _cache: moka_sync(KEYS, &load, |_| value()),
            },
            Kind::Ours | Kind::OursForEver => {
                let ttl = match kind {
                    Kind::OursForEver => Ttl::Never,
                    _ => Ttl::Default,
                };
                let cache = ours(KEYS);
                block_on(async {
                    for step in load.each_once() {
                        let write = cache.set_bytes(step.name, value()).ttl(ttl);
                        write.await.expect("memory stores");
                    }
                });
                Kept::Ours { _cache: cache }
            }
        };
        Self {
            payload_bytes,
            _cache: cache,
        }
    }

    /// Of so many bytes that were taken in all, those for which neither keys nor values account, by
    /// the entry.
    #[must_use]
    pub fn bytes_over_key_and_value(&self, taken: usize) -> f64 {
        (taken as f64 - self.payload_bytes as f64) / KEYS as f64
    }
}
