//! How caches in memory take their turns: one or more threads, each in one future from first to last.

use std::hint::black_box;
use std::ops::Range;
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use crate::contest::{Contestant, Work};
use crate::load::{Load, Step};

/// Nothing in memory waits for a runtime. It is here since futures have to be driven by something.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_current_thread()
        .build()
        .expect("a runtime without drivers starts")
});

pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.handle().block_on(future)
}

/// Does this at each turn of the load, on so many threads at the same time.
pub(super) fn at_each_step<T>(
    name: &'static str,
    threads: usize,
    load: &Arc<Load>,
    operation: impl AsyncFn(Step<'_>) -> T + Sync + 'static,
) -> Contestant {
    Contestant::new(
        name,
        Steps {
            threads,
            load: Arc::clone(load),
            operation,
        },
    )
}

struct Steps<O> {
    threads: usize,
    load: Arc<Load>,
    operation: O,
}

impl<T, O: AsyncFn(Step<'_>) -> T + Sync> Steps<O> {
    fn walk(&self, turns: Range<usize>) {
        block_on(async {
            for turn in turns {
                black_box((self.operation)(self.load.step(turn)).await);
            }
        });
    }
}

impl<T, O: AsyncFn(Step<'_>) -> T + Sync> Work for Steps<O> {
    fn at_once(&self) -> usize {
        self.threads
    }

    fn time(&mut self, operations: usize) -> Duration {
        let share = operations.div_ceil(self.threads);
        let this = &*self;
        let started = Instant::now();
        thread::scope(|scope| {
            for _ in 1..this.threads {
                scope.spawn(move || this.walk(this.load.take_turns(share)));
            }
            this.walk(this.load.take_turns(share));
        });
        started.elapsed()
    }

    fn sample(&mut self, operations: usize) -> Vec<Duration> {
        block_on(async {
            let mut samples = Vec::with_capacity(operations);
            for turn in self.load.take_turns(operations) {
                let step = self.load.step(turn);
                let started = Instant::now();
                black_box((self.operation)(step).await);
                samples.push(started.elapsed());
            }
            samples
        })
    }
}
