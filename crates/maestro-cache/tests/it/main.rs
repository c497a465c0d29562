//! The facade: configuration, features, and programs of others on the same keys.

mod environment;
#[cfg(not(all(feature = "memory", feature = "redis")))]
mod features_off;
#[cfg(feature = "memory")]
mod global;
#[cfg(feature = "redis")]
mod real_clients;
