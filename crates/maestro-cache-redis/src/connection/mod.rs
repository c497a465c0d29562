//! One server, and the few connections to it that all callers share.

mod address;
mod batch;
mod breaker;
#[cfg(any(feature = "cluster", feature = "sentinel"))]
mod happy_eyeballs;
mod link;
mod liveness;
mod log;
mod manager;
mod pending;
mod queue;
#[cfg(feature = "sentinel")]
mod sentinel;
mod supervisor;
#[cfg(feature = "tls")]
mod tls;
mod wire;
mod writability;

use std::sync::{Arc, Weak};
use std::time::Duration;

use maestro_cache_core::{Error, ErrorKind, Result};
use parking_lot::{Mutex, MutexGuard};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::Instant;

pub(crate) use address::Address;
#[cfg(feature = "cluster")]
pub(crate) use happy_eyeballs::first_success;
pub(crate) use link::LinkHandle;
pub(crate) use manager::{ConnectOptions, Credentials, Target};
pub(crate) use pending::{Reason, Unanswered};
#[cfg(feature = "sentinel")]
pub(crate) use sentinel::Sentinels;
#[cfg(feature = "tls")]
pub(crate) use tls::Tls;

use crate::large::Large;
use crate::request::Weight;
use breaker::Breaker;
use link::Link;
use log::Log;
use manager::Connector;
use writability::Writability;

/// One server. Dropping it ends its connections once the calls under way are over.
pub(crate) struct Server {
    /// The same, as the supervisor is told of it, which keeps nothing of it alive.
    this: Weak<Self>,
    connector: Arc<Connector>,
    state: Mutex<State>,
    /// Which keys hold large values.
    pub(crate) large: Large,
    /// Wakes those who wait for a connection.
    changed: Notify,
    /// Wakes the supervisor.
    wake: Arc<Notify>,
}

/// What callers and the supervisor meet in.
struct State {
    places: Box<[Option<Arc<Link>>]>,
    /// Those that were replaced, and when they end unless they give a sign of life.
    retired: Vec<(Arc<Link>, Instant)>,
    /// How many attempts to connect were begun. A link has the number of its attempt, from 1.
    attempts: u64,
    /// What became of the attempts up to this one is known to the breaker.
    judged: u64,
    /// When a link was last seen that had shown that it is more than a greeting.
    settled: Option<Instant>,
    /// When such a link was last found to be lost.
    settled_lost: Option<Instant>,
    /// How many links were usable when they were last looked at.
    usable: usize,
    breaker: Breaker,
    writability: Writability,
    log: Log,
    supervision: Supervision,
    is_closed: bool,
}

/// Who supervises. A number tells the present supervisor from those before.
struct Supervision {
    number: u64,
    is_alive: bool,
    /// When it looked last.
    looked: Instant,
}

impl Server {
    pub(crate) fn new(
        name: Arc<str>,
        target: Target,
        options: ConnectOptions,
        connections: usize,
    ) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            connector: Arc::new(Connector { target, options }),
            state: Mutex::new(State {
                places: (0..connections).map(|_| None).collect(),
                retired: Vec::new(),
                attempts: 0,
                judged: 0,
                settled: None,
                settled_lost: None,
                usable: 0,
                breaker: Breaker::default(),
                writability: Writability::new(),
                log: Log::new(name),
                supervision: Supervision {
                    number: 0,
                    is_alive: false,
                    looked: Instant::now(),
                },
                is_closed: false,
            }),
            large: Large::new(),
            changed: Notify::new(),
            wake: Arc::new(Notify::new()),
        })
    }

    /// A connection from a later attempt than that one, or any if none can be made. Where
    /// there is none yet, this waits for one; while the server is down, it fails at once with the
    /// cause.
    ///
    /// Connecting is none of the caller's business: it goes on when the caller goes away, and all
    /// who wait share one attempt.
    ///
    /// When one breaks, the others often do in the same moment, and it takes another one to be found
    /// out: so a call that is repeated goes over a new one.
    pub(crate) async fn link_newer_than(
        &self,
        attempt: u64,
        weight: Weight,
        runtime: Handle,
    ) -> Result<LinkHandle> {
        match self.link_now(attempt, weight, &runtime) {
            Ok(Some(link)) => return Ok(link),
            Ok(None) => self.wake.notify_one(),
            Err(error) => {
                // A caller who tries again and again would starve a runtime of one thread, and with
                // it the supervisor.
                yield_now().await;
                return Err(error);
            }
        }
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if let Some(link) = self.link_now(attempt, weight, &runtime)? {
                return Ok(link);
            }
            changed.await;
            // A runtime that is being shut down drops the supervisor at once, so that this would go round
            // for ever. Whoever yields there is dropped as well.
            yield_now().await;
        }
    }

    /// One that is there, or nothing if there is reason to wait for one.
    pub(crate) fn link_now(
        &self,
        attempt: u64,
        weight: Weight,
        runtime: &Handle,
    ) -> Result<Option<LinkHandle>> {
        let state = self.state.lock();
        if state.is_closed {
            return Err(Error::closed());
        }
        if let Some(link) = state.usable(weight, attempt) {
            return Ok(Some(LinkHandle::new(link, runtime)));
        }
        if !state.supervision.is_alive {
            return self.supervise(state);
        }
        match (state.breaker.cause(), state.usable(weight, 0)) {
            (Some(_), Some(link)) => Ok(Some(LinkHandle::new(link, runtime))),
            // Nobody has looked whether the cause still holds.
            (Some(_), None) if state.supervision.is_at_rest(Instant::now()) => {
                self.supervise(state)
            }
            (Some(cause), None) => Err(cause.clone()),
            // Nobody asks for another connection while each place has a good one.
            (None, Some(link)) if state.place_in_need().is_none() => {
                Ok(Some(LinkHandle::new(link, runtime)))
            }
            (None, _) => Ok(None),
        }
    }

    /// Begins another supervisor, on this runtime. The connections live on that of the last one: once
    /// it is gone, so are they, and a new one has no reason to pause.
    fn supervise(&self, mut state: MutexGuard<'_, State>) -> Result<Option<LinkHandle>> {
        let runtime = Handle::try_current().map_err(|_| no_runtime())?;
        state.breaker = Breaker::default();
        let number = state.supervision.next();
        // A runtime that is being shut down drops the supervisor at once, which locks the state.
        drop(state);
        runtime.spawn(supervisor::supervise(number, self));
        Ok(None)
    }

    /// How many attempts to connect have been begun by now. What came of them may all break together.
    pub(crate) fn attempts(&self) -> u64 {
        self.state.lock().attempts
    }

    /// Whether there is someone to ask for the new master once this one is a replica.
    pub(crate) fn follows_the_master(&self) -> bool {
        !matches!(self.connector.target, Target::Address(_))
    }

    /// To be told when a replica refused a write over this link, where nobody says who the master is: the
    /// address may lead to another server by now.
    pub(crate) fn write_was_refused(&self, link: &LinkHandle) {
        let now = Instant::now();
        let mut state = self.state.lock();
        if state.writability.refused(now, link.link.attempt) {
            state.log.writes_are_refused();
            drop(state);
            self.wake.notify_one();
        }
    }

    /// Whether the last write that is known of was refused by a replica.
    pub(crate) fn refuses_writes(&self) -> bool {
        self.state.lock().writability.is_refused
    }

    /// To be told when a call took longer than its deadline. A runtime that is there and is not driven
    /// any more, as one of a single thread outside of `block_on`, drives no connection either: the
    /// connections are made anew on the runtime of the next caller.
    pub(crate) fn timed_out(&self) {
        let mut state = self.state.lock();
        if !state.supervision.is_at_rest(Instant::now()) {
            return;
        }
        state.supervision.is_alive = false;
        let at_rest = state.take_links();
        drop(state);
        self.changed.notify_waiters();
        drop(at_rest);
    }

    /// Drops all connections; calls under way may finish, no new one begins.
    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        let links = state.take_links();
        drop(state);
        self.changed.notify_waiters();
        self.wake.notify_one();
        drop(links);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.close();
    }
}

impl Supervision {
    /// A supervisor that lives looks ten times in this time, unless its runtime does not.
    const REST: Duration = Duration::from_secs(1);

    /// Begins another one, and returns its number.
    fn next(&mut self) -> u64 {
        *self = Self {
            number: self.number + 1,
            is_alive: true,
            looked: Instant::now(),
        };
        self.number
    }

    fn is_at_rest(&self, now: Instant) -> bool {
        self.is_alive && now.saturating_duration_since(self.looked) >= Self::REST
    }
}

impl State {
    /// All links, to be dropped outside of the lock: the last one to hold a link ends it.
    fn take_links(&mut self) -> Vec<Arc<Link>> {
        let placed = self.places.iter_mut().filter_map(Option::take);
        let retired = self.retired.drain(..).map(|(link, _)| link);
        placed.chain(retired).collect()
    }

    /// The usable link to send such a request over, of those of later attempts than that one.
    ///
    /// Requests that go over the same link share packets and wake-ups, so one link is filled before
    /// the next one is taken. Heavy ones fill them from the other end, and hold up no light ones.
    fn usable(&self, weight: Weight, attempt: u64) -> Option<&Arc<Link>> {
        let links = self.places.iter().flatten();
        let mut links = links.filter(|link| link.attempt > attempt && link.is_usable());
        match weight {
            Weight::Light => not_full(&mut links),
            Weight::Heavy => not_full(&mut links.rev()),
        }
    }
}

/// A link with this many requests under way is full: its pipelines have company enough, and another
/// link is driven at the same time.
const FULL: usize = 64;

/// The first link that is not full, or the one with the fewest requests.
fn not_full<'a>(links: &mut dyn Iterator<Item = &'a Arc<Link>>) -> Option<&'a Arc<Link>> {
    let mut least: Option<(usize, &Arc<Link>)> = None;
    for link in links {
        let load = link.load();
        if load < FULL {
            return Some(link);
        }
        if least.is_none_or(|(least, _)| load < least) {
            least = Some((load, link));
        }
    }
    least.map(|(_, link)| link)
}

pub(crate) fn no_runtime() -> Error {
    Error::new(
        ErrorKind::Config,
        "the Redis backend needs a Tokio runtime; call it from within one",
    )
}
