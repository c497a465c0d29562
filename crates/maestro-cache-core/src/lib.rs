//! The interface of maestro-cache, free of any backend and of any runtime.
//!
//! Two faces live here. Services hold a [`Cache`], a cheap-to-clone handle that gives keys their
//! prefix, values their bytes, calls their deadline and errors their context. Authors of backends
//! implement [`CacheBackend`], one object-safe trait in plain bytes. What every operation means is
//! stated on the methods of `Cache` and is the same on every backend; the crate
//! `maestro-cache-testkit` holds that contract in executable form.
//!
//! Services usually depend on the facade crate `maestro-cache` instead, which re-exports all of
//! this beside the real backends and the factory that reads the environment.

mod backend;
mod cache;
mod claim;
mod codec;
mod context;
mod error;
mod expiry;
mod future;
mod health;
mod key;

mod load;
mod operation;
mod pattern;
mod value;

pub use backend::{CacheBackend, SetWhen};
pub use bytes::Bytes;
pub use cache::{
    AddCommand, Cache, CacheBuilder, CompareAndSetCommand, IncrementCommand, SetCommand,
    SetManyCommand, Write, WriteCommand, WriteFuture,
};
pub use claim::{
    Age, Claim, ClaimOver, ClaimRequest, Held, Keeping, LoadToken, LookFor, Lookup, Publication,
};
pub use codec::{Codec, UnknownCodec};
pub use context::CallContext;
pub use error::{Error, ErrorKind, Outcome};
pub use expiry::{Expiry, TimeToLive, Ttl};
pub use future::CacheFuture;
pub use health::Health;
pub use load::{
    Computing, Flights, GetOrCompute, GetOrComputeMany, IntoLoad, Load, LoadCounts, LoadError,
    LoadPolicy, Loader, LoaderError, RefreshEarly, StaleIfError,
};
pub use operation::Operation;
pub use pattern::Pattern;
pub use value::Value;

/// The result of every operation of the cache.
pub type Result<T, E = Error> = std::result::Result<T, E>;
