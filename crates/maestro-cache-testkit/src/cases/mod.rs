//! The cases: one asynchronous function for each promise, by topic.
//!
//! The name of a case is the sentence that it proves. The list at the end names each of them once,
//! and [`conformance!`](crate::conformance) makes the tests of it.

#![allow(missing_docs)] // The sentence stands in the name.

pub mod atomic;
pub mod batches;
pub mod bytes;
pub mod cancellation;
pub mod claims;
pub mod claims_of_many;
pub mod clear;
pub mod close;
pub mod codecs;
pub mod concurrency;
pub mod counters;
pub mod deadline;
pub mod expiry;
pub mod keys;
pub mod loads;
pub mod loads_of_many;
pub mod lookalikes;
pub mod namespaces;
pub mod nulls;
pub mod shared;
pub mod ttl;
pub mod values;

use std::time::Duration;

use maestro_cache_core::{Cache, ErrorKind, Result};

use crate::Subject;

/// The kind of the error that a call has to end with.
fn refused<T>(result: Result<T>) -> ErrorKind {
    match result {
        Ok(_) => panic!("the call succeeds, and has to be refused"),
        Err(error) => error.kind(),
    }
}

/// A handle on all that the backend holds, whatever its prefix.
fn no_prefix(subject: &Subject) -> Cache {
    subject.cache_with(|builder| builder.key_prefix(""))
}

/// Runs the same under each codec.
async fn each_codec(subject: &Subject, act: impl AsyncFn(Cache)) {
    for cache in subject.cache_of_each_codec() {
        act(cache).await;
    }
}

/// Waits until the condition holds. The suite's own limit ends a wait that does not.
async fn until(condition: impl AsyncFn() -> bool) {
    while !condition().await {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Hands the list of all cases, behind a fixture, to the macro that makes tests of them.
#[doc(hidden)]
#[macro_export]
macro_rules! __for_each_case {
    ($fixture:expr) => {
        $crate::__one_test_a_case! { $fixture;
            keys {
                an_empty_key_is_invalid_for_every_operation
                an_empty_key_writes_nothing_under_the_bare_prefix
                an_empty_key_in_a_batch_touches_no_key
                keys_of_any_text_are_told_apart
                keys_of_any_text_work_in_batches
                keys_of_any_text_work_with_every_operation
                a_key_of_ten_kilobytes_works_with_every_operation
                keys_of_every_usual_length_are_told_apart
                the_stored_key_is_prefix_and_key_joined_plainly
            }
            namespaces {
                a_clone_is_the_same_cache
                namespaces_do_not_see_each_other
                a_namespace_is_a_longer_prefix
                an_empty_namespace_changes_nothing
                handles_with_their_own_default_ttl_share_entries
                a_namespace_keeps_the_settings_of_its_handle
                a_prefix_with_glob_characters_is_literal
                a_handle_without_prefix_works
            }
            values {
                values_of_all_shapes_come_back
                a_struct_may_gain_a_field
                another_type_is_a_decode_error_and_the_entry_is_left_alone
                no_error_shows_a_value
                taking_another_type_is_a_decode_error_and_the_entry_is_gone
                get_many_fails_as_a_whole_and_names_the_key
                get_many_each_reports_every_key_by_itself
                a_value_of_a_mebibyte_comes_back
                an_overwritten_value_is_wholly_replaced
                a_panic_in_the_code_of_a_value_leaves_the_cache_as_it_was
            }
            nulls {
                a_stored_none_is_a_hit_and_a_missing_key_is_none
                a_stored_some_is_its_value
                a_stored_unit_is_a_hit
                null_is_a_hit_in_batches_too
                null_is_taken_and_added_as_any_value
                null_is_compared_as_any_value
            }
            codecs {
                json_refuses_nan_and_infinities_and_changes_nothing
                messagepack_takes_nan_and_infinities
                a_value_that_cannot_be_written_names_key_and_outcome
                a_top_level_integer_is_decimal_text_under_every_codec
                json_is_stored_as_plain_json
                bare_text_is_read_only_where_the_handle_allows_it
                handles_of_different_codecs_do_not_read_each_other_wrongly
            }
            bytes {
                any_bytes_come_back_as_they_are
                an_empty_value_is_a_hit
                a_mebibyte_of_bytes_comes_back
                bytes_and_values_are_one_thing
                bytes_take_a_ttl_as_values_do
            }
            shared {
                a_shared_value_is_the_value
                a_shared_value_is_never_older_than_the_entry
                a_shared_value_is_gone_once_it_expired_or_was_cleared
                one_key_is_shared_as_several_types
                a_shared_null_is_a_hit
                a_value_shared_under_one_codec_is_not_that_of_another
            }
            ttl {
                ttl_has_three_answers
                every_write_without_a_ttl_takes_the_default_of_the_handle
                the_default_of_the_default_is_one_hour
                a_default_of_never_stores_for_good
                every_write_takes_a_ttl_of_its_own
                set_replaces_value_and_ttl
                the_ttl_counts_down
                reading_does_not_prolong_an_entry
                entries_expire_each_at_its_own_time
                a_ttl_is_kept_to_the_millisecond
                a_short_ttl_passes_by_itself
                what_the_ttl_calls_missing_is_missing_for_all
                the_longest_ttl_is_accepted_by_every_write
                an_expired_entry_counts_for_no_operation
                an_expired_entry_stands_in_the_way_of_no_write
            }
            expiry {
                expire_replaces_the_expiry_and_leaves_the_value
                expire_gives_an_expiry_to_an_entry_without_one
                expire_zero_deletes
                expire_on_a_missing_key_is_false_and_creates_nothing
                expire_by_less_than_a_millisecond_is_not_zero
                expire_beyond_the_longest_ttl_is_refused_and_changes_nothing
                persist_removes_an_expiry_once
                persist_on_an_entry_without_expiry_is_false
                a_ttl_of_zero_or_too_long_is_refused_by_every_write
                a_ttl_below_a_millisecond_is_not_zero
            }
            counters {
                increment_counts_from_zero
                decrement_counts_down_from_zero
                an_increment_by_zero_creates_the_counter
                set_increment_and_get_work_together
                integers_of_every_width_are_counters
                a_counter_is_compared_as_an_integer
                increment_keeps_the_ttl
                increment_gives_no_expiry_to_a_counter_without_one
                a_ttl_holds_at_the_creation_of_a_counter
                a_counter_that_expired_begins_anew
                what_is_no_canonical_integer_is_refused_and_kept
                bytes_that_are_no_text_are_no_counter
                values_of_other_types_are_no_counters
                a_counter_reaches_both_ends_and_not_beyond
                a_counter_may_start_at_either_end
                subtracting_the_least_integer_is_an_overflow
            }
            batches {
                get_many_answers_in_the_order_asked
                get_many_repeats_duplicates
                empty_batches_are_fine
                ten_thousand_keys_are_fine
                ten_thousand_missing_keys_are_fine
                the_last_of_two_values_for_one_key_wins
                set_many_takes_maps_and_references
                set_many_replaces_values_and_ttls
                one_value_that_cannot_be_written_writes_nothing
                one_empty_key_writes_nothing_wherever_it_stands
                delete_many_counts_live_entries_once
                get_many_misses_what_expired
                batches_of_large_values_come_back
            }
            atomic {
                a_missing_key_is_a_miss_and_no_error
                delete_is_true_once
                what_was_deleted_can_be_stored_again
                add_stores_where_nothing_is
                add_leaves_value_and_ttl_of_an_entry
                take_gives_the_value_once
                compare_and_set_stores_over_the_expected_value
                compare_and_set_replaces_the_ttl_with_the_value
                compare_and_set_that_does_not_match_changes_nothing
                compare_and_set_tells_missing_from_every_value
                compare_and_set_compares_every_byte
            }
            clear {
                every_pattern_clears_what_redis_says_it_matches
                patterns_mean_the_same_behind_a_prefix_of_glob_characters
                clear_touches_nothing_outside_of_the_prefix
                clear_all_removes_everything_behind_the_prefix
                a_key_that_equals_the_prefix_belongs_to_another_handle
                an_invalid_pattern_removes_nothing
                an_escaped_key_clears_just_that_key
                clear_does_not_count_what_expired
                thousands_of_entries_are_cleared_and_counted_exactly
                a_cleared_key_can_be_written_again
                a_handle_without_prefix_clears_by_the_pattern_alone
                nothing_that_was_there_survives_a_clear_among_writers
            }
            deadline {
                a_call_without_time_ends_at_once_and_shows_no_false_miss
                calls_without_time_leave_the_cache_usable
            }
            close {
                a_healthy_cache_says_so
                close_may_be_called_again
                a_cache_may_be_closed_before_its_first_use
                after_close_every_operation_of_every_handle_is_closed
                after_close_empty_batches_are_closed_too
                after_close_the_cache_is_not_healthy
                calls_on_their_way_at_a_close_end_well_or_closed
            }
            concurrency {
                a_thousand_concurrent_increments_count_to_a_thousand
                no_two_increments_return_the_same_sum
                increments_and_decrements_cancel_out
                a_token_is_taken_once_among_fifty
                one_of_fifty_adds_wins
                one_of_fifty_deletes_is_true
                one_of_fifty_swaps_from_the_same_value_wins
                a_counter_of_compare_and_set_loses_no_step
                a_set_is_never_lost_to_concurrent_increments
                a_batch_of_sets_is_never_lost_to_concurrent_increments
                a_delete_is_never_lost_to_concurrent_increments
                every_caller_gets_the_answer_to_its_own_question
                readers_never_see_a_torn_value
                what_is_handed_over_arrives_exactly_once
            }
            claims {
                one_of_many_claims_is_granted
                a_published_value_is_a_value_and_ends_the_claim
                a_released_claim_leaves_nothing
                a_claim_is_unseen_by_every_operation
                every_change_of_the_key_ends_a_claim
                every_change_of_the_key_ends_a_claim_over_a_stale_value
                what_becomes_of_other_keys_ends_no_claim
                a_value_is_live_first_and_stale_afterwards
                a_stale_value_is_unseen_by_every_operation
                a_live_value_of_a_load_is_a_value_for_every_operation
                a_claim_over_a_stale_value_leaves_it_to_be_served
                a_claim_ends_with_the_stale_value_under_it
                after_a_failed_load_a_stale_value_is_left_alone_for_a_while
                a_live_value_may_be_claimed_early
                a_value_that_cannot_be_read_is_claimed_as_it_was_seen
                what_is_published_for_good_is_never_stale
            }
            claims_of_many {
                many_keys_are_looked_up_as_each_alone
                many_keys_are_claimed_as_each_alone
                a_key_that_is_claimed_twice_in_one_call_is_claimed_once
                what_is_published_together_is_kept_where_its_claim_holds
                thousands_of_keys_are_claimed_and_published_at_once
                after_close_calls_about_many_keys_are_closed
            }
            loads {
                what_is_missing_is_loaded_once_and_kept
                what_is_there_is_not_loaded
                a_loader_may_borrow
                a_thousand_callers_are_one_load
                an_error_goes_to_all_who_wait_and_is_not_kept
                a_panic_reaches_its_caller_and_is_an_error_for_the_others
                a_loader_that_panics_at_once_leaves_the_key_usable
                whoever_waits_takes_over_from_a_caller_who_leaves
                a_caller_who_leaves_alone_leaves_nothing
                callers_who_leave_together_leave_nothing_at_any_point
                a_load_that_is_waited_for_may_be_polled_from_elsewhere
                a_loader_that_asks_for_its_own_key_is_told
                loaders_that_ask_for_each_others_keys_are_told
                a_loader_that_changes_its_own_key_is_told_as_well
                who_has_stopped_waiting_for_a_load_may_be_waited_for_by_it
                a_loader_may_ask_for_other_keys
                what_is_changed_while_it_is_loaded_is_not_overwritten
                who_asks_after_a_change_gets_nothing_from_before_it
                who_asks_after_a_change_joins_a_load_that_began_after_it
                who_takes_over_after_a_change_has_its_value_kept
                a_load_takes_the_ttl_of_the_call_of_the_loader_or_of_the_handle
                jitter_sets_what_was_loaded_together_apart
                nothing_is_known_for_a_time_of_its_own
                nothing_is_known_for_the_time_that_the_handle_says
                what_a_loader_calls_transient_is_not_kept
                what_is_not_kept_goes_to_all_who_wait
                what_cannot_be_stored_is_returned_and_leaves_no_claim
                what_is_not_modified_is_kept_for_another_time
                a_value_that_cannot_be_read_is_replaced
                one_key_may_be_loaded_as_two_types
                a_stale_value_is_served_while_one_caller_loads_it_anew
                a_stale_value_is_not_served_at_once_where_nothing_goes_on_in_the_background
                what_goes_on_in_the_background_may_ask_for_who_began_it
                a_value_that_is_too_old_is_not_served
                a_stale_value_is_served_in_place_of_an_error
                a_stale_value_is_served_to_all_who_wait_for_a_load_that_fails
                who_is_served_nothing_keeps_nobody_from_loading
                what_was_invalidated_is_not_served_in_place_of_an_error
                who_has_a_stale_value_waits_no_longer_than_it_likes
                a_load_that_is_waited_for_no_longer_may_ask_for_who_waited
                nobody_waits_longer_than_the_timeout
                a_value_is_loaded_early_by_chance
                the_longer_a_load_took_the_earlier_is_the_next_one
                without_a_policy_for_it_nothing_but_the_value_is_kept
                a_load_that_cannot_be_is_an_error_that_says_so
                a_closed_cache_is_not_in_the_way_of_a_value
                a_load_does_nothing_before_it_is_polled
                what_is_not_modified_is_what_is_there_now
                old_values_may_be_kept_for_ever
            }
            loads_of_many {
                many_are_loaded_by_one_call_for_those_that_are_missing
                no_key_needs_no_loader
                thousands_are_loaded_by_one_call
                what_others_load_is_not_loaded_by_a_call_for_many
                a_key_that_is_left_out_is_loaded_by_whoever_waits_for_it_alone
                the_rest_of_many_is_loaded_while_another_process_loads_some
                what_is_said_of_many_holds_for_each
                calls_for_many_that_overlap_load_each_key_once
                an_error_is_that_of_the_keys_that_were_to_be_loaded
                a_panic_in_a_loader_of_many_leaves_all_keys_usable
                what_is_changed_while_many_are_loaded_is_not_overwritten
                a_loader_of_many_that_asks_for_its_own_keys_is_told
                many_can_be_loaded_while_many_are
                a_loader_of_many_may_ask_for_what_its_call_has_to_load_later
                stale_values_are_served_for_those_of_many_that_fail
                duplicates_of_a_key_that_is_left_out_ask_once
            }
            lookalikes {
                a_lookalike_comes_back_from_every_write_to_every_read
                a_lookalike_is_a_text_under_each_codec
                a_lookalike_expires_at_its_time_and_is_counted_until_then
                a_lookalike_that_was_loaded_may_be_given_another_expiry
                a_lookalike_is_compared_as_a_whole
                a_lookalike_of_an_integer_is_no_counter
                a_lookalike_is_claimed_like_any_plain_value
                who_stores_a_lookalike_of_a_claim_ends_it
                a_lookalike_is_loaded_once
            }
            cancellation {
                nothing_happens_before_the_first_poll
                dropped_increments_count_once_or_not_at_all
                a_dropped_read_gives_its_answer_to_nobody_else
                a_dropped_call_of_any_kind_leaves_the_cache_usable
                a_dropped_set_is_stored_whole_or_not_at_all
                calls_that_are_dropped_disturb_none_beside_them
                tasks_that_are_aborted_leave_the_cache_usable
                a_dropped_clear_leaves_the_rest_to_the_next_one
            }
        }
    };
}

#[cfg(test)]
mod tests {
    /// Every case is in the list: one that is not would never run.
    #[test]
    fn the_list_names_every_case() {
        let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/src/cases");
        let list = include_str!("mod.rs");
        let mut count = 0;
        for file in std::fs::read_dir(directory).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let cases = text
                .lines()
                .filter_map(|line| line.strip_prefix("pub async fn "));
            for case in cases {
                let name = case.split('(').next().unwrap();
                let named = list.lines().filter(|line| line.trim() == name).count();
                assert_eq!(named, 1, "{name} stands in the list once");
                count += 1;
            }
        }
        assert!(count > 100, "the cases are where they are looked for");
    }
}
