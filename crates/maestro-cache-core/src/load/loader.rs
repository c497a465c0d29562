//! What computes a value.

use std::future::Future;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::{LoadError, LoaderError};
use super::loaded::{IntoLoad, Load};

/// What [`get_or_compute`](crate::Cache::get_or_compute) takes: a closure that returns a future of
/// `Result`, with a value or a [`Load`] inside. All such closures are loaders, and nothing else is.
///
/// The error may be anything that converts into a boxed error: one of `thiserror`, a text, one of
/// `anyhow` (with the feature of that name, what is inside can be downcast to). Where `?` stands in the closure, the type of the error has to be named, as by
/// `Ok::<_, MyError>(value)`.
pub trait Loader: sealed::Sealed + Send {
    /// What is loaded.
    type Value: Serialize + DeserializeOwned + Send;

    /// Computes it.
    #[doc(hidden)]
    fn load(self) -> impl Future<Output = Result<Load<Self::Value>, LoadError>> + Send;
}

impl<F, Fut, R, E> Loader for F
where
    F: FnOnce() -> Fut + Send,
    Fut: Future<Output = Result<R, E>> + Send,
    R: IntoLoad,
    R::Value: Serialize + DeserializeOwned + Send,
    E: Into<Box<dyn std::error::Error + Send + Sync>> + 'static,
{
    type Value = R::Value;

    async fn load(self) -> Result<Load<R::Value>, LoadError> {
        match self().await {
            Ok(loaded) => Ok(loaded.into_load()),
            Err(error) => Err(LoadError::Loader(LoaderError::new(error))),
        }
    }
}

pub(super) mod sealed {
    pub trait Sealed {}

    impl<F: FnOnce() -> Fut, Fut> Sealed for F {}
}
