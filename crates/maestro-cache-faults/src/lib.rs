//! What becomes of calls while a server is in trouble: a steady load, real faults, and a report.
//!
//! And several processes that load the same values: [`Fleet`].
//!
//! The suite in `tests/` demands of the Redis backend what `docs/reliability.md` promises. The program
//! `reliability` runs the same scenarios against other clients as well, and prints the table.

// A scenario that cannot be set up ends the program, as a test does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::missing_panics_doc
)]

mod chance;
mod client;
mod fleet;
mod load;
mod report;
mod run;
pub mod scenarios;
mod soak;
mod witness;

pub use client::Client;
pub use fleet::{Contender, Fared, Fleet, Source, Trouble, Worker};
pub use report::Report;
pub use run::{Run, RunBuilder};
pub use soak::{Soak, Soaked};
pub use witness::Witness;
