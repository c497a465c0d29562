//! Why there is no value, for who asked for one to be loaded.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::Error;

/// Why [`get_or_compute`](crate::Cache::get_or_compute) has no value: mostly since the loader has none.
///
/// Trouble with the cache is no reason: then the value is loaded, and not kept. What is left are wrong
/// arguments, which are [`LoadError::Cache`].
///
/// It is cheap to clone; all who waited for one load get the same.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # let cache = maestro_cache_core::Cache::new(maestro_cache_testkit::ModelBackend::new());
/// use maestro_cache_core::LoadError;
///
/// let port = cache.get_or_compute("port", || async { "http".parse::<u16>() }).await;
/// match port {
///     Ok(port) => println!("it is {port}"),
///     Err(LoadError::Loader(error)) => {
///         let error = error.downcast_ref::<std::num::ParseIntError>();
///         assert!(error.is_some(), "the loader's own error, as it was");
///     }
///     Err(other) => panic!("{other}"),
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// The loader failed, with this error of its own.
    Loader(LoaderError),
    /// The loader panicked while it ran for somebody else.
    Panicked,
    /// The value was not there in time.
    TimedOut,
    /// The loader asked, directly or by way of others, for the very value that it was to load.
    Circular,
    /// The loader says that the stored value is still right, and there is none.
    NothingToKeep,
    /// The loader of several keys returned nothing for this one. Its callers get `None`.
    LeftOut,
    /// The call itself is wrong: its key, or a time to live.
    Cache(Error),
}

/// The error of a loader, shared by all who waited for it.
///
/// An `anyhow::Error` is kept as it is where the feature `anyhow` is on: then
/// [`downcast_ref`](LoaderError::downcast_ref) finds what is inside of it, and its context. Without the
/// feature its text and its sources are all that is known of it.
#[derive(Clone)]
pub struct LoaderError(Cause);

#[derive(Clone)]
enum Cause {
    Error(Arc<dyn StdError + Send + Sync>),
    #[cfg(feature = "anyhow")]
    Anyhow(Arc<anyhow::Error>),
}

impl LoaderError {
    pub(super) fn new<E>(error: E) -> Self
    where
        E: Into<Box<dyn StdError + Send + Sync>> + 'static,
    {
        #[cfg(feature = "anyhow")]
        {
            // This one is no `Error`, and what it converts into hides what is inside. So it is told
            // from the others by its type: what keeps it then also keeps an `E`.
            let keep: fn(anyhow::Error) -> Cause = |error| Cause::Anyhow(Arc::new(error));
            let keep: &dyn std::any::Any = &keep;
            if let Some(keep) = keep.downcast_ref::<fn(E) -> Cause>() {
                return Self(keep(error));
            }
        }
        Self(Cause::Error(error.into().into()))
    }

    /// The loader's error, if it is of this type.
    #[must_use]
    pub fn downcast_ref<E: StdError + Send + Sync + 'static>(&self) -> Option<&E> {
        match &self.0 {
            Cause::Error(error) => error.downcast_ref(),
            #[cfg(feature = "anyhow")]
            Cause::Anyhow(error) => error.downcast_ref(),
        }
    }

    /// The loader's error.
    #[must_use]
    pub fn get_ref(&self) -> &(dyn StdError + Send + Sync + 'static) {
        match &self.0 {
            Cause::Error(error) => &**error,
            #[cfg(feature = "anyhow")]
            Cause::Anyhow(error) => &***error,
        }
    }
}

impl fmt::Debug for LoaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Error(error) => fmt::Debug::fmt(error, f),
            #[cfg(feature = "anyhow")]
            Cause::Anyhow(error) => fmt::Debug::fmt(error, f),
        }
    }
}

impl fmt::Display for LoaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.get_ref(), f)
    }
}

impl LoadError {
    /// The loader's error, if it failed with one of this type.
    #[must_use]
    pub fn downcast_ref<E: StdError + Send + Sync + 'static>(&self) -> Option<&E> {
        match self {
            Self::Loader(error) => error.downcast_ref(),
            _ => None,
        }
    }
}

impl From<Error> for LoadError {
    fn from(error: Error) -> Self {
        Self::Cache(error)
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loader(_) => "the value could not be loaded",
            Self::Panicked => "the value could not be loaded: its loader panicked",
            Self::TimedOut => "the value was not loaded in time",
            Self::Circular => {
                "the loader of this value asks for the value itself, and would wait for ever"
            }
            Self::NothingToKeep => {
                "the loader says that the stored value is not modified, and none is stored; load it \
                 where there is none"
            }
            Self::LeftOut => "the loader of several values left this one out",
            Self::Cache(_) => "the value cannot be asked for",
        })
    }
}

impl StdError for LoadError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Loader(error) => Some(error.get_ref()),
            Self::Cache(error) => Some(error),
            _ => None,
        }
    }
}
