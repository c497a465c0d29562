//! Loads under the model checker [shuttle](https://docs.rs/shuttle), in many orders in which their tasks
//! can run. By `scripts/model-check.sh`.

#![cfg(shuttle)]
#![allow(clippy::unwrap_used, clippy::panic)] // Tests fail by panicking.

use std::future::{Future, IntoFuture, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use maestro_cache_core::{Cache, LoadError};
use maestro_cache_testkit::ModelBackend;
use shuttle::future::{block_on, yield_now};
use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::{PctScheduler, RandomScheduler};
use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::thread;
use shuttle::{Config, FailurePersistence, Runner};

const ORDERS: usize = 3_000;

/// Random orders, and those that need few preemptions to go wrong.
fn check(model: fn()) {
    let mut config = Config::new();
    config.silence_warnings = true;
    // Where a model panics on purpose, there is no order to be shown.
    config.failure_persistence = FailurePersistence::None;
    Runner::new(RandomScheduler::new(ORDERS), config.clone()).run(model);
    Runner::new(PctScheduler::new(3, ORDERS), config).run(model);
}

/// A cache, and a source whose value is a version.
struct World {
    cache: Cache,
    version: AtomicU64,
    /// What is known to all to be invalid is less than this.
    valid: AtomicU64,
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            cache: Cache::new(ModelBackend::remote()),
            version: AtomicU64::new(1),
            valid: AtomicU64::new(0),
        })
    }

    async fn load(&self) -> io::Result<u64> {
        let version = self.version.load(Ordering::SeqCst);
        yield_now().await;
        Ok(version)
    }

    /// Asks, and gets nothing that was invalid before.
    fn ask(&self) {
        let valid = self.valid.load(Ordering::SeqCst);
        let value = block_on(
            self.cache
                .get_or_compute("key", || self.load())
                .into_future(),
        );
        let value = value.unwrap();
        assert!(value >= valid, "{value} was invalidated, {valid} is there");
    }

    /// Asks, and leaves at some point.
    fn ask_and_leave(&self) {
        let polls = thread_rng().gen_range(0..12);
        let valid = self.valid.load(Ordering::SeqCst);
        let mut asking = pin!(
            self.cache
                .get_or_compute("key", || self.load())
                .into_future()
        );
        let value = block_on(async move { up_to(polls, asking.as_mut()).await });
        assert!(value.is_none_or(|value| value.unwrap() >= valid));
    }

    /// Asks with a loader that panics, unless another one is under way.
    fn ask_and_panic(&self) {
        let asked = catch_unwind(AssertUnwindSafe(|| {
            let load = || async {
                yield_now().await;
                if self.version.load(Ordering::SeqCst) > 0 {
                    panic!("on purpose");
                }
                self.load().await
            };
            block_on(self.cache.get_or_compute("key", load).into_future())
        }));
        assert!(!matches!(asked, Ok(Err(_))));
    }

    /// Asks, and puts up with the panic of somebody else.
    fn ask_beside_panics(&self) {
        let value = block_on(
            self.cache
                .get_or_compute("key", || self.load())
                .into_future(),
        );
        assert!(matches!(value, Ok(1) | Err(LoadError::Panicked)));
    }

    /// Writes a new version to the source, and has the old one forgotten.
    fn invalidate(&self) {
        let version = self.version.fetch_add(1, Ordering::SeqCst) + 1;
        block_on(self.cache.delete("key")).unwrap();
        self.valid.fetch_max(version, Ordering::SeqCst);
    }

    /// Nothing is left of any load, and the key is usable.
    fn is_tidy(&self) {
        self.ask();
        let value = block_on(self.cache.get::<u64>("key")).unwrap();
        assert_eq!(
            value,
            Some(self.version.load(Ordering::SeqCst)),
            "it is kept"
        );
        assert_eq!(self.cache.load_counts().under_way, 0);
    }
}

/// The result if it comes within so many polls. Otherwise the future is left as it is, to be dropped.
async fn up_to<T>(polls: usize, mut future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    let mut left = polls;
    poll_fn(move |context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        let polled = future.as_mut().poll(context).map(Some);
        if polled.is_pending() {
            context.waker().wake_by_ref();
        }
        polled
    })
    .await
}

fn together(world: &Arc<World>, acts: &[fn(&World)]) {
    let threads: Vec<_> = acts
        .iter()
        .map(|act| {
            let (world, act) = (Arc::clone(world), *act);
            thread::spawn(move || act(&world))
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    world.is_tidy();
}

#[test]
fn who_asks_after_an_invalidation_gets_nothing_from_before_it() {
    check(|| {
        let world = World::new();
        let twice: fn(&World) = |world| {
            world.ask();
            world.ask();
        };
        together(
            &world,
            &[twice, twice, World::invalidate, World::invalidate],
        );
    });
}

#[test]
fn who_leaves_hands_over_at_every_point() {
    check(|| {
        let world = World::new();
        let leave = World::ask_and_leave;
        together(&world, &[leave, leave, World::ask, World::ask]);
    });
}

#[test]
fn who_leaves_among_invalidations_hands_over_at_every_point() {
    check(|| {
        let world = World::new();
        let leave = World::ask_and_leave;
        together(&world, &[leave, leave, World::ask, World::invalidate]);
    });
}

#[test]
fn a_panic_is_an_error_for_those_who_wait_and_no_more() {
    check(|| {
        let world = World::new();
        let beside = World::ask_beside_panics;
        together(&world, &[World::ask_and_panic, beside, beside]);
    });
}

#[test]
fn without_invalidations_there_is_one_load() {
    check(|| {
        let world = World::new();
        together(&world, &[World::ask, World::ask, World::ask]);
        assert_eq!(world.cache.load_counts().loads, 1);
    });
}
