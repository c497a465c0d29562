//! The primitives that flights are built from: those of production, or those of the model checker
//! [shuttle](https://docs.rs/shuttle), which tries many orders in which threads can run.

#[cfg(not(shuttle))]
pub(super) use parking_lot::Mutex;
#[cfg(not(shuttle))]
pub(super) use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(shuttle)]
pub(super) use shuttle::sync::atomic::{AtomicU64, Ordering};

/// shuttle's mutex, without its poison: a panic ends the whole model.
#[cfg(shuttle)]
#[derive(Default)]
pub(super) struct Mutex<T>(shuttle::sync::Mutex<T>);

#[cfg(shuttle)]
impl<T> Mutex<T> {
    pub(super) fn lock(&self) -> shuttle::sync::MutexGuard<'_, T> {
        self.0.lock().expect("no model goes on after a panic")
    }
}
