//! One request that waits for its answer: what its caller and the link meet in.

use std::task::{Poll, Waker};

use parking_lot::Mutex;
use redis::Value;
use tokio::time::Instant;

use crate::error::ConnectionError;
use crate::request::{Request, Weight};

/// Why there is no answer.
#[derive(Clone, Debug)]
pub(crate) struct Unanswered {
    pub(crate) reason: Reason,
    /// False if the request was certainly not sent, and so did nothing.
    pub(crate) was_sent: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Reason {
    /// The deadline passed.
    Late,
    /// The connection is gone.
    Lost(ConnectionError),
}

/// A refusal of the server is an answer.
pub(crate) type Answer = Result<Value, Unanswered>;

/// A request, and its answer.
pub(super) struct PendingRequest {
    pub(super) deadline: Instant,
    pub(super) weight: Weight,
    state: Mutex<State>,
}

enum State {
    Queued(Request, Option<Waker>),
    Sent(Option<Waker>),
    Answered(Answer),
    /// Its caller has the answer, or went away.
    Over,
}

impl PendingRequest {
    pub(super) fn queued(deadline: Instant, request: Request) -> Self {
        Self {
            deadline,
            weight: request.weight(),
            state: Mutex::new(State::Queued(request, None)),
        }
    }

    /// A request that its caller sends by itself.
    pub(super) fn sent(deadline: Instant, weight: Weight) -> Self {
        Self {
            deadline,
            weight,
            state: Mutex::new(State::Sent(None)),
        }
    }

    /// The answer, if it is there. To be asked for by one caller only.
    pub(super) fn poll(&self, new: &Waker) -> Poll<Answer> {
        let mut state = self.state.lock();
        match &mut *state {
            State::Queued(_, waker) | State::Sent(waker) => {
                if !waker.as_ref().is_some_and(|waker| waker.will_wake(new)) {
                    *waker = Some(new.clone());
                }
                return Poll::Pending;
            }
            State::Answered(_) | State::Over => {}
        }
        match std::mem::replace(&mut *state, State::Over) {
            State::Answered(answer) => Poll::Ready(answer),
            _ => Poll::Pending,
        }
    }

    /// What is to be sent now; nothing if nobody waits for it any more.
    pub(super) fn send(&self) -> Option<Request> {
        let mut state = self.state.lock();
        match std::mem::replace(&mut *state, State::Over) {
            State::Queued(request, waker) => {
                *state = State::Sent(waker);
                Some(request)
            }
            other => {
                *state = other;
                None
            }
        }
    }

    /// Whether its answer is still to come.
    pub(super) fn is_open(&self) -> bool {
        matches!(*self.state.lock(), State::Queued(..) | State::Sent(_))
    }

    /// To be told when the caller goes away, or has the answer from elsewhere.
    pub(super) fn withdraw(&self) {
        let before = std::mem::replace(&mut *self.state.lock(), State::Over);
        drop(before);
    }

    /// Answers, unless that was done or nobody waits any more.
    pub(super) fn answer(&self, value: Value) {
        self.end(|_| Ok(value));
    }

    /// Says why no answer will come.
    pub(super) fn fail(&self, reason: Reason) {
        self.end(|was_sent| Err(Unanswered { reason, was_sent }));
    }

    fn end(&self, answer: impl FnOnce(bool) -> Answer) {
        let mut state = self.state.lock();
        let (waker, was_sent) = match &mut *state {
            State::Queued(_, waker) => (waker.take(), false),
            State::Sent(waker) => (waker.take(), true),
            State::Answered(_) | State::Over => return,
        };
        let before = std::mem::replace(&mut *state, State::Answered(answer(was_sent)));
        drop(state);
        drop(before);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
