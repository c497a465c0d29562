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
pub(crate) enum Started<'a, A, F, T> {
    /// It is over: the backend knew the answer, as memory does, and nobody listens to spans.
    Done(Result<T>),
    Running(Running<'a, A, F>),
}

impl Shared {
    /// Runs an operation: `call` asks the backend, `finish` makes the result of its answer.
    ///
    /// The key, if the operation has one, is checked, and `call` gets it with its prefix; without
    /// one `call` gets an empty text.
    pub(crate) fn run<'a, A, C, F, T>(
        &'a self,
        operation: Operation,
        key: Option<&'a str>,
        call: C,
        finish: F,
    ) -> Run<'a, A, C, F>
    where
        C: FnOnce(&'a dyn CacheBackend, CallContext, &str) -> CacheFuture<'a, A>,
        F: FnOnce(A) -> Result<T>,
    {
        Run {
            shared: self,
            operation,
            key,
            waiting: Some((call, finish)),
            running: None,
        }
    }

    /// Begins an operation. To be called when its own future is polled first, not earlier: a backend
    /// may do its work in the call.
    #[inline]
    pub(crate) fn start<'a, A, F, T>(
        &'a self,
        operation: Operation,
        key: Option<&'a str>,
        call: impl FnOnce(&'a dyn CacheBackend, CallContext, &str) -> CacheFuture<'a, A>,
        finish: F,
    ) -> Started<'a, A, F, T>
    where
        F: FnOnce(A) -> Result<T>,
    {
        let (span, future) = if LevelFilter::current() < Level::DEBUG {
            match self.ask(key, call).into_ready() {
                Ok(answer) => {
                    let result = answer.and_then(finish);
                    return Started::Done(
                        result
                            .map_err(|error| error.in_context(operation, key, self.backend.name())),
                    );
                }
                Err(future) => (Span::none(), future),
            }
        } else {
            self.ask_in_span(operation, key, call)
        };
        Started::Running(Running {
            operation,
            key,
            backend: &*self.backend,
            span,
            future,
            finish: Some(finish),
        })
    }

    #[cold] // So that what is done when nobody listens is not burdened with it.
    #[inline(never)]
    fn ask_in_span<'a, A>(
        &'a self,
        operation: Operation,
        key: Option<&str>,
        call: impl FnOnce(&'a dyn CacheBackend, CallContext, &str) -> CacheFuture<'a, A>,
    ) -> (Span, CacheFuture<'a, A>) {
        let span = tracing::debug_span!(
            target: "maestro_cache",
            "cache",
            operation = operation.as_str(),
            backend = self.backend.name(),
            key,
            error = Empty,
        );
        let future = span.in_scope(|| self.ask(key, call));
        (span, future)
    }

    /// Asks the backend, if there is nothing wrong with the key.
    #[inline(always)] // Of the two who call it, one is on the way of every operation.
    fn ask<'a, A>(
        &'a self,
        key: Option<&str>,
        call: impl FnOnce(&'a dyn CacheBackend, CallContext, &str) -> CacheFuture<'a, A>,
    ) -> CacheFuture<'a, A> {
        let backend = &*self.backend;
        let context = CallContext::new(self.timeout);
        let Some(key) = key else {
            return call(backend, context, "");
        };
        match key::check(key) {
            Ok(()) => key::with_stored(&self.prefix, key, |key| call(backend, context, key)),
            Err(error) => error.into(),
        }
    }
}

/// An operation, from the first poll to its end. It is written out, since a hit in memory is so quick
/// that the states of an `async fn` or two around it are much of what it costs.
pub(crate) struct Run<'a, A, C, F> {
    shared: &'a Shared,
    operation: Operation,
    key: Option<&'a str>,
    waiting: Option<(C, F)>,
    running: Option<Running<'a, A, F>>,
}

// Nothing is pinned in place: what waits is moved out, and what runs is `Unpin`.
impl<A, C, F> Unpin for Run<'_, A, C, F> {}

impl<'a, A, C, F, T> Future for Run<'a, A, C, F>
where
    C: FnOnce(&'a dyn CacheBackend, CallContext, &str) -> CacheFuture<'a, A>,
    F: FnOnce(A) -> Result<T>,
{
    type Output = Result<T>;

    #[allow(clippy::panic)] // Only for a caller who polls on after it was ready.
    #[inline]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        let run = &mut *self;
        if let Some((call, finish)) = run.waiting.take() {
            match run.shared.start(run.operation, run.key, call, finish) {
                Started::Done(result) => return Poll::Ready(result),
                Started::Running(running) => run.running = Some(running),
            }
        }
        let Some(running) = &mut run.running else {
            panic!("an operation of the cache was polled after completion");
        };
        Pin::new(running).poll(context)
    }
}

/// An operation on its way.
pub(crate) struct Running<'a, A, F> {
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
