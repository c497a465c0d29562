//! Who does what: an operation, and those who do it.

use std::fmt;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// One operation, done by several contestants on the same keys; ours is the first.
pub struct Contest {
    name: String,
    set_up: Box<dyn Fn() -> Vec<Contestant>>,
}

impl Contest {
    pub(crate) fn new(
        name: impl Into<String>,
        set_up: impl Fn() -> Vec<Contestant> + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            set_up: Box::new(set_up),
        }
    }

    /// What is done, such as `memory/get shared hit, 1 thread`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Fills caches and starts servers, which takes its time.
    #[must_use]
    pub fn contestants(&self) -> Vec<Contestant> {
        (self.set_up)()
    }
}

impl fmt::Debug for Contest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Contest").field(&self.name).finish()
    }
}

/// One who does the operation of a contest as often as is asked.
pub struct Contestant {
    name: &'static str,
    work: Box<dyn Work>,
    hits: Option<Arc<Hits>>,
}

/// What a contestant does.
pub(crate) trait Work {
    /// Does the operation so often, and says how long that took.
    fn time(&mut self, operations: usize) -> Duration;

    /// How many operations are done at the same time; only multiples of it are done.
    fn at_once(&self) -> usize {
        1
    }

    /// Does the operation so often, and says how long each one took.
    fn sample(&mut self, operations: usize) -> Vec<Duration> {
        (0..operations).map(|_| self.time(1)).collect()
    }
}

impl Contestant {
    pub(crate) fn new(name: &'static str, work: impl Work + 'static) -> Self {
        Self {
            name,
            work: Box::new(work),
            hits: None,
        }
    }

    /// Repeats something that needs nothing made ready for it.
    pub(crate) fn repeating<T>(name: &'static str, operation: impl FnMut() -> T + 'static) -> Self {
        Self::new(name, Repeated(operation))
    }

    /// Repeats something for which something else is made ready each time, out of the clock's sight.
    pub(crate) fn prepared<P, T>(
        name: &'static str,
        prepare: impl FnMut() -> P + 'static,
        operation: impl FnMut(P) -> T + 'static,
    ) -> Self {
        Self::new(name, Prepared { prepare, operation })
    }

    /// Who this is.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// How many operations are done at the same time; only multiples of it are done.
    #[must_use]
    pub fn at_once(&self) -> usize {
        self.work.at_once()
    }

    /// Does the operation so often, and says how long that took.
    pub fn time(&mut self, operations: usize) -> Duration {
        self.work.time(operations)
    }

    /// Does the operation so often, and says how long each one took.
    pub fn sample(&mut self, operations: usize) -> Vec<Duration> {
        self.work.sample(operations)
    }

    /// With a count of its hits.
    pub(crate) fn counting(mut self, hits: Arc<Hits>) -> Self {
        self.hits = Some(hits);
        self
    }

    /// The part of its reads since the last question that were hits, if it counts them.
    #[must_use]
    pub fn hit_rate(&self) -> Option<f64> {
        self.hits.as_ref().map(|hits| hits.rate())
    }
}

impl fmt::Debug for Contestant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Contestant").field(&self.name).finish()
    }
}

/// How many reads found something.
#[derive(Debug, Default)]
pub(crate) struct Hits {
    reads: AtomicU64,
    hits: AtomicU64,
}

impl Hits {
    /// Counts a read, and hands back whether it was a hit.
    pub(crate) fn note(&self, is_hit: bool) -> bool {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.hits.fetch_add(u64::from(is_hit), Ordering::Relaxed);
        is_hit
    }

    fn rate(&self) -> f64 {
        let reads = self.reads.swap(0, Ordering::Relaxed);
        self.hits.swap(0, Ordering::Relaxed) as f64 / reads as f64
    }
}

struct Repeated<O>(O);

impl<T, O: FnMut() -> T> Work for Repeated<O> {
    fn time(&mut self, operations: usize) -> Duration {
        let started = Instant::now();
        for _ in 0..operations {
            black_box((self.0)());
        }
        started.elapsed()
    }
}

struct Prepared<P, O> {
    prepare: P,
    operation: O,
}

impl<P, T, F, O> Work for Prepared<F, O>
where
    F: FnMut() -> P,
    O: FnMut(P) -> T,
{
    fn time(&mut self, operations: usize) -> Duration {
        let mut spent = Duration::ZERO;
        for _ in 0..operations {
            let prepared = (self.prepare)();
            let started = Instant::now();
            black_box((self.operation)(prepared));
            spent += started.elapsed();
        }
        spent
    }
}
