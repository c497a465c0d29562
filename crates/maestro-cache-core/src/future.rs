//! The future that every backend method returns: ready at once, or boxed.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::{Error, Result};

/// The answer of a backend: either ready, or a boxed future that borrows the backend.
///
/// A backend that answers at once, as memory does, returns [`CacheFuture::ready`] and costs no
/// allocation; one that waits for a server returns [`CacheFuture::pending`]. The future borrows
/// the backend only, never the arguments: whatever must outlive the call is copied into it.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> maestro_cache_core::Result<()> {
/// use maestro_cache_core::CacheFuture;
///
/// let known: CacheFuture<'_, u64> = CacheFuture::ready(Ok(5));
/// let waits: CacheFuture<'_, u64> = CacheFuture::pending(async {
///     tokio::task::yield_now().await; // where a backend asks its server
///     Ok(5)
/// });
/// assert_eq!(known.await?, waits.await?);
/// # Ok(())
/// # }
/// ```
///
/// # Cancellation
///
/// Dropping the future before it is ready must leak nothing and disturb no other call. What a
/// server was already told may still happen.
///
/// # Panics
///
/// Polled again after it was ready, it panics, as futures may.
#[must_use = "a future does nothing until it is awaited"]
pub struct CacheFuture<'a, T>(State<'a, T>);

enum State<'a, T> {
    Ready(Option<Result<T>>),
    Boxed(Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>),
}

impl<'a, T> CacheFuture<'a, T> {
    /// An answer that is there already. Allocates nothing.
    pub fn ready(result: Result<T>) -> Self {
        Self(State::Ready(Some(result)))
    }

    /// An answer that has to be waited for. Allocates once.
    pub fn pending(future: impl Future<Output = Result<T>> + Send + 'a) -> Self {
        Self(State::Boxed(Box::pin(future)))
    }
}

impl<'a, T> CacheFuture<'a, T> {
    /// The answer, if it is there already; otherwise the future that waits for it.
    #[inline]
    pub(crate) fn into_ready(self) -> std::result::Result<Result<T>, Self> {
        match self.0 {
            State::Ready(Some(answer)) => Ok(answer),
            state => Err(Self(state)),
        }
    }
}

impl<T> From<Result<T>> for CacheFuture<'_, T> {
    fn from(result: Result<T>) -> Self {
        Self::ready(result)
    }
}

impl<T> From<Error> for CacheFuture<'_, T> {
    fn from(error: Error) -> Self {
        Self::ready(Err(error))
    }
}

// Nothing is pinned in place: the boxed future is pinned in its box, a ready result is moved out.
impl<T> Unpin for CacheFuture<'_, T> {}

impl<T> Future for CacheFuture<'_, T> {
    type Output = Result<T>;

    #[allow(clippy::panic)] // Only for a caller who polls on after it was ready.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Ready(result) => match result.take() {
                Some(result) => Poll::Ready(result),
                None => panic!("`CacheFuture` polled after completion"),
            },
            State::Boxed(future) => future.as_mut().poll(context),
        }
    }
}

impl<T> fmt::Debug for CacheFuture<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The result may hold a value, and values are never shown.
        f.write_str(match self.0 {
            State::Ready(_) => "CacheFuture(ready)",
            State::Boxed(_) => "CacheFuture(pending)",
        })
    }
}
