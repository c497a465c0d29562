//! Running cases: one named test each, in a runtime of its own.

use std::time::Duration;

use crate::{Fixture, Subject};

/// How long a case may take before it counts as hung. Far beyond what any takes.
const HUNG: Duration = Duration::from_secs(180);

/// Makes the conformance suite of a backend: one `#[test]` for each promise of the contract.
///
/// The expression makes a [`Fixture`](crate::Fixture). It is evaluated once in each test, inside of
/// a Tokio runtime. The tests stand where the macro is called; give each backend a module.
///
/// # Examples
///
/// ```
/// mod model {
///     maestro_cache_testkit::conformance!(maestro_cache_testkit::ModelBackend::new());
/// }
/// ```
#[macro_export]
macro_rules! conformance {
    ($fixture:expr) => {
        $crate::__for_each_case!($fixture);
    };
}

/// What [`conformance!`] makes of the list of cases.
#[doc(hidden)]
#[macro_export]
macro_rules! __one_test_a_case {
    ($fixture:expr; $($topic:ident { $($case:ident)* })*) => {$($(
        #[test]
        fn $case() {
            $crate::run_case(|| $fixture, $crate::cases::$topic::$case);
        }
    )*)*};
}

/// Runs one case against a fixture, in a runtime of its own, and clears up behind it.
///
/// [`conformance!`] calls this for each case; call it yourself to run a case of your own.
///
/// # Examples
///
/// ```
/// use maestro_cache_testkit::{ModelBackend, cases, run_case};
///
/// run_case(ModelBackend::new, cases::counters::increment_counts_from_zero);
/// ```
///
/// # Panics
///
/// If the backend breaks the promise, or the case does not end.
pub fn run_case<F: Fixture>(fixture: impl FnOnce() -> F, case: impl AsyncFnOnce(&Subject)) {
    runtime().block_on(async {
        let subject = Subject::new(fixture());
        tokio::time::timeout(HUNG, case(&subject))
            .await
            .expect("the case hangs");
        // A case that closed its backend has nothing left to clear.
        let _ = subject.cache().clear_all().await;
    });
}

/// A runtime with real threads, as services have.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("a runtime can be made")
}
