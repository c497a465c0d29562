//! What became of the loads of a process, in numbers.

use std::sync::atomic::{AtomicU64, Ordering};

/// What became of the loads over one backend in this process, since it was made.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), maestro_cache_core::LoadError> {
/// # let cache = maestro_cache_core::Cache::new(maestro_cache_testkit::ModelBackend::new());
/// for _ in 0..3 {
///     cache.get_or_compute("pi", || async { Ok::<_, std::io::Error>(3) }).await?;
/// }
/// assert_eq!(cache.load_counts().loads, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadCounts {
    /// Loaders that were run.
    pub loads: u64,
    /// Calls that waited for the loader of another one.
    pub joined: u64,
    /// How many loads are under way, or have callers who did not yet fetch the result.
    pub under_way: u64,
    /// Loaders that failed or panicked.
    pub failures: u64,
    /// Values that were loaded and not kept, since the key was written or removed meanwhile.
    pub not_kept: u64,
    /// How often the cache was of no help to a load: it could not be asked, or did not store.
    pub cache_troubles: u64,
}

#[derive(Debug, Default)]
pub(super) struct Counts {
    loads: AtomicU64,
    joined: AtomicU64,
    failures: AtomicU64,
    not_kept: AtomicU64,
    cache_troubles: AtomicU64,
}

impl Counts {
    pub(super) fn note_load(&self) {
        self.loads.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_joined(&self) {
        self.joined.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_not_kept(&self) {
        self.not_kept.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn note_trouble(&self) {
        self.cache_troubles.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn read(&self, under_way: usize) -> LoadCounts {
        LoadCounts {
            under_way: under_way as u64,
            loads: self.loads.load(Ordering::Relaxed),
            joined: self.joined.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
            not_kept: self.not_kept.load(Ordering::Relaxed),
            cache_troubles: self.cache_troubles.load(Ordering::Relaxed),
        }
    }
}
