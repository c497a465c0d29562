//! Writes of many keys at once, each to the node of its slot.

use std::sync::Arc;

use maestro_cache_core::{Outcome, Result};

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
        judge(&answers)?;
        answers.into_iter().collect()
    }
}

/// The error of several writes, if they have one: why some got no answer, or why one was refused.
fn judge(answers: &[Result<Reply>]) -> Result<()> {
    let may_be_done = |answer: &Result<Reply>| match answer {
        Ok(reply) => reply.refusal().is_none(),
        Err(error) => error.outcome() == Outcome::Unknown,
    };
    let failure = answers
        .iter()
        .find_map(|answer| answer.as_ref().err().cloned());
    let refusal = || answers.iter().flatten().find_map(Reply::refusal);
    match failure.or_else(refusal) {
        None => Ok(()),
        Some(error) if answers.iter().any(may_be_done) => Err(error.with_outcome(Outcome::Unknown)),
        Some(error) => Err(error),
    }
}

#[cfg(test)]
#[path = "../../tests/unit/cluster/batch.rs"]
mod tests;
