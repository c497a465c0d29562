//! How long a load may wait for the cache, all its calls together.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::batch::Crew;
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
        if self.left.is_zero() {
            return Err(Error::new(
                ErrorKind::Timeout,
                "the cache has taken all the time that it has for one load",
            ));
        }
        let _turn = match &self.crew {
            // It is never closed.
            Some(crew) => crew.gate.acquire().await.ok(),
            None => None,
        };
        match ask(CallContext::new(self.left)).into_ready() {
            // Memory does not wait, and need not be timed.
            Ok(answer) => answer,
            Err(future) => {
                let began = Instant::now();
                let answer = future.await;
                self.left = self.left.saturating_sub(began.elapsed());
                answer
            }
        }
    }
}
