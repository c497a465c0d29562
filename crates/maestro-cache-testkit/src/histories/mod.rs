//! Random histories, run against the reference model and a backend at once.
//!
//! `operation` is what a history is made of, `run` carries it out on either side; here the answers
//! are compared and a difference is shrunk to the shortest history that shows it. `handles` does
//! the same with what services call.

mod handles;
mod operation;
mod run;

use std::fmt::Debug;
use std::sync::Arc;

use maestro_cache_core::{CacheBackend, Pattern, TimeToLive};
use proptest::collection::vec;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{TestCaseError, TestError};
use tokio::runtime::Runtime;

use crate::coarse::coarse;
use crate::conformance::runtime;
use crate::seed::{Seed, from_environment};
use crate::subject::fresh_prefix;
use crate::{Fixture, Model};
pub use handles::check_handles;
use operation::{Operation, every_key, operation};
use run::{context, run_on_backend, run_on_model};

/// The longest history: long enough for entries to be written, changed, expired and written again.
const LONGEST: usize = 400;

/// The environment variable that asks for a longer run.
const OPERATIONS: &str = "MAESTRO_CACHE_HISTORY_OPERATIONS";

/// Runs random histories against the [`Model`] and a backend, until `operations` are done, and
/// compares every answer and, after each history, every entry.
///
/// All operations of a backend occur, over a few keys that overlap behind prefixes with and without
/// glob characters, with counters near both ends, patterns, expiries and time that passes. One
/// fixture and one runtime serve all histories; each has a fresh prefix and clears up behind it.
///
/// The variable `MAESTRO_CACHE_HISTORY_OPERATIONS` overrides the number of operations, and
/// `MAESTRO_CACHE_HISTORY_SEED` repeats a run. How many operations ran is said at the end.
///
/// # Examples
///
/// ```
/// use maestro_cache_testkit::{ModelBackend, check_histories};
///
/// check_histories(ModelBackend::new, 2000);
/// ```
///
/// # Panics
///
/// If an answer differs; the text holds the shortest history found that shows it.
pub fn check_histories<F: Fixture>(fixture: impl Fn() -> F, operations: usize) {
    let runtime = runtime();
    let (fixture, backend) = runtime.block_on(async {
        let fixture = fixture();
        let backend = fixture.backend();
        (fixture, backend)
    });
    let name = backend.name();
    let side_by_side = SideBySide {
        runtime,
        fixture,
        backend,
    };
    explore("the backend", name, operation(), operations, |history| {
        side_by_side.run(history)
    });
}

/// Runs random histories of such operations until so many are done, and says how many there were.
/// One that fails is shrunk to the shortest that does, which is shown.
#[allow(clippy::print_stderr)] // How much was tried is part of what a random test has to say.
fn explore<T: Clone + Debug>(
    what: &str,
    name: &str,
    operation: impl Strategy<Value = T>,
    operations: usize,
    run: impl Fn(&[T]) -> Result<(), TestCaseError>,
) {
    let wanted = from_environment(OPERATIONS).unwrap_or(operations);
    let seed = Seed::new();
    let mut runner = seed.runner();
    let histories = vec(operation, 1..=LONGEST);
    let (mut done, mut count) = (0, 0);
    while done < wanted {
        let history = histories
            .new_tree(&mut runner)
            .expect("the strategies reject little");
        done += history.current().len();
        match runner.run_one(history, |history| run(&history)) {
            Ok(_) => count += 1,
            Err(TestError::Fail(reason, history)) => {
                panic!("{reason}\nin the history {history:#?}\n{seed}")
            }
            Err(TestError::Abort(reason)) => panic!("{reason}\n{seed}"),
        }
    }
    eprintln!("{done} operations on {what} in {count} histories agree on {name}; {seed}");
}

/// A backend, and what is needed to run one history after the other on it.
struct SideBySide<F> {
    runtime: Runtime,
    fixture: F,
    backend: Arc<dyn CacheBackend>,
}

impl<F: Fixture> SideBySide<F> {
    fn run(&self, history: &[Operation]) -> Result<(), TestCaseError> {
        self.runtime.block_on(async {
            let prefix = fresh_prefix();
            let mut model = Model::new();
            for (number, operation) in history.iter().enumerate() {
                let expected = run_on_model(operation, &prefix, &mut model);
                let answer = run_on_backend(operation, &prefix, &self.fixture, &self.backend).await;
                if answer != expected {
                    return Err(TestCaseError::fail(format!(
                        "operation {number}, {operation:?}: the backend answers {answer:?}, the \
                         contract is {expected:?}"
                    )));
                }
            }
            self.compare_entries(&prefix, &model).await?;
            self.clear_up(&prefix, &model).await
        })
    }

    async fn compare_entries(&self, prefix: &str, model: &Model) -> Result<(), TestCaseError> {
        for key in every_key() {
            let key = format!("{prefix}{key}");
            let value = self.backend.get(context(), &key).await;
            let value = value
                .map_err(|error| TestCaseError::fail(error.to_string()))?
                .map(|value| value.bytes().clone());
            let ttl = self.backend.ttl(context(), &key).await;
            let ttl = ttl.map_err(|error| TestCaseError::fail(error.to_string()))?;
            let expected = (model.get(&key), coarse(model.ttl(&key)));
            let found: (_, TimeToLive) = (value, coarse(ttl));
            if found != expected {
                return Err(TestCaseError::fail(format!(
                    "at the end {key:?} is {found:?}, the contract is {expected:?}"
                )));
            }
        }
        Ok(())
    }

    async fn clear_up(&self, prefix: &str, model: &Model) -> Result<(), TestCaseError> {
        let pattern = Pattern::all().behind_prefix(prefix);
        let expected = u64::try_from(model.entries().len()).expect("a count fits");
        match self.backend.clear(context(), &pattern).await {
            Ok(removed) if removed == expected => Ok(()),
            other => Err(TestCaseError::fail(format!(
                "the last clear is {other:?}, the contract is {expected}"
            ))),
        }
    }
}
