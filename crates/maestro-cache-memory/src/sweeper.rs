//! The one thread of the process that releases expired entries nobody asks for.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Weak;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

use crate::store::Store;

/// How long an expired entry that nobody asks for may keep its memory. Not how long it is seen:
/// every read compares with the clock.
const INTERVAL: Duration = Duration::from_millis(250);

static SWEEPER: Mutex<Sweeper> = Mutex::new(Sweeper {
    stores: Vec::new(),
    running: false,
});

struct Sweeper {
    stores: Vec<Weak<Store>>,
    running: bool,
}

/// Has the store swept for as long as it lives. The thread starts with the first store and ends
/// with the last one.
pub(crate) fn watch(store: Weak<Store>) {
    let mut sweeper = SWEEPER.lock();
    sweeper.stores.push(store);
    if sweeper.running {
        return;
    }
    match thread::Builder::new()
        .name("maestro-cache-sweeper".to_owned())
        .spawn(sweep)
    {
        Ok(_) => sweeper.running = true,
        // Expired entries are still never seen, and still the first to go when room is short.
        Err(error) => tracing::warn!(
            target: "maestro_cache",
            %error,
            "no thread to release expired entries; they keep their memory until room is short"
        ),
    }
}

fn sweep() {
    loop {
        thread::sleep(INTERVAL);
        let stores = {
            let mut sweeper = SWEEPER.lock();
            sweeper.stores.retain(|store| store.strong_count() > 0);
            if sweeper.stores.is_empty() {
                sweeper.running = false;
                return;
            }
            sweeper.stores.clone()
        };
        for store in stores {
            // What is released may be a service's own type, and its `Drop` may panic. That is no
            // reason to sweep nobody's store any more.
            let _ = catch_unwind(AssertUnwindSafe(|| {
                if let Some(store) = store.upgrade() {
                    store.release();
                }
            }));
        }
    }
}
