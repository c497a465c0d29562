//! The names of the operations, as errors and spans show them.

use std::fmt;

/// An operation of the cache, as errors and spans name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[allow(missing_docs)] // Each is the method of the same name.
pub enum Operation {
    Get,
    GetMany,
    GetOrCompute,
    GetOrComputeMany,
    Set,
    SetMany,
    Add,
    Take,
    CompareAndSet,
    Delete,
    DeleteMany,
    Exists,
    Increment,
    Decrement,
    Ttl,
    Expire,
    Persist,
    Clear,
    HealthCheck,
    Close,
}

impl Operation {
    /// The name of the method, such as `get_many`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::GetMany => "get_many",
            Self::GetOrCompute => "get_or_compute",
            Self::GetOrComputeMany => "get_or_compute_many",
            Self::Set => "set",
            Self::SetMany => "set_many",
            Self::Add => "add",
            Self::Take => "take",
            Self::CompareAndSet => "compare_and_set",
            Self::Delete => "delete",
            Self::DeleteMany => "delete_many",
            Self::Exists => "exists",
            Self::Increment => "increment",
            Self::Decrement => "decrement",
            Self::Ttl => "ttl",
            Self::Expire => "expire",
            Self::Persist => "persist",
            Self::Clear => "clear",
            Self::HealthCheck => "health_check",
            Self::Close => "close",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
