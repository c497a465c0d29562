//! Why a value was not encoded, in a word that fits into a register.

use std::fmt;

use rmp_serde::encode;
use serde::ser::Error;

/// An error of `rmp-serde`, which callers know, in a box: each step of a serializer returns a
/// `Result` of it, and hardly one of them fails.
#[derive(Debug)]
pub(super) struct EncodeFailure(Box<encode::Error>);

impl EncodeFailure {
    pub(super) fn into_inner(self) -> encode::Error {
        *self.0
    }
}

impl From<encode::Error> for EncodeFailure {
    #[cold]
    fn from(error: encode::Error) -> Self {
        Self(Box::new(error))
    }
}

impl Error for EncodeFailure {
    #[cold]
    fn custom<T: fmt::Display>(message: T) -> Self {
        encode::Error::custom(message).into()
    }
}

impl fmt::Display for EncodeFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for EncodeFailure {}
