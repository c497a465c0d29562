//! One call: a connection, a request, its answer, and one deadline around all of it.

use std::sync::Arc;
use std::time::Duration;

use maestro_cache_core::{Error, ErrorKind, Outcome, Result};
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout_at};

use crate::driver::{Unanswered, Why};
use crate::reply::Reply;
use crate::request::{Joinable, Request, Weight};
use crate::server::{Lease, Server, no_runtime};
use crate::{commands, lost};

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

    pub(crate) fn instant(self) -> Instant {
        self.0
    }
}

impl Server {
    /// Sends the request over one of the connections. A read whose connection breaks is
    /// sent once more, over another one. So is a write that a replica refused, where there is a
    /// master to be found.
    pub(crate) async fn call(
        &self,
        deadline: Deadline,
        intent: Intent,
        request: &Request,
    ) -> Result<Reply> {
        let mut may_repeat = intent == Intent::Read;
        let mut may_follow = self.follows_the_master();
        let mut spent = 0;
        loop {
            let lease = self.lease_within(deadline, spent, request.weight()).await?;
            match lease.exchange(deadline, intent, request).await {
                Err(error) if may_repeat && error.kind() == ErrorKind::Unavailable => {
                    may_repeat = false;
                    spent = self.attempts();
                }
                Ok(reply) if may_follow && reply.is_of_a_replica() => {
                    may_follow = false;
                    spent = self.attempts();
                    lease.retire();
                }
                answer => return answer.inspect_err(|error| self.heed(error)),
            }
        }
    }

    /// `GET` of a key, together with others unless it is known to hold a large value.
    pub(crate) async fn get(&self, deadline: Deadline, key: Arc<str>) -> Result<Reply> {
        let large = self.large();
        let get = if large.holds(&key) {
            Request::heavy(commands::keyed("GET", &key))
        } else {
            Joinable::Get(Arc::clone(&key)).into()
        };
        let reply = self.call(deadline, Intent::Read, &get).await?;
        large.note(&key, reply.as_value());
        Ok(reply)
    }

    /// `PTTL` of a key, and then `GET`.
    pub(crate) async fn look(&self, deadline: Deadline, key: &str) -> Result<(Reply, Reply)> {
        let weight = if self.large().holds(key) {
            Weight::Heavy
        } else {
            Weight::Light
        };
        let look = Request::of_weight(commands::look(key), weight);
        let [left, value] = self.call(deadline, Intent::Read, &look).await?.parts()?;
        self.large().note(key, value.as_value());
        Ok((left, value))
    }

    /// `EXISTS` of a key, and then `GETRANGE` of the end of its value.
    pub(crate) async fn glance(&self, deadline: Deadline, key: &str) -> Result<(Reply, Reply)> {
        let glance = Request::of_weight(commands::glance(key), Weight::Light);
        let reply = self.call(deadline, Intent::Read, &glance).await?;
        let [exists, end] = reply.parts()?;
        Ok((exists, end))
    }

    fn heed(&self, error: &Error) {
        if error.kind() == ErrorKind::Timeout {
            self.timed_out();
        }
    }

    /// A connection from a later attempt than that one, for one request or for several that belong
    /// together. Mostly there is one, and the large future of those who wait is not made.
    pub(crate) async fn lease_within(
        &self,
        deadline: Deadline,
        spent: u64,
        weight: Weight,
    ) -> Result<Lease> {
        // Tokio's timer panics without a runtime.
        let runtime = Handle::try_current().map_err(|_| no_runtime())?;
        match self.lease_now(spent, weight, &runtime) {
            Ok(Some(lease)) => Ok(lease),
            _ => Box::pin(within(
                deadline,
                self.lease_newer_than(spent, weight, runtime),
            ))
            .await
            .inspect_err(|error| self.heed(error)),
        }
    }
}

/// Waits for a connection. Nothing was sent yet, so nothing was changed.
async fn within(
    deadline: Deadline,
    connecting: impl Future<Output = Result<Lease>>,
) -> Result<Lease> {
    match timeout_at(deadline.0, connecting).await {
        Ok(lease) => lease,
        Err(_) => Err(late("no connection to the server within the deadline")),
    }
}

impl Lease {
    /// Sends the request and waits for the answer until the deadline.
    ///
    /// A refusal of the server is an answer. An error means that none came: in time, or at all.
    pub(crate) async fn exchange(
        &self,
        deadline: Deadline,
        intent: Intent,
        request: &Request,
    ) -> Result<Reply> {
        if Instant::now() >= deadline.0 {
            return Err(late("the deadline passed before anything was sent"));
        }
        let unanswered = intent.outcome_unanswered();
        match self.send(deadline.0, request.clone()).await {
            Ok(value) => Ok(Reply::new(value, unanswered)),
            Err(Unanswered { why, was_sent }) => {
                let error = match why {
                    Why::Late => late("the server did not answer within the deadline"),
                    Why::Lost(lost) => lost::request(&lost),
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

pub(crate) fn late(message: &'static str) -> Error {
    Error::new(ErrorKind::Timeout, message)
}
