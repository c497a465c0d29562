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
use std::task::{Context, Poll};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use tokio::task::{Unconstrained, unconstrained};
use tokio::time::Instant;

use super::board;
use super::call::{Call, Terms};
use super::crew::{CallForMany, Crew, no_answer};
use super::error::LoadError;
use super::flight;
use super::loaded::Load;
use super::loader;
use super::nesting::{loads_under_way, within};
use super::policy::LoadPolicy;
use super::waits::LoaderCall;
use crate::cache::Cache;
use crate::key::StoredKeys;
use crate::{CacheBackend, Lookup, Operation};

pub(super) type Loaded<V> = Result<HashMap<String, Load<V>>, LoadError>;
pub(super) type Loading<'a, V> = Pin<Box<dyn Future<Output = Loaded<V>> + Send + 'a>>;
pub(super) type Loader<'a, V> = Arc<dyn Fn(Vec<String>) -> Loading<'a, V> + Send + Sync + 'a>;

/// Those of a batch who are to load, and have not been asked for yet.
struct Gathering<V> {
    members: Mutex<Vec<Member<V>>>,
    crew: Arc<Crew>,
}

/// One who waits for the loader of the batch.
struct Member<V> {
    key: String,
    /// That of its own loader, which waits for that of the batch.
    call: Option<LoaderCall>,
    answer: oneshot::Sender<Result<Load<V>, LoadError>>,
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
        let (answer, answered) = oneshot::channel();
        self.gathering.members.lock().push(Member {
            key: self.key,
            call: loads_under_way().pop(),
            answer,
        });
        let _idle = self.gathering.crew.idle();
        // Who asks for the answers goes away with those who wait for them, and later than they do.
        answered.await.unwrap_or(Err(LoadError::LeftOut))
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
        members: Mutex::default(),
        crew: Arc::clone(&crew),
    });
    let since = cache.shared().backend().flights().now();
    let began = Instant::now();
    let found = look_up(cache, &keys, policy).await;
    let spent = began.elapsed();
    let answers = keys.iter().map(|_| Err(LoadError::LeftOut)).collect();
    let calls = (0_usize..).zip(keys).zip(found);
    let singles = calls.map(|((place, key), found)| {
        let mut terms = Terms::new(cache, &key, policy);
        terms.crew = Some(Arc::clone(&crew));
        let gathering = Arc::clone(&gathering);
        let call = Call {
            loader: Gathered { key, gathering },
            terms: Box::new(terms),
            detach: None,
        };
        let single = async move { (place, board::load(call, since, found, spent).await) };
        // There are as many as there are keys, and each does little.
        unconstrained(Box::pin(single) as Single<'_, V>)
    });
    let mut batch = Batch {
        running: singles.collect(),
        answers,
        calls: Vec::new(),
        backend: Arc::clone(cache.shared().backend()),
        gathering,
        loader,
        loading: Vec::new(),
        panicked: None,
    };
    poll_fn(|context| batch.poll(context)).await;
    if let Some(panicked) = batch.panicked {
        resume_unwind(panicked);
    }
    let answers = batch.answers.into_iter().map(|answer| match answer {
        Ok(value) => Ok(Some(value)),
        Err(LoadError::LeftOut) => Ok(None),
        Err(error) => Err(error),
    });
    answers.collect()
}

/// Looks all keys up at once.
async fn look_up(cache: &Cache, keys: &[String], policy: LoadPolicy) -> Vec<crate::Result<Lookup>> {
    let timeout = policy.timeout;
    let stored = StoredKeys::new(cache.key_prefix(), keys);
    let look_for = policy.look_for();
    let look_up = cache.shared().run(
        Operation::GetOrComputeMany,
        None,
        |backend, context, _| match &stored {
            Ok(stored) => {
                backend.look_up_many(context.at_most(timeout), &stored.as_strs(), look_for)
            }
            Err(error) => error.clone().into(),
        },
        Ok::<Vec<_>, _>,
    );
    match look_up.await {
        Ok(mut found) => {
            found.resize_with(keys.len(), || Err(no_answer()));
            found
        }
        Err(error) => keys.iter().map(|_| Err(error.clone())).collect(),
    }
}

/// The call of one key, and its place in the batch.
type Single<'a, V> = Pin<Box<dyn Future<Output = (usize, Answer<V>)> + Send + 'a>>;

type Answer<V> = Result<V, LoadError>;

struct Batch<'a, V> {
    /// Calls of the backend for what was left at the desks. They end before those who claimed let go, or
    /// they might claim afterwards.
    calls: Vec<CallForMany>,
    /// Each is polled when it is woken, and not with all others.
    running: FuturesUnordered<Unconstrained<Single<'a, V>>>,
    answers: Vec<Answer<V>>,
    backend: Arc<dyn CacheBackend>,
    gathering: Arc<Gathering<V>>,
    loader: Loader<'a, V>,
    loading: Vec<UnderWay<'a, V>>,
    panicked: Option<Box<dyn std::any::Any + Send>>,
}

/// A call of the loader.
struct UnderWay<'a, V> {
    members: Vec<Member<V>>,
    call: flight::CallForMany,
    future: Loading<'a, V>,
}

impl<'a, V: 'a> Batch<'a, V> {
    /// Ready when all calls are done.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            while let Poll::Ready(done) = self.running.poll_next_unpin(context) {
                let Some((place, answer)) = done else {
                    return Poll::Ready(());
                };
                if let Some(place) = self.answers.get_mut(place) {
                    *place = answer;
                }
            }
            self.call_backend(context);
            if self.poll_loaders(context) {
                continue;
            }
            if self.gathering.crew.count_idle() < self.running.len() {
                return Poll::Pending;
            }
            // Also beside a call that is under way, which may wait for what is to be loaded now.
            match self.begin() {
                Some(loading) => self.loading.push(loading),
                None => return Poll::Pending,
            }
        }
    }

    /// Tells those who wait for calls of the loader that have ended, if any have.
    fn poll_loaders(&mut self, context: &mut Context<'_>) -> bool {
        let panicked = &mut self.panicked;
        let ended = self.loading.extract_if(.., |loading| {
            let future = loading.future.as_mut();
            let poll = || within(loading.call.call, || future.poll(context));
            // For those who wait a panic is an error, and it goes on once all of them know.
            let loaded = match catch_unwind(AssertUnwindSafe(poll)) {
                Ok(Poll::Pending) => return false,
                Ok(Poll::Ready(loaded)) => loaded,
                Err(payload) => {
                    *panicked = Some(payload);
                    Err(LoadError::Panicked)
                }
            };
            answer(std::mem::take(&mut loading.members), loaded);
            true
        });
        ended.count() > 0
    }

    /// Asks the backend what was left at the desks. Who is answered wakes this task.
    fn call_backend(&mut self, context: &mut Context<'_>) {
        let crew = &self.gathering.crew;
        self.calls.extend(crew.calls_for_many(&self.backend));
        self.calls
            .retain_mut(|call| call.as_mut().poll(context).is_pending());
    }

    /// Calls the loader for those who have gathered, if there are any.
    fn begin(&self) -> Option<UnderWay<'a, V>> {
        let mut gathered = self.gathering.members.lock();
        // Who went away is not asked for any more.
        gathered.retain(|member| !member.answer.is_closed());
        if gathered.is_empty() {
            return None;
        }
        let mut once = HashSet::new();
        // Who loads a key for the second time needs a value of its own.
        let (members, again): (Vec<_>, _) = std::mem::take(&mut *gathered)
            .into_iter()
            .partition(|member| once.insert(member.key.clone()));
        *gathered = again;
        drop(gathered);
        let calls = members.iter().filter_map(|member| member.call);
        let call = self.backend.flights().call_for_many(calls);
        let keys = members.iter().map(|member| member.key.clone()).collect();
        // One that panics when it is called does so where that is caught.
        let loader = Arc::clone(&self.loader);
        let future = Box::pin(async move { loader(keys).await });
        Some(UnderWay {
            members,
            call,
            future,
        })
    }
}

/// Tells each of them what was loaded for it.
fn answer<V>(members: Vec<Member<V>>, mut loaded: Loaded<V>) {
    for member in members {
        let answer = match &mut loaded {
            Ok(loaded) => loaded.remove(&member.key).ok_or(LoadError::LeftOut),
            Err(error) => Err(error.clone()),
        };
        // One who went away needs none.
        drop(member.answer.send(answer));
    }
}
