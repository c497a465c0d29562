//! One request that waits for its answer: what its caller and the driver meet in.

use std::task::{Poll, Waker};

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::lost::Lost;
use crate::request::Request;
use crate::resp::Value;

/// Why there is no answer.
#[derive(Clone, Debug)]
pub(crate) struct Unanswered {
    pub(crate) why: Why,
    /// False if the request was not sent, and so did nothing.
    pub(crate) was_sent: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Why {
    /// The deadline passed.
    Late,
    /// The connection is gone.
    Lost(Lost),
}

pub(crate) type Answer = Result<Value, Unanswered>;

/// A request, and its answer.
pub(super) struct Ask {
    pub(super) deadline: Instant,
    state: Mutex<State>,
}

enum State {
    Waiting(Request, Option<Waker>),
    Sent(Option<Waker>),
    Answered(Answer),
    /// Its caller has the answer, or went away.
    Over,
}

impl Ask {
    /// Without a waker nobody waits, and the answer is dropped.
    pub(super) fn new(deadline: Instant, request: Request, waker: Option<Waker>) -> Self {
        Self {
            deadline,
            state: Mutex::new(State::Waiting(request, waker)),
        }
    }

    /// The answer, if it is there. To be asked for by one caller only.
    pub(super) fn poll(&self, new: &Waker) -> Poll<Answer> {
        let mut state = self.state.lock();
        match &mut *state {
            State::Waiting(_, waker) | State::Sent(waker) => {
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
            State::Waiting(request, waker) => {
                *state = State::Sent(waker);
                Some(request)
            }
            other => {
                *state = other;
                None
            }
        }
    }

    /// Whether somebody waits for it still.
    pub(super) fn is_wanted(&self) -> bool {
        matches!(*self.state.lock(), State::Waiting(..) | State::Sent(_))
    }

    /// To be told when the caller goes away.
    pub(super) fn withdraw(&self) {
        let before = std::mem::replace(&mut *self.state.lock(), State::Over);
        drop(before);
    }

    /// Answers, unless that was done or nobody waits any more.
    pub(super) fn finish(&self, value: Value) {
        self.end(|_| Ok(value));
    }

    /// Says why no answer will come.
    pub(super) fn fail(&self, why: Why) {
        self.end(|was_sent| Err(Unanswered { why, was_sent }));
    }

    fn end(&self, answer: impl FnOnce(bool) -> Answer) {
        let mut state = self.state.lock();
        let (waker, was_sent) = match &mut *state {
            State::Waiting(_, waker) => (waker.take(), false),
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

    /// Its deadline if that is still to come and somebody waits. Fails it if the deadline has passed.
    pub(super) fn due_after(&self, now: Instant) -> Option<Instant> {
        if !self.is_wanted() {
            return None;
        }
        if self.deadline <= now {
            self.fail(Why::Late);
            return None;
        }
        Some(self.deadline)
    }
}
