//! What watches over the connections of a server: makes them, suspects them, replaces them.
//!
//! One task a server. It makes at most one attempt to connect at a time, so a server that is down
//! is not asked once for each caller.

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::OptionFuture;
use maestro_cache_core::{Error, Result};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::link::Link;
use super::manager::Connection;
use super::{Server, State};
use crate::{chance, error};

const LOOK: Duration = Duration::from_millis(100);

/// A link over which nothing came for so long is made to say something.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// How long a link that was replaced may still give a sign of life. A server that was frozen answers
/// over the old and the new one in the same moment, in whatever order.
const GRACE: Duration = Duration::from_millis(50);

type Attempt = Pin<Box<dyn Future<Output = Attempted> + Send>>;

/// Tells of the end of a supervisor, also if its runtime is dropped: those who wait begin another.
struct TellsOfTheEnd {
    number: u64,
    server: Weak<Server>,
}

impl Drop for TellsOfTheEnd {
    fn drop(&mut self) {
        let Some(server) = self.server.upgrade() else {
            return;
        };
        {
            let supervision = &mut server.state.lock().supervision;
            if supervision.number == self.number {
                supervision.is_alive = false;
            }
        }
        server.changed.notify_waiters();
    }
}

/// Runs until the server is closed or dropped, or another supervisor takes over.
pub(super) fn supervise(number: u64, server: &Server) -> impl Future<Output = ()> + Send + use<> {
    // Made here, since a task may be dropped before it was ever polled.
    let tells = TellsOfTheEnd {
        number,
        server: Weak::clone(&server.this),
    };
    let wake = Arc::clone(&server.wake);
    async move {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut attempt: Option<Attempt> = None;
        let mut next_attempt = Instant::now();
        loop {
            let made = tokio::select! {
                Some(made) = OptionFuture::from(attempt.as_mut()) => Some(made),
                _ = looks.tick() => None,
                () = wake.notified() => None,
                // A look is due sooner anyway, if this is further away.
                () = sleep_until(next_attempt), if next_attempt > Instant::now() => None,
            };
            let Some(server) = tells.server.upgrade() else {
                return;
            };
            if made.is_some() {
                attempt = None;
            }
            match server.look(number, made) {
                Next::Nothing => {}
                Next::End => return,
                Next::Attempt(at, purpose) if at <= Instant::now() => {
                    if attempt.is_none() {
                        attempt = Some(server.attempt(purpose));
                    }
                }
                Next::Attempt(at, _) => next_attempt = at,
            }
        }
    }
}

enum Next {
    Nothing,
    /// An attempt to connect at that time, or at once if it is over.
    Attempt(Instant, Purpose),
    End,
}

/// What another connection is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Place,
    /// The server refuses writes, and the address may lead to a master by now.
    Master,
}

type Attempted = (Purpose, Result<Connection>);

impl Server {
    /// Takes in what an attempt came to, and looks after the links.
    fn look(&self, number: u64, attempted: Option<Attempted>) -> Next {
        let now = Instant::now();
        let mut state = self.state.lock();
        if state.is_closed || state.supervision.number != number {
            return Next::End;
        }
        state.supervision.looked = now;
        state.end_retired(now);
        let was_useless = self.look_after_links(&mut state, now);
        if state.place_in_need().is_none() {
            // Also after a freeze, when the server goes on over the connections that it had.
            state.recovered(now);
        }
        let has_news = attempted.is_some() || was_useless;
        match attempted {
            Some((Purpose::Place, Ok(connection))) => self.place(&mut state, connection, now),
            Some((Purpose::Place, Err(cause))) => state.failed(cause, now),
            // The address leads to a master, and the links are to a server that was one: each is replaced,
            // and calls under way may finish.
            Some((Purpose::Master, Ok(connection))) => {
                let master = state.attempts;
                state.writability.checked(now, Some(master));
                for link in state.places.iter().flatten() {
                    link.retire();
                }
                self.place(&mut state, connection, now);
            }
            Some((Purpose::Master, Err(_))) => state.writability.checked(now, None),
            None => {}
        }
        let next = match state.place_in_need() {
            Some(_) => Next::Attempt(state.breaker.next_attempt().unwrap_or(now), Purpose::Place),
            None => match state.writability.next_check(now) {
                Some(next) => Next::Attempt(next, Purpose::Master),
                None => Next::Nothing,
            },
        };
        let links = state.places.iter().flatten();
        let usable = links.filter(|link| link.is_usable()).count();
        let has_more = usable > std::mem::replace(&mut state.usable, usable);
        drop(state);
        // Whoever waits and is woken looks here in turn, so this is for news only.
        if has_news || has_more {
            self.changed.notify_waiters();
        }
        next
    }

    /// An attempt to connect. It holds nothing of the server, so that this may be dropped.
    fn attempt(&self, purpose: Purpose) -> Attempt {
        self.state.lock().attempts += 1;
        let connector = Arc::clone(&self.connector);
        Box::pin(async move {
            let must_be_a_master = purpose == Purpose::Master;
            (purpose, connector.connect(must_be_a_master).await)
        })
    }

    /// Puts a new connection where one is missing or suspected.
    fn place(&self, state: &mut State, connection: Connection, now: Instant) {
        // There is one attempt at a time, so this one is the last that was begun.
        let link = Arc::new(Link::new(state.attempts, connection, &self.wake));
        let Some(place) = state
            .place_in_need()
            .and_then(|at| state.places.get_mut(at))
        else {
            // The one that was suspected was only slow. The new one ends here.
            state.breaker.suspected_wrongly(now);
            return;
        };
        match place.replace(link) {
            Some(silent) => state.retired.push((silent, now + GRACE)),
            // Those before are gone, and with them what was known of the server.
            None => state.writability.is_unknown(),
        }
        state.recovered(now);
        state.log.connected();
    }

    /// Says whether what was made last is of no use, which those who wait have to hear.
    fn look_after_links(&self, state: &mut State, now: Instant) -> bool {
        let patience = self.connector.options.timeout / 2;
        let may_suspect = state.breaker.may_suspect(now);
        let judged = state.judged;
        let mut useless = None;
        let State {
            places,
            log,
            breaker,
            settled,
            settled_lost,
            ..
        } = state;
        // All that are lost at once: one of them says why the others were.
        if places
            .iter()
            .flatten()
            .any(|link| link.is_broken() && link.is_settled(now))
        {
            *settled_lost = Some(now);
        }
        for place in places {
            let Some(link) = place else {
                continue;
            };
            let is_new = link.attempt > judged;
            let is_settled = link.is_settled(now);
            if is_settled {
                *settled = Some(now);
            }
            if is_new && is_settled && !link.is_retired() {
                breaker.settled();
            }
            if link.is_broken() {
                // One that nobody had asked anything of says nothing if it went with one that served.
                let was_one_of_several = settled_lost.is_some_and(|lost| link.made <= lost)
                    || link.age(now) >= LOOK && settled.is_some_and(|settled| link.made <= settled);
                if is_new && !is_settled && !was_one_of_several {
                    useless = Some(error::unanswered());
                }
                *place = None;
                log.dropped("the link broke", now);
                continue;
            }
            if link.is_retired() {
                if is_new && link.is_young(now) {
                    useless = Some(error::demoted());
                }
                continue;
            }
            if link.look(now, HEARTBEAT, patience) && may_suspect && !link.is_suspected() {
                link.suspect();
                log.suspected();
            }
        }
        // What connects and is of no use at once is a failure to connect, or a server that breaks
        // each link after its greeting would be connected to without a pause.
        let Some(cause) = useless else {
            return false;
        };
        state.failed(cause, now);
        true
    }
}

impl State {
    fn failed(&mut self, cause: Error, now: Instant) {
        let kind = cause.kind();
        self.judged = self.attempts;
        if self.breaker.failed(now, cause, chance::fraction()) {
            self.log.cannot_connect(kind, now);
        } else {
            self.log.still_cannot_connect(kind);
        }
    }

    fn recovered(&mut self, now: Instant) {
        if let Some(down_for) = self.breaker.connected(now) {
            self.log.connected_again(down_for);
        }
    }

    /// Ends the links that were replaced and are silent to the last. Those who wait for their answers
    /// are told, and reads are asked again over another one. Only what takes its time is waited for: judged
    /// by its answers, a link on which a large value is under way looks like one that is dead.
    fn end_retired(&mut self, now: Instant) {
        let log = &mut self.log;
        self.retired.retain(|(link, due)| {
            if *due > now && !link.is_usable() {
                return true;
            }
            if link.is_suspected() {
                if !link.end_unless_heavy() {
                    return true;
                }
                log.dropped(
                    "it was silent while the server took another connection",
                    now,
                );
            }
            false
        });
    }

    /// The first place without a connection that calls can be sent over.
    pub(super) fn place_in_need(&self) -> Option<usize> {
        self.places
            .iter()
            .position(|place| place.as_ref().is_none_or(|link| !link.is_usable()))
    }
}
