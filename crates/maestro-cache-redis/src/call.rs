//! One call: a connection, a request, its answer, and one deadline around all of it.

use std::borrow::Cow;
use std::time::Duration;

use maestro_cache_core::{Error, ErrorKind, Outcome, Result};
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

use crate::connection::{LinkHandle, Reason, Server, Unanswered, no_runtime};
use crate::reply::Reply;
use crate::request::{Request, Weight};

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
    pub(crate) fn outcome_unanswered(self) -> Outcome {
        match self {
            Self::Read => Outcome::NotApplied,
            Self::Write => Outcome::Unknown,
        }
    }
}

/// When a call has to be over.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// So long that it never comes, and short enough for every clock.
    const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

    pub(crate) fn after(timeout: Duration) -> Self {
        Self(Instant::now() + timeout.min(Self::NEVER))
    }

    #[cfg(feature = "cluster")]
    pub(crate) fn instant(self) -> Instant {
        self.0
    }
}

impl Server {
    /// Sends the request over one of the connections. What did nothing since its connection broke is
    /// sent once more, over another one: a read, and a write that was certainly not sent. So is a write
    /// that a replica refused, where there is a master to be found.
    pub(crate) async fn call(
        &self,
        deadline: Deadline,
        intent: Intent,
        request: &Request,
    ) -> Result<Reply> {
        let link = self.link_within(deadline, 0, request.weight()).await?;
        match link.exchange(deadline, intent, request).await {
            Ok(reply) if !reply.is_of_a_replica() => Ok(reply),
            answer => {
                let first = (link, answer);
                Box::pin(self.call_again(first, deadline, intent, request)).await
            }
        }
    }

    /// Sends it once more if that may help, after a first answer that was none, or that of a replica.
    async fn call_again(
        &self,
        (mut link, mut answer): (LinkHandle, Result<Reply>),
        deadline: Deadline,
        intent: Intent,
        request: &Request,
    ) -> Result<Reply> {
        let mut request = Cow::Borrowed(request);
        // What is sent once more takes the same way, and not that of what is heavy: the link at its end may
        // be as dead, and not be known to be.
        let weight = request.weight();
        let mut may_repeat = true;
        let mut may_follow = self.follows_the_master();
        loop {
            match answer {
                Err(error) if may_repeat && did_nothing_on_a_broken_link(&error) => {
                    may_repeat = false;
                    // The link may have looked dead for the sake of a large value.
                    request = Cow::Owned(request.alone());
                }
                Ok(reply) if may_follow && reply.is_of_a_replica() => {
                    may_follow = false;
                    link.retire();
                }
                Ok(reply) => {
                    if reply.is_of_a_replica() {
                        self.write_was_refused(&link);
                    }
                    return Ok(reply);
                }
                Err(error) => {
                    self.heed(&error);
                    return Err(error);
                }
            }
            link = self.link_within(deadline, self.attempts(), weight).await?;
            if Instant::now() >= deadline.0 {
                return Err(too_late());
            }
            answer = link.exchange(deadline, intent, &request).await;
        }
    }

    fn heed(&self, error: &Error) {
        if error.kind() == ErrorKind::Timeout {
            self.timed_out();
        }
    }

    /// A connection from a later attempt than that one, for one request or for several that belong
    /// together. Mostly there is one, and the large future of those who wait is not made.
    pub(crate) async fn link_within(
        &self,
        deadline: Deadline,
        spent: u64,
        weight: Weight,
    ) -> Result<LinkHandle> {
        // Tokio's timer panics without a runtime.
        let runtime = Handle::try_current().map_err(|_| no_runtime())?;
        match self.link_now(spent, weight, &runtime) {
            Ok(Some(link)) => Ok(link),
            _ => Box::pin(within(
                deadline,
                self.link_newer_than(spent, weight, runtime),
            ))
            .await
            .inspect_err(|error| self.heed(error)),
        }
    }
}

/// Waits for a connection. Nothing was sent yet, so nothing was changed.
async fn within(
    deadline: Deadline,
    connecting: impl Future<Output = Result<LinkHandle>>,
) -> Result<LinkHandle> {
    match timeout_at(deadline.0, connecting).await {
        Ok(link) => link,
        Err(_) => Err(late("no connection to the server within the deadline")),
    }
}

impl LinkHandle {
    /// Sends the request and waits for the answer until the deadline.
    ///
    /// A refusal of the server is an answer. An error means that none came: in time, or at all.
    pub(crate) async fn exchange(
        &self,
        deadline: Deadline,
        intent: Intent,
        request: &Request,
    ) -> Result<Reply> {
        let unanswered = intent.outcome_unanswered();
        match self.send(deadline.0, request).await {
            Ok(value) => Ok(Reply::new(value, unanswered)),
            Err(Unanswered { reason, was_sent }) => {
                let error = match reason {
                    Reason::Late => late("the server did not answer within the deadline"),
                    Reason::Lost(error) => Error::from(&error),
                };
                Err(if was_sent {
                    error.with_outcome(unanswered)
                } else {
                    error
                })
            }
        }
    }
}

fn did_nothing_on_a_broken_link(error: &Error) -> bool {
    error.kind() == ErrorKind::Unavailable && error.outcome() == Outcome::NotApplied
}

pub(crate) fn too_late() -> Error {
    late("the deadline passed before anything was sent")
}

pub(crate) fn late(message: &'static str) -> Error {
    Error::new(ErrorKind::Timeout, message)
}
