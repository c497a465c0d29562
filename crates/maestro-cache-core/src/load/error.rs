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
#[derive(Clone)]
pub struct LoaderError(Arc<dyn StdError + Send + Sync>);

impl LoaderError {
    pub(super) fn new(error: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self(error.into().into())
    }

    /// The loader's error, if it is of this type.
    #[must_use]
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }

    /// The loader's error.
    #[must_use]
    pub fn get_ref(&self) -> &(dyn StdError + Send + Sync + 'static) {
        &*self.0
    }
}

impl fmt::Debug for LoaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for LoaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl LoadError {
    /// The loader's error, if it failed with one of this type.
    #[must_use]
    pub fn downcast_ref<E: StdError + 'static>(&self) -> Option<&E> {
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
            Self::Loader(error) => Some(&*error.0),
            Self::Cache(error) => Some(error),
            _ => None,
        }
    }
}
