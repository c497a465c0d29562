//! One connection in its place: held for as long as it lives, shared by all callers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use maestro_cache_core::Result;
use redis::aio::MultiplexedConnection;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::connect::{Connection, Driver};
use crate::lost;
use crate::request::Request;

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
    commands: MultiplexedConnection,
    driver: Arc<Driver>,
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
    pub(super) fn new(attempt: u64, connection: &Connection) -> Self {
        Self {
            attempt,
            commands: connection.commands.clone(),
            driver: Arc::clone(&connection.driver),
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
        now.saturating_duration_since(self.made) < YOUTH
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
            let mut commands = self.commands.clone();
            tokio::spawn(async move {
                let ping = redis::cmd("PING");
                // What is in the answer, or whether there is one, the pulse tells.
                let _ = timeout(patience, commands.send_packed_command(&ping)).await;
            });
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
    commands: MultiplexedConnection,
    /// How many attempts to connect had been begun by then.
    attempts: u64,
    /// Wakes the supervisor.
    wake: Arc<Notify>,
}

impl Lease {
    pub(super) fn new(link: &Arc<Link>, attempts: u64, wake: &Arc<Notify>) -> Self {
        Self {
            attempts,
            commands: link.commands.clone(),
            link: Arc::clone(link),
            wake: Arc::clone(wake),
        }
    }

    /// Sends the request and waits for the answer, a refusal of the server among them. An error
    /// means that the connection is lost.
    pub(crate) async fn send(&mut self, request: Request<'_>) -> Result<redis::Value> {
        let commands = &mut self.commands;
        let _call = self.link.driver.pulse().call();
        let answer = async {
            match request {
                Request::Command(command) => commands.send_packed_command(command).await,
                Request::Pipeline(pipeline) => commands
                    .send_packed_commands(pipeline, 0, pipeline.len())
                    .await
                    .map(redis::Value::Array),
            }
        };
        // What is handed to the driver while it ends may be left where nobody looks any more, and
        // its caller would wait for ever: the channel between the two lives on with its senders.
        let answer = tokio::select! {
            biased;
            answer = answer => answer.map_err(|error| lost::request(&error)),
            () = self.link.driver.over() => Err(lost::unanswered()),
        };
        match &answer {
            Ok(_) => self.link.served(),
            // Also where the driver lives on, as after an answer that it cannot read.
            Err(_) => self.give_up(),
        }
        answer
    }

    /// How many attempts to connect had been begun when this was leased. What came of them may all
    /// break together.
    pub(crate) fn attempts(&self) -> u64 {
        self.attempts
    }

    /// To be told when the deadline of a request passed before the answer came.
    pub(crate) fn timed_out(&self) {
        if self.link.driver.pulse().timed_out() >= TIMEOUTS_OF_A_DOUBT {
            self.wake.notify_one();
        }
    }

    /// Ends the connection for everybody.
    fn give_up(&self) {
        self.link.end();
        self.wake.notify_one();
    }

    /// Has the connection replaced: what answers is not the master. Calls under way may finish.
    pub(crate) fn retire(&self) {
        self.link.retire();
        self.wake.notify_one();
    }
}
