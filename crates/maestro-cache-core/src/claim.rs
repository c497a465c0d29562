//! What a backend knows of loads: who computes the value of a key, and what may be served meanwhile.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use bytes::Bytes;

use crate::value::Size;
use crate::{Expiry, Value};

/// The name of one load of one key, which no other load has.
///
/// Whoever computes the value of a key has claimed it under a token, and stores the result under the
/// same token. Any write of the key in between ends the claim, so that what was invalidated meanwhile
/// is not stored: a fencing token, with the key itself as the fence.
///
/// # Examples
///
/// ```
/// use maestro_cache_core::LoadToken;
///
/// let token = LoadToken::new();
/// assert_ne!(token, LoadToken::new());
/// assert_eq!(LoadToken::from_number(token.number()), Some(token));
/// assert_eq!([0, u64::MAX].map(LoadToken::from_number), [None, None]);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct LoadToken(NonZeroU64);

impl LoadToken {
    /// Another token: 64 bits that are as good as random, also beside those of other processes.
    #[must_use]
    #[allow(clippy::new_without_default)] // No two of them are the same.
    pub fn new() -> Self {
        static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        static COUNT: AtomicU64 = AtomicU64::new(0);
        loop {
            let mut hasher = HASHER.build_hasher();
            hasher.write_u64(COUNT.fetch_add(1, Ordering::Relaxed));
            if let Some(token) = Self::from_number(hasher.finish()) {
                return token;
            }
        }
    }

    /// The token of this number, as another process wrote it. None for the two that are no token.
    #[must_use]
    pub fn from_number(number: u64) -> Option<Self> {
        NonZeroU64::new(number)
            .filter(|number| number.get() != u64::MAX)
            .map(Self)
    }

    /// Its number: neither zero nor `u64::MAX`.
    #[must_use]
    pub fn number(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Debug for LoadToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LoadToken({:016x})", self.0)
    }
}

/// What is to be found by [`CacheBackend::look_up`](crate::CacheBackend::look_up).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookFor {
    /// A live value. What is stale may be reported as missing, with who is at it.
    Fresh,
    /// A live value with its age, or a stale one.
    FreshOrStale,
}

/// What a lookup found.
#[derive(Clone, Debug)]
pub enum Lookup {
    /// A live value.
    Fresh {
        /// The value.
        value: Value,
        /// How old it is, if it was stored by a load that may be repeated early, and that was asked
        /// for.
        age: Option<Age>,
    },
    /// No live value, but the one that was live before and may still be served in its place.
    Stale {
        /// The value.
        value: Value,
        /// For how long it has been stale.
        stale_for: Duration,
        /// Who is at it.
        held: Option<Held>,
    },
    /// Nothing that could be served.
    Missing {
        /// Who is at it.
        held: Option<Held>,
    },
}

/// What is known about the age of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Age {
    /// How long it is live yet.
    pub left: Duration,
    /// How long it took to compute.
    pub cost: Duration,
}

/// Why a key cannot be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// Somebody computes its value.
    Loading(LoadToken),
    /// Somebody failed to, a moment ago, and it is to be left alone for a while.
    BackingOff,
}

/// Over what a key may be claimed.
#[derive(Clone)]
pub enum ClaimOver {
    /// Over nothing, or over a stale value, which stays.
    Gap,
    /// Also over a live value that was stored by a load, and stays.
    Live,
    /// Over this very value, which cannot be read and is removed; and over nothing.
    Unreadable(Bytes),
}

impl fmt::Debug for ClaimOver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gap => f.write_str("Gap"),
            Self::Live => f.write_str("Live"),
            Self::Unreadable(bytes) => write!(f, "Unreadable({:?})", Size(bytes)),
        }
    }
}

/// A claim that is made together with those of other keys, by
/// [`CacheBackend::claim_many`](crate::CacheBackend::claim_many).
#[derive(Clone, Debug)]
pub struct ClaimRequest {
    /// The key.
    pub key: Arc<str>,
    /// The token under which it is to be claimed.
    pub token: LoadToken,
    /// Over what.
    pub over: ClaimOver,
}

/// What was loaded for a key and is stored together with others, by
/// [`CacheBackend::publish_many`](crate::CacheBackend::publish_many).
#[derive(Clone)]
pub struct Publication {
    /// The key.
    pub key: Arc<str>,
    /// The token under which it was claimed.
    pub token: LoadToken,
    /// The value.
    pub value: Bytes,
    /// How it is to be kept.
    pub keeping: Keeping,
}

impl fmt::Debug for Publication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publication")
            .field("key", &self.key)
            .field("token", &self.token)
            .field("value", &Size(&self.value))
            .field("keeping", &self.keeping)
            .finish()
    }
}

/// What became of a claim.
#[derive(Clone, Debug)]
pub enum Claim {
    /// The key is claimed.
    Granted,
    /// It is not: there is a live value, or somebody else is at it.
    Refused(Lookup),
}

/// How a loaded value is to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// How long it is live.
    pub expiry: Expiry,
    /// How many milliseconds longer it may be served as a stale one. None keeps it as a plain value.
    pub stale_millis: Option<NonZeroU64>,
    /// How long it took to compute, if it may be loaded again before it has expired.
    pub cost: Option<Duration>,
}

impl Keeping {
    /// A value that lives so long, and is never served afterwards.
    #[must_use]
    pub fn plain(expiry: Expiry) -> Self {
        Self {
            expiry,
            stale_millis: None,
            cost: None,
        }
    }
}
