//! How long a load may wait for the cache, all its calls together.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::crew::Crew;
use crate::{CacheFuture, CallContext, Error, ErrorKind, Result};

pub(super) struct Budget {
    left: Duration,
    /// Whose turn has to be waited for before the backend is asked.
    crew: Option<Arc<Crew>>,
}

impl Budget {
    pub(super) fn new(timeout: Duration, crew: Option<Arc<Crew>>) -> Self {
        Self {
            left: timeout,
            crew,
        }
    }

    /// Asks the backend within what is left, and takes what that took.
    pub(super) async fn spend<'a, T>(
        &mut self,
        ask: impl FnOnce(CallContext) -> CacheFuture<'a, T>,
    ) -> Result<T> {
        // Memory does not wait, and need not be timed.
        if self.crew.is_none() {
            match ask(CallContext::new(self.left)).into_ready() {
                Ok(answer) => return answer,
                Err(future) => return self.wait(future).await,
            }
        }
        let began = Instant::now();
        let crew = self.crew.clone();
        // It is never closed.
        let _turn = match &crew {
            Some(crew) => crew.gate.acquire().await.ok(),
            None => None,
        };
        self.take(began.elapsed());
        let future = ask(self.context()?);
        self.wait(future).await
    }

    /// What is left. A batch that waits for a cache in trouble would only add to that.
    fn context(&self) -> Result<CallContext> {
        if self.left.is_zero() {
            return Err(late());
        }
        Ok(CallContext::new(self.left))
    }

    /// Has the backend asked, together with what others ask, within what is left.
    pub(super) async fn spend_together<T, F: Future<Output = Result<T>>>(
        &mut self,
        ask: impl FnOnce(CallContext) -> F,
    ) -> Result<T> {
        let future = ask(self.context()?);
        self.wait(future).await
    }

    async fn wait<T>(&mut self, future: impl Future<Output = Result<T>>) -> Result<T> {
        let began = Instant::now();
        let answer = future.await;
        self.take(began.elapsed());
        answer
    }

    /// Takes what was spent.
    pub(super) fn take(&mut self, spent: Duration) {
        self.left = self.left.saturating_sub(spent);
    }
}

fn late() -> Error {
    Error::new(
        ErrorKind::Timeout,
        "the cache has taken all the time that it has for one load",
    )
}
