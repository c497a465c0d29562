//! What a case works on: a fixture, and handles with a prefix that nobody else has.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use maestro_cache_core::{Cache, CacheBackend, CacheBuilder, Codec};

use crate::Fixture;

/// The deadline of the handles: long, so that a slow machine fails no case.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What a case works on: a backend under test and handles to it, all behind one fresh prefix, so
/// that a case neither sees nor disturbs what else is on the server.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> maestro_cache_core::Result<()> {
/// use maestro_cache_testkit::{ModelBackend, Subject};
///
/// let subject = Subject::new(ModelBackend::new());
/// subject.cache().set("key", "value").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Subject {
    fixture: Box<dyn Fixture>,
    backend: Arc<dyn CacheBackend>,
    prefix: String,
}

impl Subject {
    /// A subject over a fixture, with a fresh prefix.
    pub fn new(fixture: impl Fixture) -> Self {
        Self {
            backend: fixture.backend(),
            fixture: Box::new(fixture),
            prefix: fresh_prefix(),
        }
    }

    /// The prefix of this subject, which no other one has.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The backend under test, for what has no handle in between.
    #[must_use]
    pub fn backend(&self) -> Arc<dyn CacheBackend> {
        Arc::clone(&self.backend)
    }

    /// A handle with the defaults, but for the prefix and a long deadline.
    #[must_use]
    pub fn cache(&self) -> Cache {
        self.cache_with(|builder| builder)
    }

    /// A handle with other settings. A prefix that is set has to start with [`Self::prefix`].
    pub fn cache_with(&self, configure: impl FnOnce(CacheBuilder) -> CacheBuilder) -> Cache {
        let builder = Cache::builder(self.backend())
            .key_prefix(&self.prefix)
            .timeout(TIMEOUT);
        configure(builder)
            .build()
            .expect("the settings of the case are right")
    }

    /// A handle of each codec, each with keys of its own.
    #[must_use]
    pub fn cache_of_each_codec(&self) -> Vec<Cache> {
        [
            Codec::MessagePack,
            Codec::Json,
            Codec::JsonLegacyPythonStrings,
        ]
        .into_iter()
        .map(|codec| {
            self.cache_with(|builder| {
                builder
                    .codec(codec)
                    .key_prefix(format!("{}{codec}:", self.prefix))
            })
        })
        .collect()
    }

    /// Lets time pass for the entries of this subject.
    pub async fn advance(&self, by: Duration) {
        self.fixture.advance(&self.prefix, by).await;
    }
}

/// A prefix that was never used before, in this process or in another one.
pub(crate) fn fresh_prefix() -> String {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let nanos = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos();
    let process = std::process::id();
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    format!("testkit-{process}-{nanos:x}-{number}:")
}
