//! What is measured and need not be timed, so that a test can demand it.

mod hit_rates;
