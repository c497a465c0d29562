//! One `GET` that waits for a batch: what its caller and the batch meet in.

use std::future::poll_fn;
use std::task::{Poll, Waker};

use maestro_cache_core::Error;
use parking_lot::Mutex;
use redis::Value;

/// What came of it.
pub(super) enum Answer {
    Value(Value),
    /// The connection was lost, or there was none.
    Failure(Error),
    /// The batch has nothing to say about this key.
    None,
}

/// A key that is asked for, and its answer.
pub(super) struct Ask {
    pub(super) key: Box<str>,
    state: Mutex<State>,
}

enum State {
    Waiting(Option<Waker>),
    Answered(Answer),
    /// Its caller went away.
    Withdrawn,
}

impl Ask {
    pub(super) fn new(key: &str) -> Self {
        Self {
            key: key.into(),
            state: Mutex::new(State::Waiting(None)),
        }
    }

    /// Waits for the answer. To be asked for by one caller only.
    pub(super) async fn answer(&self) -> Answer {
        poll_fn(|context| {
            let mut state = self.state.lock();
            match std::mem::replace(&mut *state, State::Withdrawn) {
                State::Waiting(_) => {
                    *state = State::Waiting(Some(context.waker().clone()));
                    Poll::Pending
                }
                State::Answered(answer) => Poll::Ready(answer),
                State::Withdrawn => Poll::Ready(Answer::None),
            }
        })
        .await
    }

    /// Whether somebody waits for it still.
    pub(super) fn is_wanted(&self) -> bool {
        matches!(*self.state.lock(), State::Waiting(_))
    }

    /// To be told when the caller goes away.
    pub(super) fn withdraw(&self) {
        *self.state.lock() = State::Withdrawn;
    }

    /// Answers, unless that was done or nobody waits any more.
    pub(super) fn finish(&self, answer: Answer) {
        let mut state = self.state.lock();
        let State::Waiting(waker) = &mut *state else {
            return;
        };
        let waker = waker.take();
        *state = State::Answered(answer);
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
