//! The loads that are under way in this process: at most one a key that may be joined, and who waits
//! for it.
//!
//! Everything is under one lock, which only those meet who found no value. Who comes later than a load
//! began has to have seen that its claim still held: what was loaded before an invalidation must not
//! be the answer to a question that was asked after it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64 as PlainAtomicU64;
use std::task::{Poll, Waker};

use bytes::Bytes;
use foldhash::fast::RandomState;

use super::counts::{Counts, LoadCounts};
use super::error::LoadError;
use super::sync::{AtomicU64, Mutex, Ordering};
use crate::LoadToken;

/// The loads that are under way in this process, over one backend.
///
/// Each backend holds one, so that all handles on it share their loads. There is nothing to be done
/// with it but that.
#[derive(Clone, Default)]
pub struct Flights {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    table: Mutex<Table>,
    /// How many loads have begun.
    begun: AtomicU64,
    counts: Counts,
}

#[derive(Default)]
struct Table {
    /// Those that can be joined.
    by_key: ByKey,
    flights: HashMap<FlightId, Flight, RandomState>,
    last_waiter: u64,
}

type ByKey = HashMap<Arc<str>, FlightId, RandomState>;

/// A load, told from all others of its process, also of the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct FlightId(u64);

impl FlightId {
    fn new() -> Self {
        // A plain one also under the model checker: its order is nobody's concern.
        static LAST: PlainAtomicU64 = PlainAtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed))
    }
}

/// One load, from the first who needs it to the last who has its result.
struct Flight {
    key: Arc<str>,
    stage: Stage,
    /// The claim under which its result will be stored.
    token: Option<LoadToken>,
    /// Its place among the loads that have begun. None while nothing of its result was read yet.
    began: Option<Moment>,
    waiters: BTreeMap<u64, Option<Waker>>,
    /// The loads that its loader waits for at present.
    waits_for: Vec<FlightId>,
}

enum Stage {
    Led,
    /// Whoever led it went away, and one of those who wait takes over.
    Abandoned,
    Landed(Landing),
}

/// How a load ended, for those who waited.
#[derive(Clone, Debug)]
pub(super) enum Landing {
    /// With a value, in the codec of the handle that loaded it.
    Value(Bytes),
    Failed(LoadError),
    /// With a value that only the one who loaded it can have.
    Unshared,
    /// The loader of a batch returned nothing for it.
    LeftOut,
}

/// A point in the order in which loads began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(u64);

/// What is known about claims of the key from having looked it up.
#[derive(Clone, Copy, Debug)]
pub(super) enum Evidence {
    /// It could not be looked up.
    None,
    /// It was claimed under this token, or not at all. If a load was in doubt before, the key was looked
    /// up after that.
    Seen {
        token: Option<LoadToken>,
        doubted: Option<LoadToken>,
    },
}

/// What somebody does who needs a value.
pub(super) enum Boarding {
    Lead(Leader),
    Wait(Waiter),
    /// There is a load with this token, and whether it may be joined is to be found out by looking the
    /// key up once more.
    Doubt(LoadToken),
    /// The load would wait for itself.
    Circular,
}

impl Flights {
    /// None under way.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The present moment, for somebody who begins to ask.
    pub(super) fn now(&self) -> Moment {
        Moment(self.shared.begun.load(Ordering::Acquire))
    }

    pub(super) fn read_counts(&self) -> LoadCounts {
        let under_way = self.shared.table.lock().flights.len();
        self.shared.counts.read(under_way)
    }

    pub(super) fn counts(&self) -> &Counts {
        &self.shared.counts
    }

    /// Joins the load of the key, or begins one. `inside` are the loads whose loaders the caller runs
    /// in.
    pub(super) fn board(
        &self,
        key: &Arc<str>,
        since: Moment,
        evidence: Evidence,
        inside: &[FlightId],
    ) -> Boarding {
        let mut table = self.shared.table.lock();
        if let Some(id) = table.by_key.get(&**key).copied() {
            let doubt = table.flights.get(&id).and_then(|flight| {
                if flight.may_be_joined(since, evidence) {
                    return Some(None);
                }
                flight.is_in_doubt(evidence).map(Some)
            });
            match doubt {
                Some(None) if table.waits_for_any(id, inside) => return Boarding::Circular,
                Some(None) => return Boarding::Wait(self.wait(&mut table, id, inside)),
                Some(Some(token)) => return Boarding::Doubt(token),
                // Its claim is broken: those who wait for it go on to, and all others do not.
                None => {}
            }
        }
        let loads_itself = |id: &FlightId| {
            let flight = table.flights.get(id);
            flight.is_some_and(|flight| flight.key == *key)
        };
        if inside.iter().any(loads_itself) {
            return Boarding::Circular;
        }
        let id = FlightId::new();
        table.by_key.insert(Arc::clone(key), id);
        table.flights.insert(
            id,
            Flight {
                key: Arc::clone(key),
                stage: Stage::Led,
                token: None,
                began: None,
                waiters: BTreeMap::new(),
                waits_for: Vec::new(),
            },
        );
        table.hold_up(inside, id);
        Boarding::Lead(Leader {
            flights: self.clone(),
            id,
            inside: inside.into(),
        })
    }

    fn wait(&self, table: &mut Table, id: FlightId, inside: &[FlightId]) -> Waiter {
        table.last_waiter += 1;
        let place = table.last_waiter;
        if let Some(flight) = table.flights.get_mut(&id) {
            flight.waiters.insert(place, None);
        }
        table.hold_up(inside, id);
        Waiter {
            flights: self.clone(),
            id,
            place,
            inside: inside.into(),
        }
    }
}

impl fmt::Debug for Flights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let under_way = self.shared.table.lock().flights.len();
        f.debug_struct("Flights")
            .field("under_way", &under_way)
            .finish()
    }
}

impl Table {
    /// Whether the load waits for one of the others, or for one that does, or is one of them.
    fn waits_for_any(&self, id: FlightId, others: &[FlightId]) -> bool {
        if others.is_empty() {
            return false;
        }
        let mut seen = vec![id];
        let mut at = 0;
        while let Some(id) = seen.get(at) {
            if others.contains(id) {
                return true;
            }
            at += 1;
            for next in self.flights.get(id).into_iter().flat_map(|f| &f.waits_for) {
                if !seen.contains(next) {
                    seen.push(*next);
                }
            }
        }
        false
    }

    /// Notes that the others do not go on until this load has ended.
    fn hold_up(&mut self, others: &[FlightId], id: FlightId) {
        for other in others {
            if let Some(flight) = self.flights.get_mut(other) {
                flight.waits_for.push(id);
            }
        }
    }

    fn let_go_on(&mut self, others: &[FlightId], id: FlightId) {
        for other in others {
            if let Some(flight) = self.flights.get_mut(other)
                && let Some(at) = flight.waits_for.iter().position(|it| *it == id)
            {
                flight.waits_for.swap_remove(at);
            }
        }
    }

    /// Nobody joins the load any more.
    fn withdraw(&mut self, id: FlightId) {
        if let Some(flight) = self.flights.get(&id) {
            no_more_by_key(&mut self.by_key, &flight.key, id);
        }
    }

    fn forget(&mut self, id: FlightId) -> Option<Flight> {
        let flight = self.flights.remove(&id)?;
        no_more_by_key(&mut self.by_key, &flight.key, id);
        Some(flight)
    }

    /// Forgets the load if nobody has to do with it any more, and returns the claim that is left.
    fn forget_if_deserted(&mut self, id: FlightId) -> Option<LoadToken> {
        let flight = self.flights.get(&id)?;
        if !flight.waiters.is_empty() || matches!(flight.stage, Stage::Led) {
            return None;
        }
        self.forget(id)?.token
    }
}

/// Unless a later load of the key stands there.
fn no_more_by_key(by_key: &mut ByKey, key: &str, id: FlightId) {
    if by_key.get(key) == Some(&id) {
        by_key.remove(key);
    }
}

impl Flight {
    fn may_be_joined(&self, since: Moment, evidence: Evidence) -> bool {
        let began_later = self.began.is_none_or(|began| since <= began);
        began_later
            || match evidence {
                Evidence::None => true,
                Evidence::Seen { token, .. } => token.is_some() && token == self.token,
            }
    }

    /// The token whose claim may hold or be broken, as far as is known. None if it is known to be.
    fn is_in_doubt(&self, evidence: Evidence) -> Option<LoadToken> {
        match evidence {
            Evidence::None => None,
            Evidence::Seen { doubted, .. } => self.token.filter(|_| doubted != self.token),
        }
    }

    /// Leaves it to whoever looks first. All are woken: one alone might not be polled for a long time.
    fn abandon(&mut self) -> Vec<Waker> {
        self.stage = Stage::Abandoned;
        self.began = None;
        self.wakers()
    }

    fn wakers(&mut self) -> Vec<Waker> {
        let waiters = self.waiters.values_mut();
        waiters.filter_map(Option::take).collect()
    }
}

/// Whoever computes the value, for all who wait. To be landed, or left to one of them.
#[must_use = "those who wait would wait for ever"]
pub(super) struct Leader {
    flights: Flights,
    id: FlightId,
    inside: Box<[FlightId]>,
}

impl Leader {
    pub(super) fn id(&self) -> FlightId {
        self.id
    }

    /// Somebody who waits for this load, while another task leads it. Whatever the caller runs in is held
    /// up for as long as that waits, and no longer by who leads.
    pub(super) fn waiter(&mut self) -> Waiter {
        let inside = std::mem::take(&mut self.inside);
        let mut table = self.flights.shared.table.lock();
        table.let_go_on(&inside, self.id);
        self.flights.wait(&mut table, self.id, &inside)
    }

    /// The claim that was made for this load, if one was.
    pub(super) fn token(&self) -> Option<LoadToken> {
        self.with(|flight| flight.token)
    }

    /// Notes under which claim the result will be stored, if that is granted.
    pub(super) fn ask_for(&self, token: LoadToken) {
        self.with(|flight| flight.token = Some(token));
    }

    /// To be called before anything is read that the result depends on. Without a token it will not be
    /// stored.
    pub(super) fn begin(&self, token: Option<LoadToken>) {
        let begun = &self.flights.shared.begun;
        let began = Moment(begun.fetch_add(1, Ordering::AcqRel));
        self.with(|flight| {
            flight.token = token;
            flight.began = Some(began);
        });
    }

    fn with<T>(&self, act: impl FnOnce(&mut Flight) -> T) -> T
    where
        T: Default,
    {
        let mut table = self.flights.shared.table.lock();
        table.flights.get_mut(&self.id).map(act).unwrap_or_default()
    }

    /// Ends the load, and tells all who wait.
    pub(super) fn land(self, landing: Landing) {
        let mut table = self.flights.shared.table.lock();
        table.let_go_on(&self.inside, self.id);
        let wakers = match table.flights.get_mut(&self.id) {
            Some(flight) if !flight.waiters.is_empty() => {
                flight.stage = Stage::Landed(landing);
                flight.token = None;
                let wakers = flight.wakers();
                table.withdraw(self.id);
                wakers
            }
            _ => {
                table.forget(self.id);
                Vec::new()
            }
        };
        drop(table);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Leaves the load to one of those who wait. If there is none, the load is over, and the claim
    /// that it held is returned.
    ///
    /// Not after it has landed.
    pub(super) fn leave(self) -> Option<LoadToken> {
        let mut table = self.flights.shared.table.lock();
        table.let_go_on(&self.inside, self.id);
        let wakers = table.flights.get_mut(&self.id)?.abandon();
        let left = table.forget_if_deserted(self.id);
        drop(table);
        wakers.into_iter().for_each(Waker::wake);
        left
    }
}

/// Somebody who waits for the result of a load.
pub(super) struct Waiter {
    flights: Flights,
    id: FlightId,
    place: u64,
    inside: Box<[FlightId]>,
}

/// What somebody who waits is told.
pub(super) enum Told {
    Landed(Landing),
    /// It is on this one now to load.
    TakeOver(Leader),
}

impl Waiter {
    pub(super) fn poll(&mut self, waker: &Waker) -> Poll<Told> {
        let mut table = self.flights.shared.table.lock();
        let Some(flight) = table.flights.get_mut(&self.id) else {
            return Poll::Pending;
        };
        match &flight.stage {
            Stage::Landed(landing) => Poll::Ready(Told::Landed(landing.clone())),
            Stage::Abandoned => {
                flight.stage = Stage::Led;
                flight.waiters.remove(&self.place);
                Poll::Ready(Told::TakeOver(Leader {
                    flights: self.flights.clone(),
                    id: self.id,
                    inside: std::mem::take(&mut self.inside),
                }))
            }
            Stage::Led => {
                if let Some(place) = flight.waiters.get_mut(&self.place)
                    && !place.as_ref().is_some_and(|old| old.will_wake(waker))
                {
                    *place = Some(waker.clone());
                }
                Poll::Pending
            }
        }
    }

    /// Waits no more. If this was the last one who could have taken over, the claim that is left is
    /// returned.
    pub(super) fn leave(&mut self) -> Option<LoadToken> {
        let mut table = self.flights.shared.table.lock();
        table.let_go_on(&self.inside, self.id);
        let flight = table.flights.get_mut(&self.id)?;
        flight.waiters.remove(&self.place)?;
        let left = table.forget_if_deserted(self.id);
        drop(table);
        left
    }
}
