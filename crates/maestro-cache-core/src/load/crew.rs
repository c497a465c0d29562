//! What the calls of a batch share, each of which loads one key.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::{Semaphore, oneshot};

use crate::{
    CacheBackend, CacheFuture, CallContext, Claim, ClaimRequest, Error, ErrorKind, Publication,
    Result,
};

/// So many calls of the backend for one key each are under way at once for one batch, so that one of any
/// size leaves room for others.
const AT_ONCE: usize = 512;

/// A call of the backend for several keys, which tells each of those who asked.
pub(super) type CallForMany = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(super) struct Crew {
    pub(super) gate: Semaphore,
    pub(super) claims: Desk<ClaimRequest, Claim>,
    pub(super) publications: Desk<Publication, bool>,
    /// How many of its calls wait for the loader of the batch, or for somebody else.
    idle: AtomicUsize,
}

/// While it is there, one call is idle.
pub(super) struct Idle(Arc<Crew>);

impl Crew {
    pub(super) fn new() -> Self {
        Self {
            gate: Semaphore::new(AT_ONCE),
            claims: Desk::new(),
            publications: Desk::new(),
            idle: AtomicUsize::new(0),
        }
    }

    pub(super) fn idle(self: &Arc<Self>) -> Idle {
        self.idle.fetch_add(1, Ordering::Relaxed);
        Idle(Arc::clone(self))
    }

    pub(super) fn count_idle(&self) -> usize {
        self.idle.load(Ordering::Relaxed)
    }

    /// The calls for all that was left at the desks.
    pub(super) fn calls_for_many(
        &self,
        backend: &Arc<dyn CacheBackend>,
    ) -> impl Iterator<Item = CallForMany> {
        let claims = self.claims.calls(backend, |backend, context, claims| {
            backend.claim_many(context, claims)
        });
        let publications = self
            .publications
            .calls(backend, |backend, context, publications| {
                backend.publish_many(context, publications)
            });
        claims.into_iter().chain(publications)
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        self.0.idle.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Where each call leaves what it has to ask the backend, so that it is asked for all of them at once.
pub(super) struct Desk<Q, A> {
    left: Mutex<Vec<Question<Q, A>>>,
}

/// Asks a backend for many.
type Ask<Q, A> =
    for<'a> fn(&'a dyn CacheBackend, CallContext, Vec<Q>) -> CacheFuture<'a, Vec<Result<A>>>;

struct Question<Q, A> {
    question: Q,
    context: CallContext,
    answer: oneshot::Sender<Result<A>>,
}

impl<Q: Send + 'static, A: Send + 'static> Desk<Q, A> {
    fn new() -> Self {
        Self {
            left: Mutex::default(),
        }
    }

    /// Has it asked together with what others ask.
    pub(super) async fn ask(&self, context: CallContext, question: Q) -> Result<A> {
        let (answer, answered) = oneshot::channel();
        self.left.lock().push(Question {
            question,
            context,
            answer,
        });
        answered.await.unwrap_or_else(|_| Err(no_answer()))
    }

    /// The calls for all that was left. Nobody waits longer than they have time, so those who have little
    /// of it are asked for apart from the others.
    fn calls(&self, backend: &Arc<dyn CacheBackend>, ask: Ask<Q, A>) -> Vec<CallForMany> {
        let mut left = std::mem::take(&mut *self.left.lock());
        // Who went away needs no answer, and nobody would know what became of it.
        left.retain(|left| !left.answer.is_closed());
        let timeout = |left: &Question<Q, A>| left.context.timeout();
        let longest = left.iter().map(timeout).max().unwrap_or_default();
        let (hasty, patient): (Vec<_>, Vec<_>) = left
            .into_iter()
            .partition(|left| timeout(left) < longest / 2);
        let calls = [hasty, patient].into_iter().filter_map(|left| {
            let timeout = left.iter().map(timeout).min()?;
            let context = CallContext::new(timeout);
            Some(call(Arc::clone(backend), context, left, ask))
        });
        calls.collect()
    }
}

fn call<Q: Send + 'static, A: Send + 'static>(
    backend: Arc<dyn CacheBackend>,
    context: CallContext,
    questions: Vec<Question<Q, A>>,
    ask: Ask<Q, A>,
) -> CallForMany {
    Box::pin(async move {
        let (questions, waiting): (Vec<_>, Vec<_>) = questions
            .into_iter()
            .map(|left| (left.question, left.answer))
            .unzip();
        // Who goes away meanwhile needs no answer.
        match ask(&*backend, context, questions).await {
            Ok(answers) => {
                for (waiting, answer) in waiting.into_iter().zip(answers) {
                    drop(waiting.send(answer));
                }
            }
            Err(error) => {
                for waiting in waiting {
                    drop(waiting.send(Err(error.clone())));
                }
            }
        }
    })
}

pub(super) fn no_answer() -> Error {
    Error::new(
        ErrorKind::Backend,
        "the backend answered for fewer keys than it was asked about",
    )
}
