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
use super::waits::{LoaderCall, Waits};
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
    waits: Waits,
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

    /// The call of its loader, unless that of a batch loads it.
    pub(super) fn call(self) -> LoaderCall {
        LoaderCall(self.0)
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
    /// The call of the loader that loads it together with others.
    batch: Option<LoaderCall>,
}

enum Stage {
    Led,
    /// Whoever led it went away, and one of those who wait takes over.
    Abandoned,
    Landed(Landing),
}

/// How a load ended, for those who waited.
#[derive(Clone)] // Without `Debug`, since it may hold a value.
pub(super) enum Landing {
    /// With a value, in the codec of the handle that loaded it.
    Value(Bytes),
    /// And whether something came in between, which would have kept an old value from being served.
    Failed(LoadError, Fence),
    /// With nothing for them: they look for themselves.
    Unshared,
    /// With a value that only the one who loaded it can have, and it would be the same the next time.
    Unshareable,
    /// The loader of a batch returned nothing for it.
    LeftOut,
}

/// Whether the key was written or removed while a load ran, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fence {
    Intact,
    Broken,
}

/// A point in the order in which loads began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(u64);

/// What is known about claims of the key from having looked it up.
#[derive(Clone, Copy, Debug)]
pub(super) enum Evidence {
    /// It could not be looked up.
    None,
    /// It was claimed under this token, or not at all.
    Seen(Option<LoadToken>),
}

/// What somebody does who needs a value.
pub(super) enum Boarding {
    Lead(Leader),
    Wait(Waiter),
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

    /// Joins the load of the key, or begins one. `inside` are the calls of loaders that the caller runs
    /// in.
    pub(super) fn board(
        &self,
        key: &Arc<str>,
        since: Moment,
        evidence: Evidence,
        inside: &[LoaderCall],
    ) -> Boarding {
        let mut table = self.shared.table.lock();
        let under_way = table.by_key.get(&**key).copied();
        // One whose claim is broken goes on for those who wait for it, and nobody else joins it.
        let joinable = under_way.filter(|id| {
            let flight = table.flights.get(id);
            flight.is_some_and(|flight| flight.may_be_joined(since, evidence))
        });
        if let Some(id) = joinable {
            if table.waits_for_any(id, inside) {
                return Boarding::Circular;
            }
            return Boarding::Wait(self.wait(&mut table, id, inside));
        }
        if inside.iter().any(|call| table.is_loading(*call, key)) {
            return Boarding::Circular;
        }
        let id = table.begin(key);
        table.by_key.insert(Arc::clone(key), id);
        Boarding::Lead(self.lead(&mut table, id, inside))
    }

    /// Begins a load that nobody joins.
    pub(super) fn lead_alone(&self, key: &Arc<str>, inside: &[LoaderCall]) -> Leader {
        let mut table = self.shared.table.lock();
        let id = table.begin(key);
        self.lead(&mut table, id, inside)
    }

    fn lead(&self, table: &mut Table, id: FlightId, inside: &[LoaderCall]) -> Leader {
        let inside = inside.last().copied();
        table.waits.begin(inside, id);
        Leader {
            flights: self.clone(),
            id,
            inside,
        }
    }

    fn wait(&self, table: &mut Table, id: FlightId, inside: &[LoaderCall]) -> Waiter {
        let inside = inside.last().copied();
        table.waits.begin(inside, id);
        let place = table.add_waiter(id);
        Waiter {
            flights: self.clone(),
            id,
            place,
            inside,
        }
    }

    /// One call of a loader computes what each of these was to compute.
    pub(super) fn call_for_many(&self, calls: impl Iterator<Item = LoaderCall>) -> CallForMany {
        let call = FlightId::new().call();
        let mut table = self.shared.table.lock();
        let Table { flights, waits, .. } = &mut *table;
        for LoaderCall(number) in calls {
            if let Some(flight) = flights.get_mut(&FlightId(number)) {
                flight.batch = Some(call);
                waits.add_key(call, &flight.key);
            }
        }
        drop(table);
        CallForMany {
            flights: self.clone(),
            call,
        }
    }
}

/// A call of a loader for many keys. It is over when this is dropped.
pub(super) struct CallForMany {
    flights: Flights,
    pub(super) call: LoaderCall,
}

impl Drop for CallForMany {
    fn drop(&mut self) {
        self.flights.shared.table.lock().waits.end_call(self.call);
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
    fn begin(&mut self, key: &Arc<str>) -> FlightId {
        let id = FlightId::new();
        self.flights.insert(
            id,
            Flight {
                key: Arc::clone(key),
                stage: Stage::Led,
                token: None,
                began: None,
                waiters: BTreeMap::new(),
                batch: None,
            },
        );
        id
    }

    fn add_waiter(&mut self, id: FlightId) -> u64 {
        self.last_waiter += 1;
        let place = self.last_waiter;
        if let Some(flight) = self.flights.get_mut(&id) {
            flight.waiters.insert(place, None);
        }
        place
    }

    /// Whether this call of a loader computes the key, also in a load that nobody can join any more.
    fn is_loading(&self, call: LoaderCall, key: &Arc<str>) -> bool {
        let flight = self.flights.get(&FlightId(call.0));
        flight.is_some_and(|flight| flight.key == *key) || self.waits.loads(call, key)
    }

    /// Whether one of these calls of loaders computes the load, or something that it waits for.
    fn waits_for_any(&self, id: FlightId, calls: &[LoaderCall]) -> bool {
        if calls.is_empty() {
            return false;
        }
        let call_of = |id: FlightId| {
            let flight = self.flights.get(&id);
            let batch = flight.and_then(|flight| flight.batch);
            batch.unwrap_or(id.call())
        };
        self.waits.reaches(call_of(id), calls, call_of)
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
    /// Whether it answers somebody who began to ask at that moment, and saw this of its claim afterwards.
    fn may_be_joined(&self, since: Moment, evidence: Evidence) -> bool {
        let began_later = self.began.is_none_or(|began| since <= began);
        began_later
            || match evidence {
                Evidence::None => true,
                Evidence::Seen(token) => token.is_some() && token == self.token,
            }
    }

    /// Leaves it to whoever looks first. All are woken: one alone might not be polled for a long time.
    fn abandon(&mut self) -> Vec<Waker> {
        self.stage = Stage::Abandoned;
        self.began = None;
        self.batch = None;
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
    /// The call of a loader that goes on no earlier than this load has ended.
    inside: Option<LoaderCall>,
}

impl Leader {
    /// The call of the loader for this load.
    pub(super) fn call(&self) -> LoaderCall {
        self.id.call()
    }

    /// Somebody who waits for this load, while another task leads it. Whatever the caller runs in is held
    /// up for as long as that waits, and no longer by who leads.
    pub(super) fn waiter(&mut self) -> Waiter {
        Waiter {
            flights: self.flights.clone(),
            id: self.id,
            place: self.flights.shared.table.lock().add_waiter(self.id),
            inside: self.inside.take(),
        }
    }

    /// Whether anybody waits for it.
    pub(super) fn is_awaited(&self) -> bool {
        self.with(|flight| !flight.waiters.is_empty())
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
        table.waits.end(self.inside, self.id);
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
        table.waits.end(self.inside, self.id);
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
    /// The call of a loader that goes on no earlier than this has been told.
    inside: Option<LoaderCall>,
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
                    inside: self.inside.take(),
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
        table.waits.end(self.inside, self.id);
        let flight = table.flights.get_mut(&self.id)?;
        flight.waiters.remove(&self.place)?;
        let left = table.forget_if_deserted(self.id);
        drop(table);
        left
    }
}
