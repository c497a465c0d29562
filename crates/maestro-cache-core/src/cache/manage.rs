//! The operations on entries and on the cache as a whole: delete, expiry, clear, health, close.

use std::future::Future;
use std::time::{Duration, Instant};

use super::Cache;
use super::run::as_it_is;
use crate::key::StoredKeys;
use crate::{CacheBackend, Expiry, Health, Operation, Pattern, Result, TimeToLive};

impl Cache {
    /// Removes the entry. True if there was a live one.
    ///
    /// Redis: [`UNLINK`](https://redis.io/docs/latest/commands/unlink/).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> maestro_cache_core::Result<()> {
    /// # let cache = maestro_cache_core::Cache::new(maestro_cache_testkit::ModelBackend::new());
    /// cache.set("session:7", "token").await?;
    /// assert!(cache.delete("session:7").await?);
    /// assert!(!cache.delete("session:7").await?); // there was none any more
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// None besides those of all operations.
    pub async fn delete(&self, key: &str) -> Result<bool> {
        self.delete_as(Operation::Delete, key).await
    }

    /// Removes the entries of the keys and counts the live ones among them; one round trip.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> maestro_cache_core::Result<()> {
    /// # let cache = maestro_cache_core::Cache::new(maestro_cache_testkit::ModelBackend::new());
    /// cache.set_many([("a", 1), ("b", 2)]).await?;
    /// assert_eq!(cache.delete_many(["a", "b", "c"]).await?, 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidKey`](crate::ErrorKind::InvalidKey) if any key is empty, before any is removed.
    pub fn delete_many(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> impl Future<Output = Result<u64>> + Send {
        let keys = StoredKeys::new(self.key_prefix(), keys);
        async move {
            self.shared
                .run(
                    Operation::DeleteMany,
                    None,
                    |backend, context, _| match keys {
                        Ok(keys) => backend.delete(context, &keys.as_strs()),
                        Err(error) => error.into(),
                    },
                    as_it_is,
                )
                .await
        }
    }

    /// The remaining time of the entry: missing, without expiry, or this much.
    ///
    /// Redis: [`PTTL`](https://redis.io/docs/latest/commands/pttl/).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> maestro_cache_core::Result<()> {
    /// # let cache = maestro_cache_core::Cache::new(maestro_cache_testkit::ModelBackend::new());
    /// use maestro_cache_core::TimeToLive;
    ///
    /// match cache.ttl("session:7").await? {
    ///     TimeToLive::Missing => println!("no session"),
    ///     TimeToLive::NoExpiry => println!("for good"),
    ///     TimeToLive::Left(left) => println!("{} ms left", left.as_millis()),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// None besides those of all operations.
    pub async fn ttl(&self, key: &str) -> Result<TimeToLive> {
        self.shared
            .run(Operation::Ttl, Some(key), CacheBackend::ttl, as_it_is)
            .await
    }

    /// Lets the entry expire after `after` from now, whatever its expiry was. True if there is a
    /// live entry. Zero removes it.
    ///
    /// Redis: [`PEXPIRE`](https://redis.io/docs/latest/commands/pexpire/).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> maestro_cache_core::Result<()> {
    /// # let cache = maestro_cache_core::Cache::new(maestro_cache_testkit::ModelBackend::new());
    /// use std::time::Duration;
    ///
    /// cache.set("session:7", "token").await?;
    /// // Whoever is active stays logged in.
    /// let active = cache.expire("session:7", Duration::from_secs(900)).await?;
    /// assert!(active);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidTtl`](crate::ErrorKind::InvalidTtl) beyond `i64::MAX` milliseconds.
    pub async fn expire(&self, key: &str, after: Duration) -> Result<bool> {
        if after.is_zero() {
            return self.delete_as(Operation::Expire, key).await;
        }
        self.shared
            .run(
                Operation::Expire,
                Some(key),
                |backend, context, key| match Expiry::after(after) {
                    Ok(expiry) => backend.set_expiry(context, key, expiry),
                    Err(error) => error.into(),
                },
                as_it_is,
            )
            .await
    }

    /// Lets the entry live until it is deleted or evicted. True if it had an expiry.
    ///
    /// Redis: [`PERSIST`](https://redis.io/docs/latest/commands/persist/).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> maestro_cache_core::Result<()> {
    /// # let cache = maestro_cache_core::Cache::new(maestro_cache_testkit::ModelBackend::new());
    /// use maestro_cache_core::TimeToLive;
    ///
    /// cache.set("draft:7", "text").await?;
    /// assert!(cache.persist("draft:7").await?);
    /// assert_eq!(cache.ttl("draft:7").await?, TimeToLive::NoExpiry);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// None besides those of all operations.
    pub async fn persist(&self, key: &str) -> Result<bool> {
        self.shared
            .run(
                Operation::Persist,
                Some(key),
                |backend, context, key| backend.set_expiry(context, key, Expiry::Never),
                as_it_is,
            )
            .await
    }

    /// Removes every entry of this handle whose key matches the pattern, and counts them.
    ///
    /// The pattern is a [`Pattern`] over keys without the handle's prefix, which is taken
    /// literally: nothing outside of it is touched. Every matching entry that was there before the
    /// call is gone after it. On Redis the whole key space is scanned, some thousand keys in a
    /// round trip, unless the pattern has no wildcard; give a large one time by
    /// [`with_timeout`](Cache::with_timeout).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> maestro_cache_core::Result<()> {
    /// # let cache = maestro_cache_core::Cache::new(maestro_cache_testkit::ModelBackend::new());
    /// cache.set_many([("user:7:name", "Ada"), ("user:7:mail", "-"), ("user:8:name", "Bo")]).await?;
    /// let removed: u64 = cache.clear("user:7:*").await?;
    /// assert_eq!(removed, 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidPattern`](crate::ErrorKind::InvalidPattern), before anything is removed. Any other
    /// error may come with a part of the entries removed; calling again removes the rest.
    ///
    /// # Cancellation
    ///
    /// A dropped `clear` has removed some of the entries, and the rest is left.
    pub async fn clear(&self, pattern: &str) -> Result<u64> {
        self.clear_matching(Pattern::parse(pattern)).await
    }

    /// Removes every entry of this handle, which is every one behind its prefix, and counts them.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> maestro_cache_core::Result<()> {
    /// # let cache = maestro_cache_core::Cache::new(maestro_cache_testkit::ModelBackend::new());
    /// let tenant = cache.namespace("tenant-7:");
    /// tenant.set("a", &1).await?;
    /// cache.set("b", &2).await?;
    /// assert_eq!(tenant.clear_all().await?, 1);
    /// assert!(cache.exists("b").await?); // it is not behind the prefix
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`clear`](Cache::clear).
    pub async fn clear_all(&self) -> Result<u64> {
        self.clear_matching(Ok(Pattern::all())).await
    }

    async fn clear_matching(&self, pattern: Result<Pattern>) -> Result<u64> {
        self.shared
            .run(
                Operation::Clear,
                None,
                |backend, context, _| match pattern {
                    Ok(pattern) => {
                        backend.clear(context, &pattern.behind_prefix(self.key_prefix()))
                    }
                    Err(error) => error.into(),
                },
                as_it_is,
            )
            .await
    }

    /// Asks the backend whether it serves. Never an error and never late: trouble is part of the
    /// answer, and comes within the deadline.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> maestro_cache_core::Result<()> {
    /// # let cache = maestro_cache_core::Cache::new(maestro_cache_testkit::ModelBackend::new());
    /// let health = cache.health_check().await;
    /// if let Some(error) = &health.error {
    ///     eprintln!("{} is not well: {error}", health.backend);
    /// }
    /// assert!(health.is_healthy());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn health_check(&self) -> Health {
        let started = Instant::now();
        let answer = self.shared.run(
            Operation::HealthCheck,
            None,
            |backend, context, _| backend.ping(context),
            as_it_is,
        );
        let error = answer.await.err();
        Health {
            backend: self.backend_name(),
            latency: started.elapsed(),
            error,
        }
    }

    /// Ends the cache for every clone and namespace: connections are closed, memory is released,
    /// and every later call is `Closed`. May be called again.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> maestro_cache_core::Result<()> {
    /// # let cache = maestro_cache_core::Cache::new(maestro_cache_testkit::ModelBackend::new());
    /// use maestro_cache_core::ErrorKind;
    ///
    /// cache.clone().close().await?; // any clone ends all of them
    /// let error = cache.get::<String>("key").await.unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Closed);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// None but those of the backend; neither of the two that come with the cache has any.
    pub async fn close(&self) -> Result<()> {
        self.shared
            .run(
                Operation::Close,
                None,
                |backend, context, _| backend.close(context),
                as_it_is,
            )
            .await
    }

    async fn delete_as(&self, operation: Operation, key: &str) -> Result<bool> {
        self.shared
            .run(
                operation,
                Some(key),
                |backend, context, key| backend.delete(context, &[key]),
                |removed| Ok(removed > 0),
            )
            .await
    }
}
