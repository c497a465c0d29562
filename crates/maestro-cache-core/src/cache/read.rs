//! The operations that read values.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::run::as_it_is;
use super::{Cache, Shared};
use crate::key::StoredKeys;
use crate::{CacheBackend, Error, Operation, Outcome, Result, Value};

impl Cache {
    /// The value of the key, or `None` if there is no live entry.
    ///
    /// A stored null is a value: `get::<Option<T>>` gives `Some(None)` for it and `None` for a
    /// missing key. Redis: [`GET`](https://redis.io/docs/latest/commands/get/).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> maestro_cache_core::Result<()> {
    /// # let cache = maestro_cache_core::Cache::new(maestro_cache_testkit::ModelBackend::new());
    /// cache.set("user:7:name", "Ada").await?;
    /// let name: Option<String> = cache.get("user:7:name").await?;
    /// assert_eq!(name.as_deref(), Some("Ada"));
    /// assert_eq!(cache.get::<String>("user:8:name").await?, None); // a miss is no error
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Decode`](crate::ErrorKind::Decode) if the stored value is not a `T`; the entry is left
    /// alone.
    pub fn get<'a, T: DeserializeOwned>(
        &'a self,
        key: &'a str,
    ) -> impl Future<Output = Result<Option<T>>> + Send {
        self.shared
            .run(Operation::Get, Some(key), CacheBackend::get, |value| {
                self.shared.decode(value)
            })
    }

    /// The value of the key, shared: decoded once for each stored entry and then kept, on a backend
    /// that keeps values in the process.
    ///
    /// A hit costs the same whatever the size of the value. All who ask get the same `Arc`: do not
    /// change what is inside of it. Readers who come while the first one decodes may decode too,
    /// and get the first one's `Arc`. Where several types are read from one key, the first one is
    /// kept and the others are decoded anew. What was decoded is dropped when the entry goes
    /// and no reader holds it any more, by whichever call or thread that is: its `Drop` must not call
    /// the cache, and should be quick.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> maestro_cache_core::Result<()> {
    /// # let cache = maestro_cache_core::Cache::new(maestro_cache_testkit::ModelBackend::new());
    /// use std::sync::Arc;
    ///
    /// cache.set("routes", &["/", "/about"]).await?;
    /// let routes: Option<Arc<Vec<String>>> = cache.get_shared("routes").await?;
    /// assert_eq!(routes.map(|routes| routes.len()), Some(2));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Decode`](crate::ErrorKind::Decode) if the stored value is not a `T`; the entry is left
    /// alone.
    pub fn get_shared<'a, T>(
        &'a self,
        key: &'a str,
    ) -> impl Future<Output = Result<Option<Arc<T>>>> + Send
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        self.shared
            .run(Operation::Get, Some(key), CacheBackend::get, |value| {
                let Some(value) = value else {
                    return Ok(None);
                };
                let codec = self.shared.codec;
                if let Some(decoded) = value.recall(codec) {
                    return Ok(Some(decoded));
                }
                let decoded = Arc::new(codec.decode(value.bytes())?);
                Ok(Some(value.remember(codec, decoded)))
            })
    }

    /// The bytes of the key as they are stored, past the codec.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> maestro_cache_core::Result<()> {
    /// # let cache = maestro_cache_core::Cache::new(maestro_cache_testkit::ModelBackend::new());
    /// cache.set_bytes("thumbnail:7", vec![0xff, 0xd8]).await?;
    /// let thumbnail = cache.get_bytes("thumbnail:7").await?;
    /// assert_eq!(thumbnail.as_deref(), Some(&[0xff, 0xd8][..]));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// None besides those of all operations: any bytes are bytes.
    pub fn get_bytes<'a>(
        &'a self,
        key: &'a str,
    ) -> impl Future<Output = Result<Option<Bytes>>> + Send {
        self.shared
            .run(Operation::Get, Some(key), CacheBackend::get, |value| {
                Ok(value.map(Value::into_bytes))
            })
    }

    /// The values of the keys, in the order asked for, duplicates repeated; one round trip.
    ///
    /// An empty input is fine. On Redis this is
    /// [`MGET`](https://redis.io/docs/latest/commands/mget/), with its rule that a key which holds
    /// no plain value, such as a list, counts as missing.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> maestro_cache_core::Result<()> {
    /// # let cache = maestro_cache_core::Cache::new(maestro_cache_testkit::ModelBackend::new());
    /// cache.set("user:7:name", "Ada").await?;
    /// let names: Vec<Option<String>> = cache.get_many(["user:7:name", "user:8:name"]).await?;
    /// assert_eq!(names, [Some("Ada".to_owned()), None]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidKey`](crate::ErrorKind::InvalidKey) if any key is empty, before any is read;
    /// [`Decode`](crate::ErrorKind::Decode), naming the key, if any value is not a `T`: see
    /// [`get_many_each`](Cache::get_many_each) for the others.
    pub fn get_many<T: DeserializeOwned>(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> impl Future<Output = Result<Vec<Option<T>>>> + Send {
        let keys = StoredKeys::new(self.key_prefix(), keys);
        async move { self.shared.get_many(keys, |values| values.collect()).await }
    }

    /// Like [`get_many`](Cache::get_many), with a result for each key: one value of another type
    /// does not hide the rest.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> maestro_cache_core::Result<()> {
    /// # let cache = maestro_cache_core::Cache::new(maestro_cache_testkit::ModelBackend::new());
    /// cache.set("a", &5).await?;
    /// cache.set("b", "no number").await?;
    /// let values = cache.get_many_each::<i64>(["a", "b", "c"]).await?;
    /// assert!(matches!(values[..], [Ok(Some(5)), Err(_), Ok(None)]));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The outer result is that of the batch as a whole; the inner ones are `Decode` where a value
    /// is not a `T`.
    pub fn get_many_each<T: DeserializeOwned>(
        &self,
        keys: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> impl Future<Output = Result<Vec<Result<Option<T>>>>> + Send {
        let keys = StoredKeys::new(self.key_prefix(), keys);
        async move {
            let backend = self.backend_name();
            self.shared
                .get_many(keys, |values| {
                    Ok(values
                        .map(|value| {
                            value.map_err(|error| {
                                error.in_context(Operation::GetMany, None, backend)
                            })
                        })
                        .collect())
                })
                .await
        }
    }

    /// Removes the entry and returns its value: of all who call it at once, one gets it.
    ///
    /// For what may be used once only, such as a login token. Redis:
    /// [`GETDEL`](https://redis.io/docs/latest/commands/getdel/).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> maestro_cache_core::Result<()> {
    /// # let cache = maestro_cache_core::Cache::new(maestro_cache_testkit::ModelBackend::new());
    /// cache.set("login:3f9a", &7).await?;
    /// if let Some(user) = cache.take::<u64>("login:3f9a").await? {
    ///     println!("user {user} may come in, once");
    /// }
    /// assert_eq!(cache.take::<u64>("login:3f9a").await?, None);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Decode`](crate::ErrorKind::Decode) if the value is not a `T`. The entry was removed all
    /// the same, and the outcome says so ([`Outcome::Applied`]): what may be used once is not
    /// offered twice.
    pub fn take<'a, T: DeserializeOwned>(
        &'a self,
        key: &'a str,
    ) -> impl Future<Output = Result<Option<T>>> + Send {
        self.shared
            .run(Operation::Take, Some(key), CacheBackend::take, |value| {
                let decoded = self.shared.decode(value);
                decoded.map_err(|error| error.with_outcome(Outcome::Applied))
            })
    }

    /// True if there is a live entry. May count as use for the order of eviction.
    ///
    /// Redis: [`EXISTS`](https://redis.io/docs/latest/commands/exists/).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> maestro_cache_core::Result<()> {
    /// # let cache = maestro_cache_core::Cache::new(maestro_cache_testkit::ModelBackend::new());
    /// cache.set("session:7", "token").await?;
    /// assert!(cache.exists("session:7").await?);
    /// assert!(!cache.exists("session:8").await?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// None besides those of all operations.
    pub fn exists<'a>(&'a self, key: &'a str) -> impl Future<Output = Result<bool>> + Send {
        self.shared
            .run(Operation::Exists, Some(key), CacheBackend::exists, as_it_is)
    }
}

impl Shared {
    fn decode<T: DeserializeOwned>(&self, value: Option<Value>) -> Result<Option<T>> {
        value
            .map(|value| self.codec.decode(value.bytes()))
            .transpose()
    }

    /// Reads a batch; `finish` gets one decoded result for each key, in order.
    async fn get_many<T: DeserializeOwned, R>(
        &self,
        keys: Result<StoredKeys>,
        finish: impl FnOnce(&mut dyn Iterator<Item = Result<Option<T>>>) -> Result<R> + Send,
    ) -> Result<R> {
        let keys = &keys;
        self.run(
            Operation::GetMany,
            None,
            |backend, context, _| match keys {
                Ok(keys) => backend.get_many(context, &keys.as_strs()),
                Err(error) => error.clone().into(),
            },
            |values| {
                let named = keys.iter().flat_map(StoredKeys::named);
                finish(&mut named.zip(values).map(|(key, value)| {
                    self.decode(value)
                        .map_err(|error: Error| error.with_key(key))
                }))
            },
        )
        .await
    }
}
