//! The requests of one link: which go out at once, which wait to go out together, and until when.
//!
//! While few are under way, each caller sends its own request. Beyond that callers queue their requests
//! and wait, and a few senders take what has come together as one pipeline each: how many share a write,
//! a read and a wake-up decides what a small request costs. All deadlines of a link share one timer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use super::batch::{Batch, Gets};
use super::liveness::Liveness;
use super::pending::{PendingRequest, Reason};
use crate::error::ConnectionError;
use crate::request::{Request, Weight};

/// Beside fewer requests than that a caller sends its own by itself.
pub(super) const MOST_DIRECT: usize = 4;

/// How many pipelines are under way at the same time.
const MOST_SENDERS: usize = 4;

/// The most requests of one pipeline.
const MOST_TOGETHER: usize = 128;

/// So many go out without waiting for others to ask, of this many under way. With half of them on their
/// way, the server works while the others ask, and neither falls asleep: of few, waking up costs more
/// than what a larger pipeline saves.
fn enough(load: usize) -> usize {
    (load.saturating_sub(8) / 2).max(4)
}

/// Requests that have ended are forgotten when this many of them are kept beside the others.
const MOST_ENDED: usize = 1024;

pub(crate) struct Queue {
    state: Mutex<State>,
    is_over: AtomicBool,
    /// How many requests are not answered yet.
    load: AtomicUsize,
    pub(super) liveness: Liveness,
    /// Wakes who keeps the deadlines.
    is_due_sooner: Notify,
    /// Wakes the senders once the connection is gone.
    ended: Notify,
}

struct State {
    queued: VecDeque<Arc<PendingRequest>>,
    /// All that are not answered, and some that are, in the order in which they came.
    open: VecDeque<Arc<PendingRequest>>,
    /// When the first of them is late.
    due: Option<Instant>,
    /// Requests that their callers have sent and wait for.
    direct: usize,
    senders: usize,
    /// Pipelines that are sent and not answered.
    batches: usize,
    /// A sender is about to take what is queued.
    is_gathering: bool,
    gets: Gets,
    end: Option<ConnectionError>,
}

/// How a request goes out.
pub(super) enum Admission {
    /// Its caller sends it.
    Direct(Arc<PendingRequest>),
    /// A sender does, which may have to be started.
    Queued(Arc<PendingRequest>, Option<Start>),
    /// Not at all: the connection is gone.
    Refused(ConnectionError),
}

/// When a sender takes what is queued.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// Enough has come together.
    AtOnce,
    /// Others are about to ask as well, and what they ask goes out with the rest.
    AfterOthers,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                queued: VecDeque::new(),
                open: VecDeque::new(),
                due: None,
                direct: 0,
                senders: 0,
                batches: 0,
                is_gathering: false,
                gets: Gets::Together,
                end: None,
            }),
            is_over: AtomicBool::new(false),
            load: AtomicUsize::new(0),
            liveness: Liveness::default(),
            is_due_sooner: Notify::new(),
            ended: Notify::new(),
        }
    }

    /// True once nothing can be sent any more.
    pub(super) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    /// How many requests are not answered yet.
    pub(super) fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    pub(super) fn admit(&self, deadline: Instant, request: &Request) -> Admission {
        let mut state = self.state.lock();
        if let Some(end) = &state.end {
            return Admission::Refused(end.clone());
        }
        let is_alone = request.weight() == Weight::Heavy;
        let is_direct =
            is_alone || state.senders == 0 && state.queued.is_empty() && self.load() < MOST_DIRECT;
        let pending = Arc::new(if is_direct {
            state.direct += 1;
            PendingRequest::sent(deadline, request.weight())
        } else {
            PendingRequest::queued(deadline, request.clone())
        });
        self.load.fetch_add(1, Ordering::Relaxed);
        let is_due_sooner = state.note(&pending);
        let admission = if is_direct {
            Admission::Direct(pending)
        } else {
            state.queue(&pending);
            Admission::Queued(pending, state.needs_sender(self.load()))
        };
        drop(state);
        if is_due_sooner {
            self.is_due_sooner.notify_one();
        }
        admission
    }

    /// To be told when a request that was sent by its caller is over, and whether it was answered.
    pub(super) fn direct_is_over(&self, was_answered: bool) {
        let mut state = self.state.lock();
        state.direct -= 1;
        let are_more_owed = state.is_owed();
        drop(state);
        if was_answered {
            self.liveness.answered(are_more_owed);
        }
    }

    /// To be told when a caller is done with its request, or went away.
    pub(super) fn is_over_for_caller(&self, pending: &PendingRequest) {
        pending.withdraw();
        self.load.fetch_sub(1, Ordering::Relaxed);
    }

    /// The next pipeline of a sender, which is no sender any more if there is none.
    pub(super) fn next_batch(&self, start: Start) -> Option<Batch> {
        loop {
            let mut state = self.state.lock();
            if start == Start::AfterOthers {
                state.is_gathering = false;
            }
            if state.queued.is_empty() || state.end.is_some() {
                state.senders -= 1;
                return None;
            }
            let count = state.queued.len().min(MOST_TOGETHER);
            let queued = state.queued.drain(..count).collect();
            let gets = state.gets;
            drop(state);
            if let Some(batch) = Batch::new(queued, gets) {
                self.state.lock().batches += 1;
                self.liveness.sent();
                return Some(batch);
            }
        }
    }

    /// To be told by a sender whose pipeline is answered, and how `GET`s go best after that. It may go on if another is not about to take
    /// what is queued, and is no sender any more otherwise.
    pub(super) fn batch_is_over(&self, gets: Gets) -> bool {
        let mut state = self.state.lock();
        state.gets = gets;
        state.batches -= 1;
        let goes_on = !state.is_gathering && !state.queued.is_empty() && state.end.is_none();
        if goes_on {
            state.is_gathering = true;
        } else {
            state.senders -= 1;
        }
        let are_more_owed = state.is_owed();
        drop(state);
        self.liveness.answered(are_more_owed);
        goes_on
    }

    /// Queues a request whose answer nobody waits for. Says whether a sender has to be started.
    pub(super) fn push_unattended(&self, deadline: Instant, request: Request) -> Option<Start> {
        let mut state = self.state.lock();
        if state.end.is_some() {
            return None;
        }
        state.queue(&Arc::new(PendingRequest::queued(deadline, request)));
        state.needs_sender(self.load())
    }

    /// Takes no more, and tells all that wait.
    pub(super) fn end(&self, error: &ConnectionError) {
        let mut state = self.state.lock();
        if state.end.is_some() {
            return;
        }
        state.end = Some(error.clone());
        self.is_over.store(true, Ordering::Release);
        let open = std::mem::take(&mut state.open);
        let queued = std::mem::take(&mut state.queued);
        drop(state);
        self.ended.notify_waiters();
        // Who is woken may be polled within the call, and come back here.
        for pending in open.into_iter().chain(queued) {
            pending.fail(Reason::Lost(error.clone()));
        }
    }

    /// Tells those whose requests are light that the connection is of no use, and nobody else: what is heavy
    /// takes its time, and its answer may be on the way. False if there is no such request.
    pub(super) fn abandon_light(&self) -> bool {
        let mut light = Vec::new();
        let mut state = self.state.lock();
        state.open.retain(|pending| {
            let is_heavy = pending.weight == Weight::Heavy && pending.is_open();
            if !is_heavy {
                light.push(Arc::clone(pending));
            }
            is_heavy
        });
        let has_heavy = !state.open.is_empty();
        drop(state);
        for pending in light {
            pending.fail(Reason::Lost(ConnectionError::Ended));
        }
        has_heavy
    }

    /// Waits until the connection is gone.
    pub(super) async fn ended(&self) {
        let ended = self.ended.notified();
        if !self.is_over() {
            ended.await;
        }
    }

    /// Fails each request at its deadline.
    pub(super) async fn keep_deadlines(self: Arc<Self>) {
        loop {
            let due = self.state.lock().due;
            let is_due = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = is_due => self.fail_late(Instant::now()),
                () = self.is_due_sooner.notified() => {}
            }
        }
    }

    fn fail_late(&self, now: Instant) {
        let mut late = Vec::new();
        let mut state = self.state.lock();
        let mut due: Option<Instant> = None;
        state.open.retain(|pending| {
            if !pending.is_open() {
                return false;
            }
            let is_late = pending.deadline <= now;
            if is_late {
                late.push(Arc::clone(pending));
            } else {
                due = Some(due.map_or(pending.deadline, |due| due.min(pending.deadline)));
            }
            !is_late
        });
        state.due = due;
        drop(state);
        for pending in late {
            pending.fail(Reason::Late);
        }
    }
}

impl State {
    /// Takes note of a request. True if it is late before all others are.
    fn note(&mut self, pending: &Arc<PendingRequest>) -> bool {
        // Nearly always the oldest ones have ended, as all have the same time.
        while self.open.front().is_some_and(|first| !first.is_open()) {
            self.open.pop_front();
        }
        if self.open.len() >= MOST_ENDED && self.open.len() == self.open.capacity() {
            self.open.retain(|pending| pending.is_open());
        }
        self.open.push_back(Arc::clone(pending));
        let is_first = self.due.is_none_or(|due| pending.deadline < due);
        if is_first {
            self.due = Some(pending.deadline);
        }
        is_first
    }

    fn queue(&mut self, pending: &Arc<PendingRequest>) {
        // On a blocked connection those whose callers went away would pile up.
        if self.queued.len() >= MOST_ENDED && self.queued.len() == self.queued.capacity() {
            self.queued.retain(|pending| pending.is_open());
        }
        self.queued.push_back(Arc::clone(pending));
    }

    fn is_owed(&self) -> bool {
        self.direct > 0 || self.batches > 0
    }

    /// Whether to start a sender for what is queued, of so many requests under way.
    fn needs_sender(&mut self, load: usize) -> Option<Start> {
        let start = if !self.is_gathering {
            Start::AfterOthers
        } else if self.queued.len() >= enough(load) {
            Start::AtOnce
        } else {
            return None;
        };
        if self.senders == MOST_SENDERS {
            return None;
        }
        self.is_gathering = true;
        self.senders += 1;
        Some(start)
    }
}
