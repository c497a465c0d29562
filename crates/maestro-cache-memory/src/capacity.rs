//! The bound: by entries, and if asked for by bytes too.

use std::borrow::Cow;

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
    pub(crate) max_entries: u64,
    max_bytes: Option<u64>,
    /// The weight of an entry that is bounded by the number of entries.
    entry_weight: u32,
}

impl Capacity {
    pub(crate) fn new(max_entries: u64, max_bytes: Option<u64>) -> Result<Self> {
        if max_entries == 0 || max_bytes == Some(0) {
            return Err(config(
                "a cache of size 0 keeps nothing; bound it by at least 1 entry and 1 byte, or \
                 leave the bound out",
            ));
        }
        let entry_weight = match (max_bytes, u32::try_from(max_entries)) {
            // No entry weighs more than another.
            (None, _) => 1,
            // As fine as 32 bits for one entry, which may take up all the room, allow.
            (Some(_), Ok(max_entries)) => u32::MAX / max_entries,
            (Some(_), Err(_)) => {
                return Err(config(
                    "a cache that is bounded by bytes too holds at most 4294967295 entries; \
                     lower `max_entries`, the bytes will bound it",
                ));
            }
        };
        Ok(Self {
            max_entries,
            max_bytes,
            entry_weight,
        })
    }

    /// Whether entries weigh differently.
    pub(crate) fn counts_bytes(self) -> bool {
        self.max_bytes.is_some()
    }

    /// The weight that fills the room.
    pub(crate) fn total_weight(self) -> u64 {
        self.max_entries.saturating_mul(self.entry_weight.into())
    }

    /// The weight of an entry of this size. Refuses one that would not fit into an empty cache.
    pub(crate) fn weigh(self, bytes: usize) -> Result<u32> {
        let Some(max_bytes) = self.max_bytes else {
            return Ok(self.entry_weight);
        };
        if bytes as u64 > max_bytes {
            let message = format!(
                "key and value take {bytes} bytes and the whole cache is bounded by {max_bytes}; \
                 raise `max_bytes` or store less"
            );
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        let share = (bytes as u128 * u128::from(self.total_weight())).div_ceil(max_bytes.into());
        let share = u32::try_from(share).unwrap_or(u32::MAX);
        Ok(share.max(self.entry_weight))
    }
}

/// A setting that is refused.
pub(crate) fn config(message: impl Into<Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Config, message)
}
