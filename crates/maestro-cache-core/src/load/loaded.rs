//! What a loader says of its value besides the value.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::Ttl;

/// A loader's own word on how its value is to be kept, in place of the value alone.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), maestro_cache_core::LoadError> {
/// # let cache = maestro_cache_core::Cache::new(maestro_cache_testkit::ModelBackend::new());
/// use maestro_cache_core::Load;
/// use std::time::Duration;
///
/// struct Token {
///     text: String,
///     expires_in: Duration,
/// }
/// # async fn ask_identity_provider() -> std::io::Result<Token> {
/// #     Ok(Token { text: "t".to_owned(), expires_in: Duration::from_secs(300) })
/// # }
///
/// let token: String = cache
///     .get_or_compute("token", || async {
///         let token = ask_identity_provider().await?;
///         Ok::<_, std::io::Error>(Load::store(token.text).ttl(token.expires_in))
///     })
///     .await?;
/// # assert_eq!(token, "t");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[must_use = "it says something only if the loader returns it"]
pub struct Load<T> {
    pub(super) word: Word<T>,
}

#[derive(Clone)]
pub(super) enum Word<T> {
    /// With a time to live, if the loader names one.
    Store(T, Option<Ttl>),
    Transient(T),
    /// With a time to live, if the loader names one.
    NotModified(Option<Ttl>),
}

/// Without the value, which may be personal data.
impl<T> fmt::Debug for Load<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, ttl) = match &self.word {
            Word::Store(_, ttl) => ("Load::store", ttl.as_ref()),
            Word::Transient(_) => ("Load::transient", None),
            Word::NotModified(ttl) => ("Load::not_modified", ttl.as_ref()),
        };
        let mut shown = f.debug_struct(name);
        if let Some(ttl) = ttl {
            shown.field("ttl", ttl);
        }
        shown.finish_non_exhaustive()
    }
}

impl<T> Load<T> {
    /// The value is to be kept, as one that is returned without a word.
    pub fn store(value: T) -> Self {
        Self {
            word: Word::Store(value, None),
        }
    }

    /// The value is for those who asked, and not to be kept.
    pub fn transient(value: T) -> Self {
        Self {
            word: Word::Transient(value),
        }
    }

    /// The value that is stored is still right, and is to be kept for another time to live: what an
    /// HTTP source means by 304. Without a stale value this is
    /// [`NothingToKeep`](crate::LoadError::NothingToKeep).
    pub fn not_modified() -> Self {
        Self {
            word: Word::NotModified(None),
        }
    }

    /// How long the value is to be kept, whatever the call said. Zero keeps nothing.
    pub fn ttl(mut self, ttl: impl Into<Ttl>) -> Self {
        if let Word::Store(_, said) | Word::NotModified(said) = &mut self.word {
            *said = Some(ttl.into());
        }
        self
    }
}

/// What a loader may return: a value, or a [`Load`] that says more about it.
pub trait IntoLoad {
    /// The value that is loaded.
    type Value;

    /// The value, and the loader's word on it.
    fn into_load(self) -> Load<Self::Value>;
}

impl<T: Serialize> IntoLoad for T {
    type Value = T;

    fn into_load(self) -> Load<T> {
        Load::store(self)
    }
}

impl<T> IntoLoad for Load<T> {
    type Value = T;

    fn into_load(self) -> Self {
        self
    }
}

impl<T> Word<T> {
    /// Zero is what a loader says whose value is over already.
    pub(super) fn zero_keeps_nothing(self) -> Self {
        match self {
            Self::Store(value, Some(ttl)) if is_zero(ttl) => Self::Transient(value),
            word => word,
        }
    }
}

pub(super) fn is_zero(ttl: Ttl) -> bool {
    ttl == Ttl::After(Duration::ZERO)
}
