//! One call: a connection, a request, its answer, and one deadline around all of it.

use std::time::Duration;

use maestro_cache_core::{Error, ErrorKind, Outcome, Result};
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

use crate::connections::Connections;
use crate::lost;
use crate::reply::Reply;
use crate::request::Request;
use crate::slot::{Lease, no_runtime};

/// What a request does, and so what may be done when its answer is lost.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intent {
    /// It changes nothing and may be asked again.
    Read,
    /// It must not be sent again: it may have taken effect.
    Write,
}

impl Intent {
    /// What is known about the effect of a request that was sent and not answered.
    fn outcome_unanswered(self) -> Outcome {
        match self {
            Self::Read => Outcome::NotApplied,
            Self::Write => Outcome::Unknown,
        }
    }
}

/// When a call has to be over.
#[derive(Clone, Copy)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// So long that it never comes, and short enough for every clock.
    const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

    pub(crate) fn after(timeout: Duration) -> Self {
        Self(Instant::now() + timeout.min(Self::NEVER))
    }
}

impl Connections {
    /// Sends the request over the connection whose turn it is. A read whose connection breaks is
    /// sent once more, over a new one.
    pub(crate) async fn call(
        &self,
        deadline: Deadline,
        intent: Intent,
        request: Request<'_>,
    ) -> Result<Reply> {
        let slot = self.next()?;
        let mut may_repeat = intent == Intent::Read;
        loop {
            let mut lease = in_time(deadline, slot.lease()).await?;
            match lease.exchange(deadline, intent, request).await {
                Err(error) if may_repeat && error.kind() == ErrorKind::Unavailable => {
                    may_repeat = false;
                }
                answer => return answer,
            }
        }
    }

    /// One connection, for several requests that belong together.
    pub(crate) async fn lease(&self, deadline: Deadline) -> Result<Lease<'_>> {
        in_time(deadline, self.next()?.lease()).await
    }
}

impl Lease<'_> {
    /// Sends the request and waits for the answer until the deadline.
    ///
    /// A refusal of the server is an answer. An error means that none came: in time, or at all.
    pub(crate) async fn exchange(
        &mut self,
        deadline: Deadline,
        intent: Intent,
        request: Request<'_>,
    ) -> Result<Reply> {
        // Tokio's timer panics without a runtime.
        if Handle::try_current().is_err() {
            return Err(no_runtime());
        }
        let sent = Instant::now();
        if sent >= deadline.0 {
            return Err(late("the deadline passed before anything was sent"));
        }
        let unanswered = intent.outcome_unanswered();
        match timeout_at(deadline.0, self.send(request)).await {
            Ok(Ok(value)) => Ok(Reply::new(value, unanswered)),
            Ok(Err(error)) => Err(lost::request(&error).with_outcome(unanswered)),
            Err(_) => {
                self.timed_out(sent);
                Err(late("the server did not answer within the deadline").with_outcome(unanswered))
            }
        }
    }
}

/// Waits for a connection. Nothing was sent yet, so nothing was changed.
async fn in_time<'a>(
    deadline: Deadline,
    connecting: impl Future<Output = Result<Lease<'a>>>,
) -> Result<Lease<'a>> {
    if Handle::try_current().is_err() {
        return Err(no_runtime());
    }
    match timeout_at(deadline.0, connecting).await {
        Ok(lease) => lease,
        Err(_) => Err(late("no connection to the server within the deadline")),
    }
}

fn late(message: &'static str) -> Error {
    Error::new(ErrorKind::Timeout, message)
}
