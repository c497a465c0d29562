//! The search for an order, after Wing and Gong, with the memory of Lowe.
//!
//! J. M. Wing, C. Gong: *Testing and verifying concurrent objects*, Journal of Parallel and
//! Distributed Computing 17 (1993). G. Lowe: *Testing for linearizability*, Concurrency and
//! Computation: Practice and Experience 29 (2017). The first tries every order that the instants
//! allow; the second never tries twice what is left after the same calls in the same state.

use std::collections::HashSet;

use super::{Call, Register};

/// Whether the calls, all on one key that was missing before, can be put into one order: each takes
/// effect between its begin and its end, and answers as the [`Register`] does in that order.
///
/// # Examples
///
/// ```
/// use maestro_cache_testkit::linearizability::{Answer, Call, Operation, is_linearizable};
///
/// let call = |begun, ended, operation, answer| Call { begun, ended, operation, answer };
/// let set = call(0, 1, Operation::Set { value: 5, expires: true }, Answer::Done);
/// let stale = call(2, 3, Operation::Get, Answer::Value(None));
/// assert!(!is_linearizable(&[set, stale]));
/// ```
///
/// # Panics
///
/// If there are more than 64 calls.
#[must_use]
pub fn is_linearizable(calls: &[Call]) -> bool {
    assert!(calls.len() <= 64, "the checker takes 64 calls at most");
    let all = u64::MAX.checked_shr(64 - u32::try_from(calls.len()).expect("it is small"));
    let mut search = Search {
        calls,
        all: all.unwrap_or(0),
        seen: HashSet::new(),
    };
    search.can_go_on(0, Register::default())
}

struct Search<'a> {
    calls: &'a [Call],
    /// A bit for each call.
    all: u64,
    /// Calls that were put in order and the state after them, from where there is no way on.
    seen: HashSet<(u64, Register)>,
}

impl Search<'_> {
    fn can_go_on(&mut self, ordered: u64, register: Register) -> bool {
        if ordered == self.all {
            return true;
        }
        if !self.seen.insert((ordered, register)) {
            return false;
        }
        let calls = self.calls;
        let open = || {
            let calls = calls.iter().enumerate();
            calls.filter(move |(number, _)| ordered & (1 << number) == 0)
        };
        // A call that began after another had ended cannot come before it.
        let first_end = open().map(|(_, call)| call.ended).min().unwrap_or(u64::MAX);
        open()
            .filter(|(_, call)| call.begun < first_end)
            .any(|(number, call)| {
                let (after, answer) = register.after(call.operation);
                answer == call.answer && self.can_go_on(ordered | (1 << number), after)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Answer, Operation};
    use super::*;

    const SET_5: Operation = Operation::Set {
        value: 5,
        expires: true,
    };

    fn history(calls: &[(u64, u64, Operation, Answer)]) -> Vec<Call> {
        let calls = calls.iter().map(|(begun, ended, operation, answer)| Call {
            begun: *begun,
            ended: *ended,
            operation: *operation,
            answer: *answer,
        });
        calls.collect()
    }

    #[test]
    fn nothing_and_calls_one_after_the_other_are_linearizable() {
        assert!(is_linearizable(&[]));
        assert!(is_linearizable(&history(&[
            (0, 1, SET_5, Answer::Done),
            (2, 3, Operation::Increment(1), Answer::Sum(6)),
            (4, 5, Operation::Take, Answer::Value(Some(6))),
            (6, 7, Operation::Exists, Answer::Flag(false)),
        ])));
    }

    #[test]
    fn a_read_beside_a_write_may_see_either() {
        for seen in [None, Some(5)] {
            assert!(is_linearizable(&history(&[
                (0, 3, SET_5, Answer::Done),
                (1, 2, Operation::Get, Answer::Value(seen)),
            ])));
        }
    }

    #[test]
    fn a_read_after_a_write_has_to_see_it() {
        assert!(!is_linearizable(&history(&[
            (0, 1, SET_5, Answer::Done),
            (2, 3, Operation::Get, Answer::Value(None)),
        ])));
    }

    #[test]
    fn two_reads_beside_a_write_may_not_go_back_in_time() {
        let reads = |first, second| {
            history(&[
                (0, 9, SET_5, Answer::Done),
                (1, 2, Operation::Get, Answer::Value(first)),
                (3, 4, Operation::Get, Answer::Value(second)),
            ])
        };
        assert!(is_linearizable(&reads(None, Some(5))));
        assert!(!is_linearizable(&reads(Some(5), None)));
    }

    #[test]
    fn a_lost_update_fits_no_order() {
        let increments = |second| {
            history(&[
                (0, 2, Operation::Increment(1), Answer::Sum(1)),
                (1, 3, Operation::Increment(1), Answer::Sum(second)),
            ])
        };
        assert!(is_linearizable(&increments(2)));
        assert!(!is_linearizable(&increments(1)));
    }

    #[test]
    fn one_value_cannot_be_taken_twice() {
        assert!(!is_linearizable(&history(&[
            (0, 1, SET_5, Answer::Done),
            (2, 4, Operation::Take, Answer::Value(Some(5))),
            (3, 5, Operation::Take, Answer::Value(Some(5))),
        ])));
    }

    #[test]
    fn a_delete_that_is_undone_fits_no_order() {
        assert!(!is_linearizable(&history(&[
            (0, 1, SET_5, Answer::Done),
            (2, 6, Operation::Increment(1), Answer::Sum(6)),
            (3, 4, Operation::Delete, Answer::Flag(true)),
            (7, 8, Operation::Get, Answer::Value(Some(6))),
        ])));
    }

    #[test]
    fn sixty_four_calls_at_once_are_judged_quickly() {
        let increments: Vec<_> = (0..64)
            .map(|number| {
                let sum = Answer::Sum(1 + number);
                let number = u64::try_from(number).unwrap();
                (number, 100 + number, Operation::Increment(1), sum)
            })
            .collect();
        assert!(is_linearizable(&history(&increments)));
    }
}
