//! What each operation of the cache is on a server: about one key, about many, and about all.

mod batch;
pub(crate) mod clear;
mod key;
mod parts;
mod ping;

pub(crate) use key::KeyTarget;
