//! The primitives that flights are built from: those of production, or those of the model checker
//! [shuttle](https://docs.rs/shuttle), which tries many orders in which threads can run.

#[cfg(not(shuttle))]
pub(super) use parking_lot::Mutex;
#[cfg(not(shuttle))]
pub(super) use std::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(shuttle))]
pub(super) use std::thread_local;

#[cfg(shuttle)]
pub(super) use shuttle::sync::atomic::{AtomicU64, Ordering};
// Its tasks share the thread of the test.
#[cfg(shuttle)]
pub(super) use shuttle::thread_local;

/// shuttle's mutex, without its poison: models panic on purpose.
#[cfg(shuttle)]
#[derive(Default)]
pub(super) struct Mutex<T>(shuttle::sync::Mutex<T>);

#[cfg(shuttle)]
impl<T> Mutex<T> {
    pub(super) fn lock(&self) -> shuttle::sync::MutexGuard<'_, T> {
        let lock = self.0.lock();
        lock.unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
