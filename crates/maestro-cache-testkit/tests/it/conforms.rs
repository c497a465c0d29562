//! The trivially correct backend keeps the whole contract.

use maestro_cache_testkit::{
    ModelBackend, check_handles, check_histories, check_linearizability, conformance,
};

conformance!(ModelBackend::new());

/// Where answers take a turn, others come in between, and calls are dropped before they have theirs.
mod remote {
    use maestro_cache_testkit::{ModelBackend, conformance};

    conformance!(ModelBackend::remote());
}

#[test]
fn random_histories_agree_with_the_model() {
    check_histories(ModelBackend::new, 20_000);
}

#[test]
fn random_calls_on_handles_agree_with_the_model() {
    check_handles(ModelBackend::new, 20_000);
}

#[test]
fn what_concurrent_tasks_see_is_linearizable() {
    check_linearizability(ModelBackend::new, 500);
}
