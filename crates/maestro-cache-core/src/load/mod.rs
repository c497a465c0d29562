//! Values that are loaded where there are none.
//!
//! A call ([`compute`]) looks its key up. Without a live value it joins the load that is under way in
//! this process, or leads one ([`board`], [`flight`]). Whoever leads claims the key at the backend, runs
//! the loader, and publishes under that claim ([`lead`]); whoever goes away in the middle leaves it to
//! the others ([`led`]).

mod batch;
mod board;
mod budget;
mod call;
mod compute;
mod counts;
mod crew;
mod error;
mod flight;
mod lead;
mod led;
mod loaded;
mod loader;
mod many;
mod nesting;
mod overrides;
mod policy;
mod sync;
mod waits;

pub use compute::{Computing, GetOrCompute};
pub use counts::LoadCounts;
pub use error::{LoadError, LoaderError};
pub use flight::Flights;
pub use loaded::{IntoLoad, Load};
pub use loader::Loader;
pub use many::GetOrComputeMany;
pub use policy::{LoadPolicy, RefreshEarly, StaleIfError};
