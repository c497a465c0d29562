//! Randomness that can be had again: every random check says its seed and takes one.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::str::FromStr;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// The environment variable that repeats a run.
const VARIABLE: &str = "MAESTRO_CACHE_HISTORY_SEED";

/// What the random choices of one check follow from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seed(u64);

impl Seed {
    /// The one that the environment asks for, or a new one.
    pub(crate) fn new() -> Self {
        Self(from_environment(VARIABLE).unwrap_or_else(|| RandomState::new().hash_one(VARIABLE)))
    }

    pub(crate) fn runner(self) -> TestRunner {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.0.to_le_bytes());
        let config = Config {
            failure_persistence: None,
            max_shrink_iters: 20_000,
            ..Config::default()
        };
        TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &seed))
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{VARIABLE}={}", self.0)
    }
}

/// One value of a strategy.
pub(crate) fn sample<S: Strategy>(strategy: &S, runner: &mut TestRunner) -> S::Value {
    strategy
        .new_tree(runner)
        .expect("the strategies reject little")
        .current()
}

/// The number in an environment variable, if it is set.
pub(crate) fn from_environment<T: FromStr>(variable: &str) -> Option<T> {
    let text = std::env::var(variable).ok()?;
    let Ok(number) = text.parse() else {
        panic!("{variable} has to be a number and is {text:?}");
    };
    Some(number)
}
