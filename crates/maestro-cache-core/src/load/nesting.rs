//! Which calls of loaders the code that runs at present is part of: a loader that asks for its own value, directly
//! or by way of another load, would wait for ever.

use std::cell::RefCell;

use super::sync::thread_local;
use super::waits::LoaderCall;

thread_local! {
    #[allow(clippy::missing_const_for_thread_local)] // The model checker's has no such form.
    static UNDER_WAY: RefCell<Vec<LoaderCall>> = RefCell::new(Vec::new());
}

/// The calls of loaders that the caller runs in, outermost first. What a loader spawns is not part of it.
pub(super) fn loads_under_way() -> Vec<LoaderCall> {
    UNDER_WAY.with(|calls| calls.borrow().clone())
}

/// Runs something as part of this call of a loader.
pub(super) fn within<T>(call: LoaderCall, run: impl FnOnce() -> T) -> T {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            UNDER_WAY.with(|calls| calls.borrow_mut().pop());
        }
    }
    UNDER_WAY.with(|calls| calls.borrow_mut().push(call));
    let _leave = Leave;
    run()
}
