//! Every promise that is broken on purpose is seen, by the case that is named after it, by random
//! histories, or by the search for an order.

use std::panic::{AssertUnwindSafe, catch_unwind};

use maestro_cache_core::Pattern;
use maestro_cache_testkit::{
    Subject, cases, check_handles, check_histories, check_linearizability, check_patterns, run_case,
};

use crate::twisted::{Twist, Twisted};

/// The text of the panic that the check has to end with.
fn fails(what: &str, check: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(check)).expect_err(what);
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
        .unwrap_or_default()
}

/// Most cases see it at once. Those of races may need the threads to meet, which on a busy machine they
/// do not each time.
fn case_bites(twist: Twist, case: impl AsyncFn(&Subject)) {
    const TRIES: usize = 20;
    let sees = || {
        let run = || run_case(|| Twisted::new(twist), &case);
        catch_unwind(AssertUnwindSafe(run)).is_err()
    };
    assert!((0..TRIES).any(|_| sees()), "the case has to see {twist:?}");
}

#[test]
fn cases_see_counters_that_are_wrong() {
    use cases::{concurrency, counters};
    case_bites(
        Twist::IncrementResetsTheTtl,
        counters::increment_keeps_the_ttl,
    );
    case_bites(
        Twist::IncrementTakesNoTtlAtCreation,
        counters::a_ttl_holds_at_the_creation_of_a_counter,
    );
    case_bites(
        Twist::IncrementLosesUpdates,
        concurrency::a_thousand_concurrent_increments_count_to_a_thousand,
    );
    case_bites(
        Twist::IncrementLosesUpdates,
        concurrency::a_set_is_never_lost_to_concurrent_increments,
    );
    case_bites(
        Twist::IncrementLosesUpdates,
        concurrency::a_delete_is_never_lost_to_concurrent_increments,
    );
    case_bites(
        Twist::IncrementCountsTextAsZero,
        counters::what_is_no_canonical_integer_is_refused_and_kept,
    );
}

#[test]
fn cases_see_batches_that_are_wrong() {
    use cases::batches;
    case_bites(
        Twist::SetManyForgetsTheTtl,
        batches::set_many_replaces_values_and_ttls,
    );
    case_bites(
        Twist::SetManyLetsTheFirstWin,
        batches::the_last_of_two_values_for_one_key_wins,
    );
    case_bites(
        Twist::GetManyDropsDuplicates,
        batches::get_many_repeats_duplicates,
    );
    case_bites(
        Twist::DeleteCountsTheExpired,
        batches::delete_many_counts_live_entries_once,
    );
}

#[test]
fn cases_see_atomic_operations_that_are_wrong() {
    use cases::{atomic, concurrency};
    case_bites(
        Twist::AddChangesTheTtl,
        atomic::add_leaves_value_and_ttl_of_an_entry,
    );
    case_bites(
        Twist::CompareAndSetKeepsTheTtl,
        atomic::compare_and_set_replaces_the_ttl_with_the_value,
    );
    case_bites(
        Twist::CompareAndSetIsNotAtomic,
        concurrency::a_counter_of_compare_and_set_loses_no_step,
    );
    case_bites(
        Twist::TakeIsNotAtomic,
        concurrency::a_token_is_taken_once_among_fifty,
    );
}

#[test]
fn cases_see_expiries_that_are_wrong() {
    use cases::{expiry, ttl};
    case_bites(
        Twist::DeleteCountsTheExpired,
        ttl::an_expired_entry_counts_for_no_operation,
    );
    case_bites(
        Twist::PersistIsAlwaysTrue,
        expiry::persist_removes_an_expiry_once,
    );
    case_bites(Twist::TtlIsInSeconds, ttl::a_ttl_is_kept_to_the_millisecond);
}

#[test]
fn cases_see_a_clear_that_is_wrong() {
    use cases::clear;
    case_bites(
        Twist::ClearCountsOneMore,
        clear::thousands_of_entries_are_cleared_and_counted_exactly,
    );
    case_bites(
        Twist::ClearReadsThePrefixAsAPattern,
        clear::patterns_mean_the_same_behind_a_prefix_of_glob_characters,
    );
    case_bites(
        Twist::ClearRemovesTheBarePrefix,
        clear::a_key_that_equals_the_prefix_belongs_to_another_handle,
    );
}

#[test]
fn cases_see_keys_values_and_ends_that_are_wrong() {
    use cases::{bytes, close, keys, shared};
    case_bites(Twist::KeysEndAtNul, keys::keys_of_any_text_are_told_apart);
    case_bites(Twist::EmptyValuesAreMisses, bytes::an_empty_value_is_a_hit);
    case_bites(
        Twist::ReadsAreStale,
        shared::a_shared_value_is_never_older_than_the_entry,
    );
    case_bites(
        Twist::CloseIsForgotten,
        close::after_close_every_operation_of_every_handle_is_closed,
    );
    case_bites(
        Twist::EmptyBatchesIgnoreClose,
        close::after_close_empty_batches_are_closed_too,
    );
}

#[test]
fn cases_see_deadlines_that_are_wrong() {
    use cases::deadline;
    for twist in [Twist::TimeoutsAreMisses, Twist::DeadlinesAreForgotten] {
        case_bites(
            twist,
            deadline::a_call_without_time_ends_at_once_and_shows_no_false_miss,
        );
    }
}

#[test]
fn histories_see_what_is_wrong_in_a_single_task() {
    for twist in [
        Twist::IncrementResetsTheTtl,
        Twist::IncrementTakesNoTtlAtCreation,
        Twist::IncrementCountsTextAsZero,
        Twist::SetManyForgetsTheTtl,
        Twist::SetManyLetsTheFirstWin,
        Twist::GetManyDropsDuplicates,
        Twist::AddChangesTheTtl,
        Twist::CompareAndSetKeepsTheTtl,
        Twist::DeleteCountsTheExpired,
        Twist::PersistIsAlwaysTrue,
        Twist::ClearCountsOneMore,
        Twist::ClearReadsThePrefixAsAPattern,
        Twist::ReadsAreStale,
        Twist::EmptyValuesAreMisses,
    ] {
        fails(&format!("histories have to see {twist:?}"), || {
            check_histories(|| Twisted::new(twist), 50_000);
        });
    }
}

#[test]
fn histories_of_handles_see_what_is_wrong() {
    for twist in [
        Twist::IncrementResetsTheTtl,
        Twist::IncrementTakesNoTtlAtCreation,
        Twist::IncrementCountsTextAsZero,
        Twist::SetManyForgetsTheTtl,
        Twist::GetManyDropsDuplicates,
        Twist::DeleteCountsTheExpired,
        Twist::ReadsAreStale,
    ] {
        fails(&format!("calls on handles have to see {twist:?}"), || {
            check_handles(|| Twisted::new(twist), 50_000);
        });
    }
}

#[test]
fn a_history_that_differs_is_shrunk_to_what_matters() {
    const TRIES: usize = 10;
    let twist = Twist::IncrementResetsTheTtl;
    // A write, an increment with another time to live, and at most the look that shows it.
    let operations = [
        "Set",
        "Increment",
        "Ttl",
        "Clear",
        "Get",
        "Exists",
        "Take",
        "Delete",
    ];
    let shrunk = || {
        let text = fails("histories have to see it", || {
            check_histories(|| Twisted::new(twist), 50_000);
        });
        assert!(text.contains("the contract is"), "{text}");
        assert!(text.contains("MAESTRO_CACHE_HISTORY_SEED="), "{text}");
        let counts = operations.map(|operation| text.matches(&format!("    {operation}")).count());
        counts.into_iter().sum::<usize>()
    };
    // Where shrinking begins is random, and now and then it stops early.
    let counts: Vec<usize> = (0..TRIES).map(|_| shrunk()).collect();
    let short = counts.iter().filter(|count| **count <= 5).count();
    assert!(short > TRIES / 2, "{counts:?}");
}

#[test]
fn the_search_for_an_order_sees_what_is_wrong_among_threads() {
    for twist in [
        Twist::IncrementLosesUpdates,
        Twist::TakeIsNotAtomic,
        Twist::CompareAndSetIsNotAtomic,
        Twist::ClearCountsOneMore,
        Twist::ReadsAreStale,
    ] {
        let text = fails(&format!("the search has to see {twist:?}"), || {
            check_linearizability(|| Twisted::new(twist), 20_000);
        });
        assert!(text.contains("fits no order"), "{text}");
    }
}

#[test]
fn the_comparison_of_patterns_sees_another_dialect() {
    // As a shell would have it: `!` negates a class.
    let other_dialect = |pattern: &Pattern, key: &String| {
        let text = pattern.as_str().replace("[!", "[^");
        Pattern::parse(&text).is_ok_and(|pattern| pattern.matches(key))
    };
    let text = fails("the dialects differ", || {
        check_patterns(20_000, |patterns, keys| {
            let row = |pattern| keys.iter().map(|key| other_dialect(pattern, key)).collect();
            patterns.iter().map(row).collect()
        });
    });
    assert!(text.contains("[!"), "{text}");
}
