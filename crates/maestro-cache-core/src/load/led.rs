//! What becomes of a load when those who lead it or wait for it go away.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::Handle;

use super::error::LoadError;
use super::flight::{Fence, Landing, Leader, Told, Waiter};
use super::waits::LoaderCall;
use crate::{CacheBackend, CallContext, LoadToken};

/// Where the value of a load belongs.
#[derive(Clone)]
pub(super) struct Home {
    pub(super) backend: Arc<dyn CacheBackend>,
    /// With its prefix.
    pub(super) key: Arc<str>,
    pub(super) timeout: Duration,
}

impl Home {
    /// Lets go of a claim whose load is over, without anybody who waits for it: at once where the backend
    /// can do that, and otherwise as soon as it gets round to it. Should that fail, the claim ends by
    /// itself.
    pub(super) fn let_go(&self, token: LoadToken) {
        let context = CallContext::new(self.timeout);
        let release = self.backend.release(context, &self.key, token, None);
        if release.into_ready().is_ok() {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            let home = self.clone();
            runtime.spawn(async move {
                let release = home.backend.release(context, &home.key, token, None);
                let _ = release.await;
            });
        }
    }
}

/// A load that is led here. Dropped, it goes on with one of those who wait, or is over.
pub(super) struct Led {
    leader: Option<Leader>,
    call: LoaderCall,
    home: Home,
    /// The loader is being polled: whoever drops this now is a panic on its way.
    is_polling: bool,
}

impl Led {
    pub(super) fn new(leader: Leader, home: Home) -> Self {
        Self {
            call: leader.call(),
            leader: Some(leader),
            home,
            is_polling: false,
        }
    }

    /// The call of the loader.
    pub(super) fn call(&self) -> LoaderCall {
        self.call
    }

    pub(super) fn is_awaited(&self) -> bool {
        self.leader.as_ref().is_some_and(Leader::is_awaited)
    }

    pub(super) fn token(&self) -> Option<LoadToken> {
        self.leader.as_ref().and_then(Leader::token)
    }

    pub(super) fn ask_for(&self, token: LoadToken) {
        if let Some(leader) = &self.leader {
            leader.ask_for(token);
        }
    }

    pub(super) fn begin(&self, token: Option<LoadToken>) {
        if let Some(leader) = &self.leader {
            leader.begin(token);
        }
    }

    pub(super) fn waiting(&mut self) -> Option<Waiting> {
        let waiter = self.leader.as_mut()?.waiter();
        Some(Waiting::new(waiter, self.home.clone()))
    }

    /// Runs what may panic on behalf of those who wait.
    pub(super) fn run<T>(&mut self, run: impl FnOnce() -> T) -> T {
        self.is_polling = true;
        let result = run();
        self.is_polling = false;
        result
    }

    pub(super) fn land(&mut self, landing: Landing) {
        if let Some(leader) = self.leader.take() {
            leader.land(landing);
        }
    }
}

impl Drop for Led {
    fn drop(&mut self) {
        let Some(leader) = self.leader.take() else {
            return;
        };
        let left = if self.is_polling {
            self.home.backend.flights().counts().note_failure();
            let token = leader.token();
            leader.land(Landing::Failed(LoadError::Panicked, Fence::Intact));
            token
        } else {
            leader.leave()
        };
        if let Some(token) = left {
            self.home.let_go(token);
        }
    }
}

/// The result of a load that is led elsewhere, or the load itself if nobody leads it any more.
pub(super) struct Waiting {
    waiter: Waiter,
    home: Home,
}

impl Waiting {
    pub(super) fn new(waiter: Waiter, home: Home) -> Self {
        Self { waiter, home }
    }
}

impl Future for Waiting {
    type Output = Told;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Told> {
        self.waiter.poll(context.waker())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(token) = self.waiter.leave() {
            self.home.let_go(token);
        }
    }
}
