//! The cells by key: moka decides which there are, in which order they go, and what the bound is.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use foldhash::quality::RandomState;
use moka::Equivalent;
use moka::policy::EvictionPolicy as MokaPolicy;
use moka::sync::Cache;

use crate::capacity::{Capacity, EvictionPolicy};
use crate::cell::Cell;
use crate::key::KeyRef;
use crate::sync::{Mutex, MutexGuard};

/// Up to this many entries the order and the bound are exact. In a larger cache, an entry that takes up
/// this part of the room makes others go at once.
pub(crate) const MAX_EXACT_ENTRIES: u64 = 1_024;

/// A map that evicts. moka tells nobody when it evicts a cell: that would cost a third of an insertion.
/// So whoever has a cell from elsewhere asks whether it is still [held](CellMap::holds).
#[derive(Debug)]
pub(crate) struct CellMap {
    moka: Cache<Arc<str>, Arc<Cell>, RandomState>,
    policy: EvictionPolicy,
    /// The weight of a cell after whose insertion moka applies its logs.
    settled_weight: u64,
    /// Held while moka applies its logs, where the order has to be exact: moka applies the reads that it
    /// logged before the writes. A maintenance that is between the two when a caller reads and
    /// then inserts would apply them in the wrong order.
    exact: Option<Mutex<()>>,
}

impl CellMap {
    pub(crate) fn new(capacity: Capacity, policy: EvictionPolicy) -> Self {
        let mut builder = Cache::builder()
            .max_capacity(capacity.total_weight())
            .eviction_policy(match policy {
                EvictionPolicy::Lru => MokaPolicy::lru(),
                EvictionPolicy::TinyLfu => MokaPolicy::tiny_lfu(),
            });
        // Without one each entry weighs 1, and TinyLFU has the right size of its estimates at once.
        if capacity.counts_bytes() {
            builder = builder.weigher(|_, cell: &Arc<Cell>| cell.weight.load(Relaxed));
        }
        let is_exact = capacity.max_entries <= MAX_EXACT_ENTRIES;
        Self {
            moka: builder.build_with_hasher(RandomState::default()),
            policy,
            settled_weight: capacity.total_weight().div_ceil(MAX_EXACT_ENTRIES),
            exact: is_exact.then(|| Mutex::new(())),
        }
    }

    /// The cell of the key, which counts as use.
    pub(crate) fn get(&self, key: KeyRef<'_>) -> Option<Arc<Cell>> {
        self.moka.get(key.text)
    }

    /// Whether there is certainly no cell of the key. Unlike `get`, moka does not log it. Where every use is
    /// a `get`, that says so as well, and nothing is looked up twice.
    pub(crate) fn lacks(&self, key: KeyRef<'_>) -> bool {
        self.exact.is_none() && !self.moka.contains_key(key.text)
    }

    /// Counts a miss, on which the estimates of TinyLFU live, unless `get` has.
    pub(crate) fn count_miss(&self, key: KeyRef<'_>) {
        if self.policy == EvictionPolicy::TinyLfu && self.exact.is_none() {
            self.moka.get(key.text);
        }
    }

    /// Whether this very cell is there. Does not count as use.
    pub(crate) fn holds(&self, cell: &Cell) -> bool {
        self.moka.contains_key(&SameKey(&cell.key))
    }

    /// Puts in the cell, in place of another one of its key. One that is there already is weighed anew.
    pub(crate) fn insert(&self, cell: Arc<Cell>) {
        let _turn = self.turn();
        let is_settled = u64::from(cell.weight.load(Relaxed)) >= self.settled_weight;
        self.moka.insert(Arc::clone(&cell.key), cell);
        if is_settled {
            self.settle();
        }
    }

    /// Takes out this very cell.
    pub(crate) fn remove(&self, cell: &Cell) {
        self.moka.invalidate(&SameKey(&cell.key));
    }

    /// Keeps others from inserting, where the order has to be exact.
    pub(crate) fn turn(&self) -> Option<MutexGuard<'_, ()>> {
        self.exact.as_ref().map(Mutex::lock)
    }

    /// Has moka apply its logs, and drop what it evicted. To be called in one's turn.
    pub(crate) fn settle(&self) {
        self.moka.run_pending_tasks();
    }

    /// The cells, in no order. None that is there all the time is left out.
    pub(crate) fn cells(&self) -> impl Iterator<Item = Arc<Cell>> {
        self.moka.iter().map(|(_, cell)| cell)
    }

    /// The number of cells, as far as moka has applied its logs.
    pub(crate) fn len(&self) -> u64 {
        self.moka.entry_count()
    }

    /// The weight of all cells, as far as moka has applied its logs.
    pub(crate) fn weight(&self) -> u64 {
        self.moka.weighted_size()
    }
}

/// Finds this very key in a table, and no other one of the same text.
struct SameKey<'a>(&'a Arc<str>);

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
