//! The few connections of a backend, taken in turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use maestro_cache_core::{Error, Result};

use crate::settings::Settings;
use crate::slot::Slot;

/// The connections that all callers share. Each is made when its turn comes first.
pub(crate) struct Connections {
    address: Arc<str>,
    slots: Vec<Slot>,
    turn: AtomicUsize,
    closed: AtomicBool,
}

impl Connections {
    pub(crate) fn new(settings: &Settings) -> Result<Self> {
        let address = Arc::<str>::from(settings.address.as_str());
        let slots = (0..settings.connections)
            .map(|_| Slot::new(settings, Arc::clone(&address)))
            .collect::<Result<_>>()?;
        Ok(Self {
            address,
            slots,
            turn: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
        })
    }

    /// The place whose turn it is.
    pub(crate) fn next(&self) -> Result<&Slot> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        turn.checked_rem(self.slots.len())
            .and_then(|index| self.slots.get(index))
            .ok_or_else(Error::closed)
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Drops all connections; calls under way may finish, no new one begins.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.slots.iter().for_each(Slot::close);
    }
}
