//! The bound: by entries, and if asked for by bytes too.

use maestro_cache_core::{Error, ErrorKind, Result};

/// Which entry goes when there is no room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum EvictionPolicy {
    /// The one that was used least recently. What was just stored is there to be read.
    #[default]
    Lru,
    /// The one that is used least often, by the estimate of
    /// [TinyLFU](https://arxiv.org/abs/1512.00727): better hit rates where some keys stay popular.
    /// A new key may be refused in favour of popular ones, so that reading back what was just
    /// stored can miss.
    TinyLfu,
}

/// The bounds of a store, and how they become one weight.
///
/// Each entry takes up a share of the room: `1 / max_entries` of it, or `bytes / max_bytes` if
/// that is more. The shares never add up to more than the whole, so neither bound is ever passed;
/// where small and large entries are mixed, room is used up before either is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capacity {
    max_entries: u64,
    max_bytes: Option<u64>,
    /// The weight of an entry that is bounded by the number of entries.
    entry_weight: u32,
}

impl Capacity {
    pub(crate) fn new(max_entries: u64, max_bytes: Option<u64>) -> Result<Self> {
        if max_entries == 0 || max_bytes == Some(0) {
            return Err(Error::new(
                ErrorKind::Config,
                "a cache of size 0 keeps nothing; bound it by at least 1 entry and 1 byte, or \
                 leave the bound out",
            ));
        }
        let entry_weight = match max_bytes {
            // No entry weighs more than another.
            None => 1,
            // As fine as 32 bits for one entry, which may take up all the room, allow.
            Some(_) => match u32::try_from(max_entries) {
                Ok(max_entries) => u32::MAX / max_entries,
                Err(_) => {
                    return Err(Error::new(
                        ErrorKind::Config,
                        "a cache that is bounded by bytes too holds at most 4294967295 entries; \
                         lower `max_entries`, the bytes will bound it",
                    ));
                }
            },
        };
        Ok(Self {
            max_entries,
            max_bytes,
            entry_weight,
        })
    }

    pub(crate) fn max_entries(self) -> u64 {
        self.max_entries
    }

    /// Whether entries weigh differently.
    pub(crate) fn counts_bytes(self) -> bool {
        self.max_bytes.is_some()
    }

    /// The weight that fills the room.
    pub(crate) fn total_weight(self) -> u64 {
        self.max_entries.saturating_mul(self.entry_weight.into())
    }

    /// The weight of an entry of this size.
    pub(crate) fn weight(self, bytes: usize) -> u32 {
        let Some(max_bytes) = self.max_bytes else {
            return self.entry_weight;
        };
        let share = (bytes as u128 * u128::from(self.total_weight())).div_ceil(max_bytes.into());
        self.entry_weight
            .max(u32::try_from(share).unwrap_or(u32::MAX))
    }

    /// Refuses an entry that would not fit into an empty cache.
    pub(crate) fn check(self, bytes: usize) -> Result<()> {
        match self.max_bytes {
            Some(max_bytes) if bytes as u64 > max_bytes => Err(Error::new(
                ErrorKind::TooLarge,
                format!(
                    "key and value take {bytes} bytes and the whole cache is bounded by \
                     {max_bytes}; raise `max_bytes` or store less"
                ),
            )),
            _ => Ok(()),
        }
    }
}
