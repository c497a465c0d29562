//! Many loads with one loader.
//!
//! Each key goes the way of a single call, side by side with the others. Those that come to the point of
//! loading gather here, and once nobody can come any more, since all others are done or wait for
//! somebody else, the loader is called for them.

use std::collections::{HashMap, HashSet};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::board;
use super::call::{Call, Terms};
use super::error::LoadError;
use super::flight::FlightId;
use super::loaded::Load;
use super::loader;
use super::nesting::{loads_under_way, within};
use super::policy::LoadPolicy;
use crate::cache::Cache;
use crate::key::StoredKeys;
use crate::{LookFor, Lookup, Operation};

/// So many calls of the backend are under way at once for one batch, so that one of any size leaves room
/// for others.
const AT_ONCE: usize = 512;

pub(super) type Loaded<V> = Result<HashMap<String, Load<V>>, LoadError>;
pub(super) type Loading<'a, V> = Pin<Box<dyn Future<Output = Loaded<V>> + Send + 'a>>;
pub(super) type Loader<'a, V> = Arc<dyn Fn(Vec<String>) -> Loading<'a, V> + Send + Sync + 'a>;

/// What the calls of a batch share.
#[derive(Debug)]
pub(super) struct Crew {
    /// How many calls of the backend may be made.
    pub(super) gate: Semaphore,
    /// How many of its calls wait for the loader of the batch, or for somebody else.
    idle: AtomicUsize,
}

/// While it is there, one call is idle.
#[derive(Debug)]
pub(super) struct Idle(Arc<Crew>);

impl Crew {
    fn new() -> Self {
        Self {
            gate: Semaphore::new(AT_ONCE),
            idle: AtomicUsize::new(0),
        }
    }

    pub(super) fn idle(self: &Arc<Self>) -> Idle {
        self.idle.fetch_add(1, Ordering::Relaxed);
        Idle(Arc::clone(self))
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        self.0.idle.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Those of a batch who are to load.
struct Gathering<V> {
    state: Mutex<State<V>>,
    crew: Arc<Crew>,
}

struct State<V> {
    /// Who has gathered, and not been asked for yet.
    gathered: Vec<Member>,
    answers: HashMap<u64, Result<Load<V>, LoadError>>,
    last: u64,
}

/// One who waits for the loader of the batch.
struct Member {
    number: u64,
    key: String,
    flights: Vec<FlightId>,
}

/// The loader of one key: it waits for that of the batch.
struct Gathered<V> {
    key: String,
    gathering: Arc<Gathering<V>>,
}

/// Its place. One who goes away is not asked for any more.
struct Place<V> {
    number: u64,
    gathering: Arc<Gathering<V>>,
}

impl<V> Drop for Place<V> {
    fn drop(&mut self) {
        let mut state = self.gathering.state.lock();
        state.gathered.retain(|member| member.number != self.number);
        state.answers.remove(&self.number);
    }
}

impl<V> Gathering<V> {
    fn join(self: &Arc<Self>, key: String) -> Place<V> {
        let mut state = self.state.lock();
        state.last += 1;
        let number = state.last;
        state.gathered.push(Member {
            number,
            key,
            flights: loads_under_way(),
        });
        Place {
            number,
            gathering: Arc::clone(self),
        }
    }
}

impl<V> loader::sealed::Sealed for Gathered<V> {}

impl<V: Serialize + DeserializeOwned + Send> loader::Loader for Gathered<V> {
    type Value = V;

    async fn load(self) -> Result<Load<V>, LoadError> {
        let place = self.gathering.join(self.key);
        let _idle = self.gathering.crew.idle();
        poll_fn(|_| {
            // Whoever fills it in polls all of them afterwards.
            let mut state = place.gathering.state.lock();
            let answer = state.answers.remove(&place.number);
            answer.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// Loads each of the keys, with as few calls of the loader as can be.
pub(super) async fn load<'a, V: Serialize + DeserializeOwned + Send + 'a>(
    cache: &'a Cache,
    keys: Vec<String>,
    loader: Loader<'a, V>,
    policy: LoadPolicy,
) -> Vec<Result<Option<V>, LoadError>> {
    let crew = Arc::new(Crew::new());
    let gathering = Arc::new(Gathering {
        state: Mutex::new(State {
            gathered: Vec::new(),
            answers: HashMap::new(),
            last: 0,
        }),
        crew: Arc::clone(&crew),
    });
    let since = cache.shared().backend().flights().now();
    let began = Instant::now();
    let found = look_up(cache, &keys, policy).await;
    let spent = began.elapsed();
    let calls = keys.into_iter().zip(found).map(|(key, found)| {
        let mut terms = Terms::new(cache, &key, policy);
        terms.crew = Some(Arc::clone(&crew));
        let gathering = Arc::clone(&gathering);
        let call = Call {
            loader: Gathered { key, gathering },
            terms: Box::new(terms),
            detach: None,
        };
        Single::Running(Box::pin(async move {
            let began = Instant::now();
            let found = match found {
                Some(found) => found,
                None => call.terms.look_up(&mut call.terms.budget()).await,
            };
            board::load(call, since, found, spent + began.elapsed()).await
        }))
    });
    let mut batch = Batch {
        singles: calls.collect(),
        gathering,
        loader,
        loading: None,
        panicked: None,
    };
    poll_fn(|context| batch.poll(context)).await;
    if let Some(panicked) = batch.panicked {
        resume_unwind(panicked);
    }
    let answers = batch.singles.into_iter().map(|single| match single {
        Single::Done(Ok(value)) => Ok(Some(value)),
        Single::Done(Err(LoadError::LeftOut)) | Single::Running(_) => Ok(None),
        Single::Done(Err(error)) => Err(error),
    });
    answers.collect()
}

/// Reads all keys at once. What is stale is not seen by that: where it is of use, each key is looked up
/// for itself, at the same time as the others.
async fn look_up(
    cache: &Cache,
    keys: &[String],
    policy: LoadPolicy,
) -> Vec<Option<crate::Result<Lookup>>> {
    let stored = StoredKeys::new(cache.key_prefix(), keys);
    if policy.look_for() == LookFor::FreshOrStale && stored.is_ok() {
        return keys.iter().map(|_| None).collect();
    }
    let read = cache.shared().run(
        Operation::GetOrComputeMany,
        None,
        |backend, context, _| match &stored {
            Ok(stored) => backend.get_many(context, &stored.as_strs()),
            Err(error) => error.clone().into(),
        },
        Ok,
    );
    let as_lookup = |value| match value {
        Some(value) => Lookup::Fresh { value, age: None },
        None => Lookup::Missing { held: None },
    };
    match read.await {
        Ok(values) => values
            .into_iter()
            .map(|value| Some(Ok(as_lookup(value))))
            .collect(),
        Err(error) => keys.iter().map(|_| Some(Err(error.clone()))).collect(),
    }
}

struct Batch<'a, V> {
    singles: Vec<Single<'a, V>>,
    gathering: Arc<Gathering<V>>,
    loader: Loader<'a, V>,
    loading: Option<UnderWay<'a, V>>,
    panicked: Option<Box<dyn std::any::Any + Send>>,
}

enum Single<'a, V> {
    Running(Pin<Box<dyn Future<Output = Result<V, LoadError>> + Send + 'a>>),
    Done(Result<V, LoadError>),
}

/// A call of the loader.
struct UnderWay<'a, V> {
    members: Vec<Member>,
    flights: Vec<FlightId>,
    future: Loading<'a, V>,
}

impl<'a, V: 'a> Batch<'a, V> {
    /// Ready when all members are done.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut running = 0;
            for single in &mut self.singles {
                if let Single::Running(call) = single {
                    match call.as_mut().poll(context) {
                        Poll::Ready(answer) => *single = Single::Done(answer),
                        Poll::Pending => running += 1,
                    }
                }
            }
            if running == 0 {
                return Poll::Ready(());
            }
            match &mut self.loading {
                None if self.gathering.crew.idle.load(Ordering::Relaxed) < running => {
                    return Poll::Pending;
                }
                None => match self.begin() {
                    Some(loading) => self.loading = Some(loading),
                    None => return Poll::Pending,
                },
                Some(loading) => {
                    let future = loading.future.as_mut();
                    let flights = &loading.flights;
                    let poll = || within(flights, || future.poll(context));
                    // For those who wait a panic is an error, and it goes on once all of them know.
                    let loaded = match catch_unwind(AssertUnwindSafe(poll)) {
                        Ok(Poll::Pending) => return Poll::Pending,
                        Ok(Poll::Ready(loaded)) => loaded,
                        Err(panicked) => {
                            self.panicked = Some(panicked);
                            Err(LoadError::Panicked)
                        }
                    };
                    let members = std::mem::take(&mut loading.members);
                    self.loading = None;
                    self.gathering.answer(&members, loaded);
                }
            }
        }
    }

    /// Calls the loader for those who have gathered, if there are any.
    fn begin(&self) -> Option<UnderWay<'a, V>> {
        let mut state = self.gathering.state.lock();
        if state.gathered.is_empty() {
            return None;
        }
        let mut once = HashSet::new();
        let gathered = std::mem::take(&mut state.gathered);
        // Who loads a key for the second time needs a value of its own.
        let (members, again): (Vec<_>, _) = gathered
            .into_iter()
            .partition(|member| once.insert(member.key.clone()));
        state.gathered = again;
        drop(state);
        let flights = members.iter().flat_map(|it| it.flights.clone()).collect();
        let keys = members.iter().map(|member| member.key.clone()).collect();
        // One that panics when it is called does so where that is caught.
        let loader = Arc::clone(&self.loader);
        let future = Box::pin(async move { loader(keys).await });
        Some(UnderWay {
            members,
            flights,
            future,
        })
    }
}

impl<V> Gathering<V> {
    fn answer(&self, members: &[Member], mut loaded: Loaded<V>) {
        for member in members {
            let answer = match &mut loaded {
                Ok(loaded) => loaded.remove(&member.key).ok_or(LoadError::LeftOut),
                Err(error) => Err(error.clone()),
            };
            self.state.lock().answers.insert(member.number, answer);
        }
    }
}
