//! What callers and the task of a driver meet in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Waker;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::ask::Ask;

/// From so many on it is worth looking for requests whose callers went away.
const MANY: usize = 1024;

/// The requests that wait to be sent.
pub(super) struct Queue {
    state: Mutex<State>,
    /// The same as in the state, for those who only look.
    is_over: AtomicBool,
    waiting: AtomicUsize,
    /// How many were sent and are not answered.
    under_way: AtomicUsize,
}

struct State {
    waiting: Vec<Arc<Ask>>,
    /// When so many wait, those whose callers went away are taken out: on a blocked link they would
    /// pile up.
    tidied_at: usize,
    /// Wakes the task. None while it is about to look by itself.
    resting: Option<Waker>,
    until: Until,
    /// When the task looks for requests whose deadline has passed.
    due: Option<Instant>,
    is_over: bool,
}

/// What the task waits for besides the stream and the next deadline.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// Another request.
    Asked,
    /// Nothing: no more can be written until the stream says so.
    Writable,
}

/// What the task has to know before it rests.
pub(super) struct Rest {
    pub(super) due: Option<Instant>,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                waiting: Vec::new(),
                tidied_at: MANY,
                resting: None,
                until: Until::Asked,
                due: None,
                is_over: false,
            }),
            is_over: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// Queues a request. False if nothing is sent any more.
    pub(super) fn push(&self, ask: Arc<Ask>) -> bool {
        let mut state = self.state.lock();
        if state.is_over {
            return false;
        }
        let is_first_due = state.due.is_none_or(|due| ask.deadline < due);
        if is_first_due {
            state.due = Some(ask.deadline);
        }
        if state.waiting.len() >= state.tidied_at {
            state.waiting.retain(|ask| ask.is_wanted());
            state.tidied_at = MANY.max(2 * state.waiting.len());
        }
        state.waiting.push(ask);
        self.waiting.store(state.waiting.len(), Ordering::Relaxed);
        let resting = if is_first_due || state.until == Until::Asked {
            state.resting.take()
        } else {
            None
        };
        drop(state);
        if let Some(task) = resting {
            task.wake();
        }
        true
    }

    /// How many wait, as of late.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How many requests there are that were not answered yet, as of late.
    pub(super) fn load(&self) -> usize {
        self.waiting() + self.under_way.load(Ordering::Relaxed)
    }

    /// To be told how many were sent and are not answered.
    pub(super) fn set_under_way(&self, count: usize) {
        self.under_way.store(count, Ordering::Relaxed);
    }

    /// Hands over all that wait.
    pub(super) fn take(&self, all: &mut Vec<Arc<Ask>>) {
        let mut state = self.state.lock();
        all.append(&mut state.waiting);
        state.tidied_at = MANY;
        self.waiting.store(0, Ordering::Relaxed);
    }

    /// Lets the task rest until there is something for it to do; not if there is.
    pub(super) fn rest(&self, task: &Waker, until: Until) -> Option<Rest> {
        let mut state = self.state.lock();
        if until == Until::Asked && !state.waiting.is_empty() {
            return None;
        }
        state.until = until;
        state.resting = Some(task.clone());
        Some(Rest { due: state.due })
    }

    /// Fails those that wait and are late, and settles when to look again; `sent` is the first
    /// deadline of what was sent.
    pub(super) fn fail_late(&self, now: Instant, sent: Option<Instant>) {
        let mut late = Vec::new();
        let mut state = self.state.lock();
        let mut due = sent;
        state.waiting.retain(|ask| {
            if ask.deadline <= now {
                late.push(Arc::clone(ask));
                return false;
            }
            due = Some(due.map_or(ask.deadline, |due| due.min(ask.deadline)));
            true
        });
        state.due = due;
        self.waiting.store(state.waiting.len(), Ordering::Relaxed);
        drop(state);
        // Whoever is woken may be polled within the call, and queue the next one.
        for ask in late {
            ask.due_after(now);
        }
    }

    /// Takes no more, and hands over what waits.
    pub(super) fn close(&self) -> Vec<Arc<Ask>> {
        let mut state = self.state.lock();
        state.is_over = true;
        self.is_over.store(true, Ordering::Release);
        state.resting = None;
        std::mem::take(&mut state.waiting)
    }
}
