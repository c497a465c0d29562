//! One connection in its place: checked out once, held for as long as it lives, shared by all callers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::liveness::Watch;
use super::manager::Connection;
use super::pending::{Answer, Reason, Unanswered};
use super::wire::Wire;
use crate::commands;
use crate::error::ConnectionError;
use crate::request::Request;

/// How many calls have to give up in a row before a link is suspected earlier than for its silence.
const TIMEOUTS_OF_A_SUSPICION: u32 = 3;

/// And how long it has to be silent by then. Callers with a deadline of a millisecond would suspect a
/// healthy one otherwise, whenever its server is busy for three of them.
const SILENCE_OF_A_SUSPICION: Duration = Duration::from_millis(100);

/// A link that does not live for so long may have been lost for the reason that the next one will be
/// lost for.
const YOUTH: Duration = Duration::from_secs(1);

/// A connection that callers share.
pub(super) struct Link {
    pub(super) attempt: u64,
    /// Ends when this is dropped, unless somebody still waits for an answer.
    _connection: deadpool_redis::Connection,
    wire: Wire,
    /// What the supervisor has seen of its life.
    watch: Mutex<Watch>,
    /// Wakes the supervisor.
    wake: Arc<Notify>,
    pub(super) made: Instant,
    /// Found to be of no use, as one to a master that was demoted: it gets no more calls, and those
    /// that were sent may finish.
    retired: AtomicBool,
}

impl Link {
    /// To be called within the runtime that the connection was made on.
    pub(super) fn new(attempt: u64, connection: Connection, wake: &Arc<Notify>) -> Self {
        let Connection { client, queue } = connection;
        let now = Instant::now();
        Self {
            attempt,
            wire: Wire::new(client.clone(), queue),
            _connection: client,
            watch: Mutex::new(Watch::new(now)),
            wake: Arc::clone(wake),
            made: now,
            retired: AtomicBool::new(false),
        }
    }

    pub(super) fn is_broken(&self) -> bool {
        self.wire.queue.is_over()
    }

    /// How many requests wait for their answers over it.
    pub(super) fn load(&self) -> usize {
        self.wire.queue.load()
    }

    pub(super) fn is_usable(&self) -> bool {
        !self.is_broken() && !self.is_retired() && !self.is_suspected()
    }

    pub(super) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    /// Whether it has shown that it is more than a greeting: it served a call, or lived for a while.
    pub(super) fn is_settled(&self, now: Instant) -> bool {
        self.wire.queue.liveness.has_answered() || !self.is_young(now)
    }

    pub(super) fn is_young(&self, now: Instant) -> bool {
        self.age(now) < YOUTH
    }

    pub(super) fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.made)
    }

    /// Silent for so long that another one is asked for; no new call is sent over it meanwhile. One
    /// that answers is suspected no longer.
    pub(super) fn is_suspected(&self) -> bool {
        self.wire.queue.liveness.is_suspected()
    }

    /// Looks after its life. Returns true if it has been silent for so long that another connection
    /// should be asked for.
    ///
    /// An idle one is made to say something, so that one that died is found before a caller needs it. So
    /// is one that is silent for a while, or that callers gave up on: its answer may have come and found
    /// its caller gone. A refusal is as good an answer as any, so this takes no rights.
    pub(super) fn look(&self, now: Instant, heartbeat: Duration, patience: Duration) -> bool {
        let liveness = &self.wire.queue.liveness;
        let mut watch = self.watch.lock();
        let silent_for = watch.look(liveness, now);
        let is_idle = silent_for.is_none() && watch.idle_for(now) >= heartbeat;
        drop(watch);
        let is_silent = silent_for
            .is_some_and(|silent| silent >= SILENCE_OF_A_SUSPICION || liveness.timeouts() > 0);
        if is_idle || is_silent && !self.is_suspected() {
            let ping = commands::command("PING", 0, 0);
            self.wire.send_no_reply(now + patience, ping.into());
        }
        let limit = if liveness.timeouts() >= TIMEOUTS_OF_A_SUSPICION {
            SILENCE_OF_A_SUSPICION.min(patience)
        } else {
            patience
        };
        silent_for.is_some_and(|silent| silent >= limit)
    }

    pub(super) fn suspect(&self) {
        self.wire.queue.liveness.suspect();
    }

    /// Tells those who wait for an answer that the connection broke, and ends it, unless some of them asked
    /// for what takes its time: those are left to wait for it. True if it has ended.
    pub(super) fn end_unless_heavy(&self) -> bool {
        let ends = !self.wire.queue.abandon_light();
        if ends {
            self.wire.queue.end(&ConnectionError::Ended);
        }
        ends
    }
}

/// A link in the hands of one caller.
pub(crate) struct LinkHandle {
    pub(super) link: Arc<Link>,
    /// Whether the link is driven by the caller's runtime.
    is_driven_here: bool,
}

impl LinkHandle {
    pub(super) fn new(link: &Arc<Link>, runtime: &Handle) -> Self {
        Self {
            is_driven_here: link.wire.is_on(runtime),
            link: Arc::clone(link),
        }
    }

    /// Sends the request and waits for the answer until the deadline, a refusal of the server among
    /// them.
    pub(crate) async fn send(&self, deadline: Instant, request: &Request) -> Answer {
        let sending = self.link.wire.send(deadline, request);
        let answer = if self.is_driven_here {
            sending.await
        } else {
            // Rare, and its future is large. The runtime of the link may rest.
            let late = Unanswered {
                reason: Reason::Late,
                was_sent: true,
            };
            Box::pin(timeout_at(deadline, sending))
                .await
                .unwrap_or(Err(late))
        };
        if let Err(unanswered) = &answer {
            let liveness = &self.link.wire.queue.liveness;
            let is_suspicious = match unanswered.reason {
                Reason::Late => liveness.timed_out() >= TIMEOUTS_OF_A_SUSPICION,
                Reason::Lost(_) => true,
            };
            if is_suspicious {
                self.link.wake.notify_one();
            }
        }
        answer
    }

    /// Has the connection replaced: what answers is not the master. Calls under way may finish.
    pub(crate) fn retire(&self) {
        self.link.retire();
        self.link.wake.notify_one();
    }
}
