//! `get_or_compute_many`: what a caller writes.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::batch::{self, Loader};
use super::error::{LoadError, LoaderError};
use super::loaded::IntoLoad;
use super::policy::{LoadPolicy, StaleIfError};
use crate::Ttl;
use crate::cache::Cache;

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Cache {
    /// The values of the keys in the order asked for, duplicates repeated, and where there are none,
    /// those that `loader` computes, which are then stored.
    ///
    /// The keys are read in one go. The loader is called once, with the keys that this call is to load:
    /// those that nobody else loads at the moment. It returns pairs of key and value, in any order, as a
    /// map or a list; a key that it leaves out is `None`, and nothing is stored for it. Only if somebody else who
    /// was to load a key went away without a value, it is called once more, for the rest.
    ///
    /// Each key on its own is loaded as by [`get_or_compute`](Cache::get_or_compute): once for all who
    /// ask, and never stored over what was written or removed meanwhile. What the policy of the handle
    /// says of old values holds for each, but for what it would do in the background.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), maestro_cache_core::LoadError> {
    /// # let cache = maestro_cache_core::Cache::new(maestro_cache_testkit::ModelBackend::new());
    /// // SELECT name, age FROM users WHERE name IN (…)
    /// async fn ages(names: Vec<String>) -> std::io::Result<Vec<(String, u8)>> {
    ///     Ok(names.into_iter().filter(|name| name != "Bo").map(|name| (name, 36)).collect())
    /// }
    ///
    /// cache.set("Grace", &85_u8).await?;
    /// let ages = cache.get_or_compute_many(["Ada", "Bo", "Grace"], ages).await?;
    /// assert_eq!(ages, [Some(36), None, Some(85)]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`get_or_compute`](Cache::get_or_compute); the first one in the order of the keys. For an
    /// answer to each key, await [`each`](GetOrComputeMany::each).
    ///
    /// # Cancellation
    ///
    /// As [`get_or_compute`](Cache::get_or_compute), for each key.
    pub fn get_or_compute_many<'a, K, F, Fut, C, N, R, E>(
        &'a self,
        keys: impl IntoIterator<Item = K>,
        loader: F,
    ) -> GetOrComputeMany<'a, R::Value>
    where
        K: AsRef<str>,
        F: Fn(Vec<String>) -> Fut + Send + Sync + 'a,
        Fut: Future<Output = Result<C, E>> + Send + 'a,
        C: IntoIterator<Item = (N, R)>,
        N: Into<String>,
        R: IntoLoad,
        R::Value: Send,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
    {
        let loader: Loader<'a, R::Value> = Arc::new(move |keys| {
            let loading = loader(keys);
            Box::pin(async move {
                match loading.await {
                    Ok(loaded) => Ok(loaded
                        .into_iter()
                        .map(|(key, value)| (key.into(), value.into_load()))
                        .collect()),
                    Err(error) => Err(LoadError::Loader(LoaderError::new(error))),
                }
            })
        });
        GetOrComputeMany {
            cache: self,
            keys: keys.into_iter().map(|key| key.as_ref().into()).collect(),
            loader,
            policy: self.load_policy(),
        }
    }
}

/// A call of [`Cache::get_or_compute_many`], which does nothing until it is awaited.
#[must_use = "nothing is looked up until it is awaited"]
#[allow(missing_debug_implementations)] // The loader has none.
pub struct GetOrComputeMany<'a, V> {
    cache: &'a Cache,
    keys: Vec<String>,
    loader: Loader<'a, V>,
    policy: LoadPolicy,
}

impl<'a, V> GetOrComputeMany<'a, V> {
    /// Another policy than that of the handle.
    pub fn policy(mut self, policy: LoadPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// As [`LoadPolicy::ttl`].
    pub fn ttl(mut self, ttl: impl Into<Ttl>) -> Self {
        self.policy = self.policy.ttl(ttl);
        self
    }

    /// As [`LoadPolicy::jitter`], for each value by itself.
    pub fn jitter(mut self, at_most: Duration) -> Self {
        self.policy = self.policy.jitter(at_most);
        self
    }

    /// As [`LoadPolicy::stale_if_error`], for each value by itself.
    pub fn stale_if_error(mut self, stale: impl Into<StaleIfError>) -> Self {
        self.policy = self.policy.stale_if_error(stale);
        self
    }

    /// As [`LoadPolicy::timeout`], for each value by itself.
    pub fn timeout(mut self, after: Duration) -> Self {
        self.policy = self.policy.timeout(after);
        self
    }
}

impl<'a, V: Serialize + DeserializeOwned + Send + 'a> GetOrComputeMany<'a, V> {
    /// An answer to each key by itself.
    #[must_use = "a future does nothing until it is awaited"]
    pub fn each(self) -> BoxFuture<'a, Vec<Result<Option<V>, LoadError>>> {
        Box::pin(batch::load(self.cache, self.keys, self.loader, self.policy))
    }
}

impl<'a, V: Serialize + DeserializeOwned + Send + 'a> IntoFuture for GetOrComputeMany<'a, V> {
    type Output = Result<Vec<Option<V>>, LoadError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.each().await.into_iter().collect() })
    }
}
