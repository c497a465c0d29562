//! What was called, what was answered, and what came before what.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Answer, Operation};

/// One call in a history. Instants are positions in the order of all begins and ends.
#[derive(Clone, Debug)]
pub struct Call {
    /// The instant before the call was made.
    pub begun: u64,
    /// The instant after it had answered.
    pub ended: u64,
    /// What was called.
    pub operation: Operation,
    /// What it answered.
    pub answer: Answer,
}

/// Writes down the calls of all threads.
///
/// # Examples
///
/// ```
/// use maestro_cache_testkit::linearizability::{Answer, Operation, Recorder, is_linearizable};
///
/// let recorder = Recorder::new();
/// let begun = recorder.begin();
/// recorder.end(begun, Operation::Get, Answer::Value(None));
/// assert!(is_linearizable(&recorder.calls()));
/// ```
#[derive(Debug, Default)]
pub struct Recorder {
    clock: AtomicU64,
    calls: Mutex<Vec<Call>>,
}

impl Recorder {
    /// A recorder of an empty history.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The instant at which a call begins; to be asked before it is made.
    #[must_use]
    pub fn begin(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    /// Writes down a call that has answered.
    pub fn end(&self, begun: u64, operation: Operation, answer: Answer) {
        let call = Call {
            begun,
            ended: self.clock.fetch_add(1, Ordering::SeqCst),
            operation,
            answer,
        };
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.push(call);
    }

    /// All calls that were written down, in the order of their begins.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let mut calls = calls.clone();
        calls.sort_by_key(|call| call.begun);
        calls
    }
}

/// Whether any two calls, which are in the order of their begins, were on their way at once.
pub(super) fn any_overlap(calls: &[Call]) -> bool {
    calls.windows(2).any(|pair| pair[1].begun < pair[0].ended)
}

/// The history for people: a line for each call.
pub(super) fn table(calls: &[Call]) -> String {
    let mut table = String::new();
    for call in calls {
        let Call {
            begun,
            ended,
            operation,
            answer,
        } = call;
        let _ = writeln!(
            table,
            "{begun:>4} to {ended:>4}: {operation:?} -> {answer:?}"
        );
    }
    table
}
