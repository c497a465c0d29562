//! Writes of many keys at once, each to the node of its slot.

use std::sync::Arc;

use maestro_cache_core::{Error, Outcome, Result};

use super::{Cluster, slot};
use crate::call::{Deadline, Intent};
use crate::commands;
use crate::deployment::Slot;
use crate::found::removed;
use crate::reply::Reply;
use crate::request::{Request, Weight};
use crate::together::{AT_ONCE, all_of};

impl Cluster {
    /// Removes the keys, and counts those that were live. None is there twice.
    pub(crate) async fn delete<K: AsRef<[u8]> + Sync>(
        self: &Arc<Self>,
        deadline: Deadline,
        keys: &[K],
    ) -> Result<u64> {
        let removals: Vec<_> = keys
            .iter()
            .map(|key| {
                let delete = commands::delete(&[key.as_ref()]);
                (slot(key.as_ref()), Request::several(delete, Weight::Light))
            })
            .collect();
        let replies = self.write_all(deadline, &removals).await?;
        replies.into_iter().map(|reply| removed(reply, 1)).sum()
    }

    /// Sends each request to the node of its slot, and returns the answers in order. Those to one node
    /// go out together, as all that is asked at the same time.
    ///
    /// If one of them fails, so does the batch. What the others were told is done nevertheless, so
    /// its outcome is unknown then.
    pub(crate) async fn write_all(
        self: &Arc<Self>,
        deadline: Deadline,
        writes: &[(Slot, Request)],
    ) -> Result<Vec<Reply>> {
        let calls: Vec<_> = writes
            .iter()
            .map(|(slot, request)| self.call(*slot, deadline, Intent::Write, request))
            .collect();
        let answers = all_of(calls, AT_ONCE).await;
        let mut fate = Fate::default();
        for answer in &answers {
            match answer {
                Ok(reply) => fate.answered(reply),
                Err(error) => fate.failed(error.clone()),
            }
        }
        fate.judge()?;
        answers.into_iter().collect()
    }
}

/// What became of a batch as a whole.
#[derive(Default)]
struct Fate {
    is_any_done: bool,
    is_any_unknown: bool,
    /// Why one got no answer.
    failure: Option<Error>,
    /// Why a node refused one.
    refusal: Option<Error>,
}

impl Fate {
    fn answered(&mut self, reply: &Reply) {
        match reply.refusal() {
            None => self.is_any_done = true,
            refusal => self.refusal = self.refusal.take().or(refusal),
        }
    }

    fn failed(&mut self, error: Error) {
        self.is_any_unknown |= error.outcome() == Outcome::Unknown;
        self.failure = self.failure.take().or(Some(error));
    }

    /// The error of the batch, if it has one.
    fn judge(self) -> Result<()> {
        match self.failure.or(self.refusal) {
            None => Ok(()),
            Some(error) if self.is_any_done || self.is_any_unknown => {
                Err(error.with_outcome(Outcome::Unknown))
            }
            Some(error) => Err(error),
        }
    }
}

#[cfg(test)]
#[path = "../../tests/unit/cluster/batch.rs"]
mod tests;
