//! The in-memory backend against the contract, and its own promises.

mod bound;
// mod contract;
mod release;
mod shared_values;
