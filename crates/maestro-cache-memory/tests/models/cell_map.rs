//! What stands for moka in the models, which cannot run under the model checker: a map that evicts when it
//! is told to. Each of its operations takes effect at once, as those of moka's table do. What it
//! evicts stays alive, as with moka, which drops late.

use std::sync::Arc;

use crate::capacity::{Capacity, EvictionPolicy};
use crate::cell::Cell;
use crate::key::KeyRef;
use crate::sync::{Mutex, MutexGuard};

pub(crate) const MAX_EXACT_ENTRIES: u64 = 1_024;

#[derive(Debug)]
pub(crate) struct CellMap(Mutex<Cells>);

#[derive(Debug, Default)]
struct Cells {
    held: Vec<Arc<Cell>>,
    evicted: Vec<Arc<Cell>>,
}

impl CellMap {
    pub(crate) fn new(_: Capacity, _: EvictionPolicy) -> Self {
        Self(Mutex::new(Cells::default()))
    }

    pub(crate) fn get(&self, key: KeyRef<'_>) -> Option<Arc<Cell>> {
        let cells = self.0.lock();
        cells.held.iter().find(|cell| cell.is_of(key)).cloned()
    }

    pub(crate) fn lacks(&self, key: KeyRef<'_>) -> bool {
        self.get(key).is_none()
    }

    pub(crate) fn count_miss(&self, _: KeyRef<'_>) {}

    pub(crate) fn holds(&self, cell: &Cell) -> bool {
        let cells = self.0.lock();
        cells.held.iter().any(|held| std::ptr::eq(&**held, cell))
    }

    pub(crate) fn insert(&self, cell: Arc<Cell>) {
        let mut cells = self.0.lock();
        cells.held.retain(|held| !held.is_of(cell.key_ref()));
        cells.held.push(cell);
    }

    pub(crate) fn remove(&self, cell: &Cell) {
        let mut cells = self.0.lock();
        cells.held.retain(|held| !std::ptr::eq(&**held, cell));
    }

    pub(crate) fn turn(&self) -> Option<MutexGuard<'_, ()>> {
        None
    }

    pub(crate) fn settle(&self) {}

    pub(crate) fn cells(&self) -> impl Iterator<Item = Arc<Cell>> {
        let cells = self.0.lock().held.clone();
        cells.into_iter()
    }

    pub(crate) fn len(&self) -> u64 {
        self.0.lock().held.len() as u64
    }

    pub(crate) fn weight(&self) -> u64 {
        0
    }

    /// What moka does on its own.
    pub(crate) fn evict_all(&self) {
        let mut cells = self.0.lock();
        let held = std::mem::take(&mut cells.held);
        cells.evicted.extend(held);
    }

    pub(crate) fn drop_evicted(&self) {
        self.0.lock().evicted.clear();
    }
}
