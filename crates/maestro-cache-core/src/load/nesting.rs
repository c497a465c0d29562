//! Which loads the code that runs at present is part of: a loader that asks for its own value, directly
//! or by way of another load, would wait for ever.

use std::cell::RefCell;

use super::flight::FlightId;
use super::sync::thread_local;

thread_local! {
    #[allow(clippy::missing_const_for_thread_local)] // The model checker's has no such form.
    static UNDER_WAY: RefCell<Vec<FlightId>> = RefCell::new(Vec::new());
}

/// The loads whose loaders the caller runs in, outermost first. What a loader spawns is not part of it.
pub(super) fn loads_under_way() -> Vec<FlightId> {
    UNDER_WAY.with(|loads| loads.borrow().clone())
}

/// Runs something as part of these loads.
pub(super) fn within<T>(ids: &[FlightId], run: impl FnOnce() -> T) -> T {
    struct Leave(usize);
    impl Drop for Leave {
        fn drop(&mut self) {
            UNDER_WAY.with(|loads| loads.borrow_mut().truncate(self.0));
        }
    }
    let before = UNDER_WAY.with(|loads| {
        let mut loads = loads.borrow_mut();
        let before = loads.len();
        loads.extend_from_slice(ids);
        before
    });
    let _leave = Leave(before);
    run()
}
