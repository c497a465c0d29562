//! The one way that every operation goes: context, deadline, span.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tracing::field::Empty;
use tracing::level_filters::LevelFilter;
use tracing::{Level, Span};

use super::Shared;
use crate::{CacheBackend, CacheFuture, CallContext, Error, Operation, Result, key};

/// How an operation has begun.
pub(super) enum Started<'a, A, F, T> {
    /// It is over: the backend knew the answer, as memory does, and nobody listens to spans.
    Done(Result<T>),
    Running(Running<'a, A, F>),
}

impl Shared {
    /// Runs an operation: `call` asks the backend, `finish` makes the result of its answer.
    ///
    /// The key, if the operation has one, is checked, and `call` gets it with its prefix; without
    /// one `call` gets an empty text.
    pub(super) async fn run<'a, A, F, T>(
        &'a self,
        operation: Operation,
        key: Option<&'a str>,
        call: impl FnOnce(&'a dyn CacheBackend, CallContext, &str) -> CacheFuture<'a, A>,
        finish: F,
    ) -> Result<T>
    where
        F: FnOnce(A) -> Result<T>,
    {
        let running = match self.start(operation, key, call, finish) {
            Started::Done(result) => return result,
            Started::Running(running) => running,
        };
        running.await
    }

    /// Begins an operation. To be called when its own future is polled first, not earlier: a backend
    /// may do its work in the call.
    pub(super) fn start<'a, A, F, T>(
        &'a self,
        operation: Operation,
        key: Option<&'a str>,
        call: impl FnOnce(&'a dyn CacheBackend, CallContext, &str) -> CacheFuture<'a, A>,
        finish: F,
    ) -> Started<'a, A, F, T>
    where
        F: FnOnce(A) -> Result<T>,
    {
        let backend = &*self.backend;
        let context = CallContext::new(self.timeout);
        let begin = || match key.map(|key| key::check(key).map(|()| key)) {
            None => call(backend, context, ""),
            Some(Ok(key)) => key::with_stored(&self.prefix, key, |key| call(backend, context, key)),
            Some(Err(error)) => error.into(),
        };
        let (span, future) = if LevelFilter::current() < Level::DEBUG {
            match begin().into_ready() {
                Ok(answer) => {
                    let result = answer.and_then(finish);
                    return Started::Done(
                        result.map_err(|error| error.in_context(operation, key, backend.name())),
                    );
                }
                Err(future) => (Span::none(), future),
            }
        } else {
            let span = tracing::debug_span!(
                target: "maestro_cache",
                "cache",
                operation = operation.as_str(),
                backend = backend.name(),
                key,
                error = Empty,
            );
            let future = span.in_scope(begin);
            (span, future)
        };
        Started::Running(Running {
            operation,
            key,
            backend,
            span,
            future,
            finish: Some(finish),
        })
    }
}

/// An operation on its way.
pub(super) struct Running<'a, A, F> {
    operation: Operation,
    key: Option<&'a str>,
    backend: &'a dyn CacheBackend,
    span: Span,
    future: CacheFuture<'a, A>,
    finish: Option<F>,
}

// Nothing is pinned in place: the backend's future is `Unpin`, and `finish` is only moved out.
impl<A, F> Unpin for Running<'_, A, F> {}

impl<A, F, T> Future for Running<'_, A, F>
where
    F: FnOnce(A) -> Result<T>,
{
    type Output = Result<T>;

    #[allow(clippy::panic)] // Only for a caller who polls on after it was ready.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        let running = &mut *self;
        let _entered = running.span.enter();
        let answer = ready!(Pin::new(&mut running.future).poll(context));
        let Some(finish) = running.finish.take() else {
            panic!("an operation of the cache was polled after completion");
        };
        Poll::Ready(answer.and_then(finish).map_err(|error| {
            let error = error.in_context(running.operation, running.key, running.backend.name());
            running
                .span
                .record("error", tracing::field::debug(error.kind()));
            error
        }))
    }
}

/// The `finish` of operations whose answer is their result.
pub(super) fn as_it_is<T>(answer: T) -> Result<T, Error> {
    Ok(answer)
}
