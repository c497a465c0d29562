//! Writes: in the cell of the key, or with a new cell where there is none.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use maestro_cache_core::{Bytes, Result};

use super::{Store, Stripe};
use crate::cell::{Cell, Change, Entry, Found, Lease};
use crate::key::KeyRef;
use crate::sync::MutexGuard;

impl Store {
    /// Reads the live entry, if there is one, decides, and writes, with no other call on the key in
    /// between. If `decide` fails nothing changes. It drops no value, since it runs under a lock.
    #[inline]
    pub(crate) fn update<T>(
        &self,
        key: &str,
        decide: impl FnOnce(Option<&Entry>, u64) -> Result<(Change, T)>,
    ) -> Result<T> {
        let key = KeyRef::new(key, &self.hasher);
        let decide = |found: Found<'_>| decide(found.live(), found.now_millis);
        // Where entries weigh differently, moka has to have the cell that is weighed.
        if !self.capacity.counts_bytes()
            && let Some(cell) = self.find_in_front(key)
        {
            let entry = cell.entry.lock();
            if entry.is_some() {
                return self.change(&cell, entry, None, decide);
            }
        }
        self.change_in_map(key, decide)
    }

    /// Removes the entry. True if it was a live one.
    pub(crate) fn remove_live(&self, key: &str) -> Result<bool> {
        self.update(key, |live, _| Ok((Change::Remove(None), live.is_some())))
    }

    /// The same for operations that also have to do with stale entries and with leases.
    pub(crate) fn lease<T>(
        &self,
        key: &str,
        decide: impl FnOnce(Found<'_>) -> (Change, T),
    ) -> Result<T> {
        let key = KeyRef::new(key, &self.hasher);
        self.change_in_map(key, |found| Ok(decide(found)))
    }

    fn change_in_map<T>(
        &self,
        key: KeyRef<'_>,
        decide: impl FnOnce(Found<'_>) -> Result<(Change, T)>,
    ) -> Result<T> {
        let stripe = self.stripe(key);
        if let Some(cell) = self.find_in_map(key) {
            let entry = cell.entry.lock();
            if entry.is_some() {
                return self.change(&cell, entry, Some(stripe), decide);
            }
        }
        if let Some(evicted) = self.front.find(key) {
            self.remove(&evicted);
        }
        self.create(key, stripe, decide)
    }

    /// Changes what a cell holds. The stripe is locked for operations that concern leases, and where
    /// entries weigh differently.
    fn change<T>(
        &self,
        cell: &Arc<Cell>,
        mut entry: MutexGuard<'_, Option<Entry>>,
        mut stripe: Option<MutexGuard<'_, Stripe>>,
        decide: impl FnOnce(Found<'_>) -> Result<(Change, T)>,
    ) -> Result<T> {
        self.check_open()?;
        let key = &cell.key;
        let now_millis = self.clock.now_millis();
        let (change, result) = decide(Found::in_cell(entry.as_ref(), now_millis))?;
        let mut former = None;
        match change {
            Change::Keep => {}
            Change::Lease(lease) => {
                if let Some(entry) = &mut *entry {
                    entry.lease = lease;
                }
            }
            Change::Remove(lease) => {
                former = self.forget(cell, entry);
                if let (Some(stripe), Some(token)) = (&mut stripe, lease) {
                    stripe.insert((**key).into(), token);
                }
            }
            Change::Store(new) => {
                let weight = match self.weigh(key, new.value.bytes()) {
                    Ok(weight) => weight,
                    Err(error) => {
                        drop(entry);
                        return Err(error);
                    }
                };
                self.tickets.note(cell, new.useless());
                former = entry.replace(new);
                let before = cell.weight.swap(weight, Relaxed);
                drop(entry);
                if weight != before {
                    self.make_room(weight.saturating_sub(before), now_millis);
                    self.map.insert(Arc::clone(cell));
                    // It may have died meanwhile, and was out of the map then.
                    if cell.entry.lock().is_none() {
                        self.map.remove(cell);
                    }
                }
            }
        }
        drop(stripe);
        drop(former);
        Ok(result)
    }

    /// Makes a cell for a key that has none, if there is something to store.
    fn create<T>(
        &self,
        key: KeyRef<'_>,
        mut stripe: MutexGuard<'_, Stripe>,
        decide: impl FnOnce(Found<'_>) -> Result<(Change, T)>,
    ) -> Result<T> {
        self.check_open()?;
        let now_millis = self.clock.now_millis();
        let found = Found {
            entry: None,
            lease: stripe.get(key.text).copied().map(Lease::Loading),
            now_millis,
        };
        let (change, result) = decide(found)?;
        match change {
            // The lease of a cell; there is none.
            Change::Keep | Change::Lease(_) => {}
            Change::Remove(Some(token)) => {
                stripe.insert(key.text.into(), token);
            }
            Change::Remove(None) => {
                stripe.remove(key.text);
            }
            Change::Store(entry) => {
                let weight = match self.weigh(key.text, entry.value.bytes()) {
                    Ok(weight) => weight,
                    Err(error) => {
                        drop(stripe);
                        return Err(error);
                    }
                };
                stripe.remove(key.text);
                self.make_room(weight, now_millis);
                let insertions = self.insertions.0.fetch_add(1, Relaxed);
                let is_kept_for_ever = entry.useless().is_never();
                let cell = Arc::new(Cell::new(key, entry, weight, insertions));
                self.map.insert(Arc::clone(&cell));
                // Not before: the sweeper takes out what moka has.
                if !is_kept_for_ever && let Some(entry) = &*cell.entry.lock() {
                    self.tickets.note(&cell, entry.useless());
                }
            }
        }
        Ok(result)
    }

    /// The weight of an entry: key and value are counted, nothing else. Refuses one that would not fit
    /// into an empty cache.
    pub(crate) fn weigh(&self, key: &str, value: &Bytes) -> Result<u32> {
        self.capacity.weigh(key.len().saturating_add(value.len()))
    }

    /// Removes what has expired, as far as room is needed for so much weight: no live entry has to go then.
    fn make_room(&self, weight: u32, now_millis: u64) {
        let needed = self.map.weight().saturating_add(weight.into());
        let mut excess = needed.saturating_sub(self.capacity.total_weight());
        while excess > 0 {
            let Some(cell) = self.tickets.take(now_millis) else {
                return;
            };
            if self.remove_if_useless(&cell) {
                excess = excess.saturating_sub(cell.weight.load(Relaxed).into());
            }
        }
    }
}
