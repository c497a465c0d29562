//! Values that are loaded where there are none.

mod error;
mod flight;
mod sync;

pub use error::{LoadError, LoaderError};
pub use flight::Flights;
