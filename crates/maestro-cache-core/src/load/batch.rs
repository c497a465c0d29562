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
    /// Not asked for yet.
    keys: Vec<String>,
    flights: Vec<FlightId>,
    /// By key. Of several who wait under one key, each takes one.
    answers: HashMap<String, Vec<Result<Load<V>, LoadError>>>,
}

/// The loader of one key: it waits for that of the batch.
struct Gathered<V> {
    key: String,
    gathering: Arc<Gathering<V>>,
}

impl<V> loader::sealed::Sealed for Gathered<V> {}

impl<V: Serialize + DeserializeOwned + Send> loader::Loader for Gathered<V> {
    type Value = V;

    async fn load(self) -> Result<Load<V>, LoadError> {
        {
            let mut state = self.gathering.state.lock();
            state.keys.push(self.key.clone());
            state.flights.extend(loads_under_way());
        }
        let _idle = self.gathering.crew.idle();
        poll_fn(|_| {
            let mut state = self.gathering.state.lock();
            let answers = state.answers.get_mut(&self.key);
            // Whoever fills it in polls all of them afterwards.
            answers
                .and_then(Vec::pop)
                .map_or(Poll::Pending, Poll::Ready)
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
            keys: Vec::new(),
            flights: Vec::new(),
            answers: HashMap::new(),
        }),
        crew: Arc::clone(&crew),
    });
    let since = cache.shared().backend().flights().now();
    let found = look_up(cache, &keys, policy).await;
    let calls = keys.into_iter().zip(found).map(|(key, found)| {
        let mut terms = Terms::new(cache, &key, policy);
        terms.crew = Some(Arc::clone(&crew));
        let gathering = Arc::clone(&gathering);
        let call = Call {
            loader: Gathered { key, gathering },
            terms: Box::new(terms),
            detach: None,
        };
        Member::Running(Box::pin(async move {
            let found = match found {
                Some(found) => found,
                None => call.terms.look_up(&mut call.terms.budget()).await,
            };
            board::load(call, since, found).await
        }))
    });
    let mut batch = Batch {
        members: calls.collect(),
        gathering,
        loader,
        loading: None,
        panicked: None,
    };
    poll_fn(|context| batch.poll(context)).await;
    if let Some(panicked) = batch.panicked {
        resume_unwind(panicked);
    }
    let answers = batch.members.into_iter().map(|member| match member {
        Member::Done(Ok(value)) => Ok(Some(value)),
        Member::Done(Err(LoadError::LeftOut)) | Member::Running(_) => Ok(None),
        Member::Done(Err(error)) => Err(error),
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
    members: Vec<Member<'a, V>>,
    gathering: Arc<Gathering<V>>,
    loader: Loader<'a, V>,
    loading: Option<UnderWay<'a, V>>,
    panicked: Option<Box<dyn std::any::Any + Send>>,
}

enum Member<'a, V> {
    Running(Pin<Box<dyn Future<Output = Result<V, LoadError>> + Send + 'a>>),
    Done(Result<V, LoadError>),
}

/// A call of the loader.
struct UnderWay<'a, V> {
    keys: Vec<String>,
    flights: Vec<FlightId>,
    future: Loading<'a, V>,
}

impl<'a, V: 'a> Batch<'a, V> {
    /// Ready when all members are done.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut running = 0;
            for member in &mut self.members {
                if let Member::Running(call) = member {
                    match call.as_mut().poll(context) {
                        Poll::Ready(answer) => *member = Member::Done(answer),
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
                    let keys = std::mem::take(&mut loading.keys);
                    self.loading = None;
                    self.gathering.answer(keys, loaded);
                }
            }
        }
    }

    /// Calls the loader for those who have gathered, if there are any.
    fn begin(&self) -> Option<UnderWay<'a, V>> {
        let mut state = self.gathering.state.lock();
        if state.keys.is_empty() {
            return None;
        }
        let mut once = HashSet::new();
        let (keys, again) = std::mem::take(&mut state.keys)
            .into_iter()
            .partition::<Vec<_>, _>(|key| once.insert(key.clone()));
        // Who loads a key for the second time needs a value of its own.
        state.keys = again;
        let flights = std::mem::take(&mut state.flights);
        drop(state);
        let asked = keys.clone();
        // One that panics when it is called does so where that is caught.
        let loader = Arc::clone(&self.loader);
        let future = Box::pin(async move { loader(asked).await });
        Some(UnderWay {
            keys,
            flights,
            future,
        })
    }
}

impl<V> Gathering<V> {
    fn answer(&self, keys: Vec<String>, mut loaded: Loaded<V>) {
        let mut state = self.state.lock();
        for key in keys {
            let answer = match &mut loaded {
                Ok(loaded) => loaded.remove(&key).ok_or(LoadError::LeftOut),
                Err(error) => Err(error.clone()),
            };
            state.answers.entry(key).or_default().push(answer);
        }
    }
}
