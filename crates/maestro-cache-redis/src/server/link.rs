//! One connection in its place: held for as long as it lives, shared by all callers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::connect::Connection;
use crate::driver::{Answer, Driver, Unanswered, Why};
use crate::request::Request;
use crate::resp::Command;

/// How many calls have to give up in a row before a link is doubted earlier than for its silence.
const TIMEOUTS_OF_A_DOUBT: u32 = 3;

/// And how long it has to be silent by then. Callers with a deadline of a millisecond would doubt a
/// healthy one otherwise, whenever its server is busy for three of them.
const SILENCE_OF_A_DOUBT: Duration = Duration::from_millis(100);

/// A link that does not live for so long may have been lost for the reason that the next one will be
/// lost for.
const YOUTH: Duration = Duration::from_secs(1);

/// A connection that callers share. What it takes in the pool is the supervisor's to hold: a call
/// that is never polled again would keep it for ever.
pub(super) struct Link {
    /// The number of the attempt that made it.
    attempt: u64,
    driver: Arc<Driver>,
    /// Wakes the supervisor.
    wake: Arc<Notify>,
    made: Instant,
    /// A call was answered over it.
    has_served: AtomicBool,
    /// Found to be of no use, as one to a master that was demoted: it gets no more calls, and those
    /// that were sent may finish.
    retired: AtomicBool,
    /// Told to end. It takes the driver a moment to do so.
    ending: AtomicBool,
}

impl Link {
    pub(super) fn new(attempt: u64, connection: &Connection, wake: &Arc<Notify>) -> Self {
        Self {
            attempt,
            driver: Arc::clone(&connection.driver),
            wake: Arc::clone(wake),
            made: Instant::now(),
            has_served: AtomicBool::new(false),
            retired: AtomicBool::new(false),
            ending: AtomicBool::new(false),
        }
    }

    pub(super) fn attempt(&self) -> u64 {
        self.attempt
    }

    pub(super) fn is_broken(&self) -> bool {
        self.ending.load(Ordering::Acquire) || self.driver.is_over()
    }

    /// How many requests wait for their answers over it.
    pub(super) fn load(&self) -> usize {
        self.driver.load()
    }

    /// Whether a call may be sent over it.
    pub(super) fn is_usable(&self) -> bool {
        !self.is_broken() && !self.is_retired() && !self.is_doubted()
    }

    pub(super) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    pub(super) fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }

    /// Whether it has shown that it is more than a greeting: it served a call, or lived for a while.
    pub(super) fn is_settled(&self, now: Instant) -> bool {
        self.has_served.load(Ordering::Relaxed) || !self.is_young(now)
    }

    pub(super) fn is_young(&self, now: Instant) -> bool {
        self.is_younger_than(YOUTH, now)
    }

    pub(super) fn is_younger_than(&self, age: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.made) < age
    }

    pub(super) fn is_made_after(&self, other: Instant) -> bool {
        self.made > other
    }

    /// Silent for so long that another one is asked for; no new call is sent over it meanwhile. One
    /// that gives a sign of life is doubted no longer.
    pub(super) fn is_doubted(&self) -> bool {
        self.driver.pulse().is_doubted()
    }

    pub(super) fn doubt(&self) {
        self.driver.pulse().doubt();
    }

    /// Whether it has been silent for so long that another connection should be asked for.
    pub(super) fn deserves_doubt(&self, now: Instant, patience: Duration) -> bool {
        let pulse = self.driver.pulse();
        let limit = if pulse.timeouts() >= TIMEOUTS_OF_A_DOUBT {
            SILENCE_OF_A_DOUBT.min(patience)
        } else {
            patience
        };
        pulse.silent_for(now).is_some_and(|silent| silent >= limit)
    }

    fn served(&self) {
        // Reading what others share is cheap, and writing it is not.
        if !self.has_served.load(Ordering::Relaxed) {
            self.has_served.store(true, Ordering::Relaxed);
        }
    }

    /// Makes an idle link say something, so that one that died is found before a caller needs it.
    /// A refusal is as good an answer as any, so this takes no rights.
    pub(super) fn beat(&self, now: Instant, every: Duration, patience: Duration) {
        let pulse = self.driver.pulse();
        if pulse.silent_for(now).is_none() && pulse.idle_for(now) >= every {
            // What is in the answer, or whether there is one, the pulse tells.
            let ping = Command::new("PING", 0, 0);
            self.driver.tell(now + patience, ping.into());
        }
    }

    /// Ends it now. Whoever waits for an answer is told that the connection broke.
    pub(super) fn end(&self) {
        self.ending.store(true, Ordering::Release);
        self.driver.end();
    }
}

/// A link in the hands of one caller.
pub(crate) struct Lease {
    link: Arc<Link>,
    /// Whether the link is driven by the caller's runtime.
    is_driven_here: bool,
}

impl Lease {
    pub(super) fn new(link: &Arc<Link>, runtime: &Handle) -> Self {
        Self {
            is_driven_here: link.driver.is_on(runtime),
            link: Arc::clone(link),
        }
    }

    /// Sends the request and waits for the answer until the deadline, a refusal of the server among
    /// them.
    pub(crate) async fn send(&self, deadline: Instant, request: Request) -> Answer {
        let asking = self.link.driver.ask(deadline, request);
        let answer = if self.is_driven_here {
            asking.await
        } else {
            // Rare, and its future is large.
            Box::pin(timeout_at(deadline, asking))
                .await
                .unwrap_or(Err(Unanswered {
                    why: Why::Late,
                    was_sent: true,
                }))
        };
        match &answer {
            Ok(_) => self.link.served(),
            Err(unanswered) => match unanswered.why {
                Why::Late => self.timed_out(),
                Why::Lost(_) => self.give_up(),
            },
        }
        answer
    }

    fn timed_out(&self) {
        if self.link.driver.pulse().timed_out() >= TIMEOUTS_OF_A_DOUBT {
            self.link.wake.notify_one();
        }
    }

    /// Ends the connection for everybody.
    fn give_up(&self) {
        self.link.end();
        self.link.wake.notify_one();
    }

    /// Has the connection replaced: what answers is not the master. Calls under way may finish.
    pub(crate) fn retire(&self) {
        self.link.retire();
        self.link.wake.notify_one();
    }
}
