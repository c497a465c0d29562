//! Many commands at once: one message a node, each command on its own.

use std::sync::Arc;

use futures_util::future::join_all;
use maestro_cache_core::{Error, ErrorKind, Outcome, Result};

use super::{Cluster, Node, Redirect};
use crate::call::{Deadline, Intent};
use crate::deployment::Slot;
use crate::reply::Reply;
use crate::resp::{Command, Pipeline};
use crate::scripts::ScriptCall;

/// The commands for one node, and where their answers belong.
struct Share {
    node: Arc<Node>,
    places: Vec<usize>,
    commands: Pipeline,
}

/// What is sent to the node of a slot.
pub(crate) trait Errand: Send + Sync {
    /// The command, or the one that also tells the node what it does not know.
    fn command(&self, is_in_full: bool) -> Command;
}

impl Errand for Command {
    fn command(&self, _is_in_full: bool) -> Command {
        self.clone()
    }
}

impl Errand for ScriptCall {
    fn command(&self, is_in_full: bool) -> Command {
        if is_in_full {
            self.in_full()
        } else {
            self.by_digest()
        }
    }
}

impl Cluster {
    /// Sends each command to the node of its slot, and returns the answers in order.
    ///
    /// The nodes are asked at the same time. If one of them fails, so does the batch; what the others
    /// were told is done nevertheless, so a write has an unknown outcome then.
    pub(crate) async fn batch(
        self: &Arc<Self>,
        deadline: Deadline,
        intent: Intent,
        commands: Vec<(Slot, impl Errand)>,
    ) -> Result<Vec<Reply>> {
        let shares = self.shares(deadline, &commands).await?;
        let asked = shares.iter().map(|share| async {
            let request = share.commands.clone().into();
            let replies = share.node.server.call(deadline, intent, &request).await;
            replies.and_then(Reply::many)
        });
        let answers = join_all(asked).await;
        let mut replies: Vec<Option<Reply>> = commands.iter().map(|_| None).collect();
        let (mut again, mut fate) = (Vec::new(), Fate::default());
        for (share, answer) in shares.iter().zip(answers) {
            match answer {
                Ok(answers) => {
                    for (at, reply) in share.places.iter().zip(answers) {
                        match reply.redirect(&share.node.address) {
                            None if reply.is_unknown_script() => again.push(*at),
                            None => {
                                fate.answered(&reply);
                                if let Some(place) = replies.get_mut(*at) {
                                    *place = Some(reply);
                                }
                            }
                            Some(redirect) => {
                                if let Redirect::Moved(slot, address) = redirect {
                                    self.moved(slot, address)?;
                                    self.draw_soon();
                                }
                                again.push(*at);
                            }
                        }
                    }
                }
                Err(error) => {
                    self.draw_soon();
                    fate.failed(error);
                }
            }
        }
        if fate.failure.is_none() {
            // Each goes its own way: only those of slots that just move, and those whose node has to
            // be told a script. They did nothing where they were refused.
            let asked = again.iter().filter_map(|at| commands.get(*at));
            let asked = asked.map(|(slot, command)| async move {
                let request = command.command(true).into();
                self.call(*slot, deadline, intent, &request).await
            });
            for (at, answer) in again.iter().zip(join_all(asked).await) {
                match answer {
                    Ok(reply) => {
                        fate.answered(&reply);
                        if let Some(place) = replies.get_mut(*at) {
                            *place = Some(reply);
                        }
                    }
                    Err(error) => fate.failed(error),
                }
            }
        }
        fate.judge(intent)?;
        let missing = || {
            Error::new(
                ErrorKind::Backend,
                "a node left a command without an answer",
            )
        };
        replies
            .into_iter()
            .map(|reply| reply.ok_or_else(missing))
            .collect()
    }

    async fn shares(
        self: &Arc<Self>,
        deadline: Deadline,
        commands: &[(Slot, impl Errand)],
    ) -> Result<Vec<Share>> {
        let slots: Vec<Slot> = commands.iter().map(|(slot, _)| *slot).collect();
        let by_node = self.by_node(deadline, &slots).await;
        if let Some((_, error)) = by_node.of_nobody.into_iter().next() {
            return Err(error);
        }
        let shares = by_node.of_nodes.into_iter().map(|(node, places)| {
            let mut pipeline = Pipeline::new();
            for (_, command) in places.iter().filter_map(|at| commands.get(*at)) {
                pipeline.add(command.command(false));
            }
            Share {
                node,
                places,
                commands: pipeline,
            }
        });
        Ok(shares.collect())
    }

    /// Finds out whose each of the slots is.
    pub(crate) async fn by_node(self: &Arc<Self>, deadline: Deadline, slots: &[Slot]) -> ByNode {
        let mut found = ByNode::default();
        for (at, slot) in slots.iter().enumerate() {
            let node = match (self.known_owner(*slot), found.of_nobody.last()) {
                (Some(node), _) => Ok(node),
                // The map was drawn anew for that one, which need not be done again.
                (None, Some((_, error))) => Err(error.clone()),
                (None, None) => self.owner(*slot, deadline).await,
            };
            match node {
                Ok(node) => found.add(node, at),
                Err(error) => found.of_nobody.push((at, error)),
            }
        }
        found
    }
}

/// Whose slots are, each named by its place among those that were asked about.
#[derive(Default)]
pub(crate) struct ByNode {
    pub(crate) of_nodes: Vec<(Arc<Node>, Vec<usize>)>,
    /// With the reason why none is known.
    pub(crate) of_nobody: Vec<(usize, Error)>,
}

impl ByNode {
    fn add(&mut self, node: Arc<Node>, at: usize) {
        let known = self
            .of_nodes
            .iter_mut()
            .find(|(known, _)| Arc::ptr_eq(known, &node));
        match known {
            Some((_, places)) => places.push(at),
            None => self.of_nodes.push((node, vec![at])),
        }
    }
}

/// What became of a batch as a whole.
#[derive(Default)]
struct Fate {
    is_any_done: bool,
    is_any_unknown: bool,
    /// Why a share got no answers.
    failure: Option<Error>,
    /// Why a node refused a command.
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

    /// The error of the batch, if it has one. A refusal is one of a write; what it means for one of
    /// several values is for the reader to say.
    fn judge(self, intent: Intent) -> Result<()> {
        let error = match intent {
            Intent::Read => self.failure,
            Intent::Write => self.failure.or(self.refusal),
        };
        match error {
            None => Ok(()),
            Some(error) if intent == Intent::Write && (self.is_any_done || self.is_any_unknown) => {
                Err(error.with_outcome(Outcome::Unknown))
            }
            Some(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resp::Value;

    fn reply(line: &str) -> Reply {
        Reply::new(Value::of(line), Outcome::Unknown)
    }

    fn judged(intent: Intent, replies: &[&str], failures: &[Outcome]) -> Option<Outcome> {
        let mut fate = Fate::default();
        for line in replies {
            fate.answered(&reply(line));
        }
        for outcome in failures {
            fate.failed(Error::new(ErrorKind::Timeout, "late").with_outcome(*outcome));
        }
        fate.judge(intent).err().map(|error| error.outcome())
    }

    #[test]
    fn a_batch_that_was_written_in_part_is_unknown() {
        use Outcome::{NotApplied, Unknown};
        const OOM: &str = "-OOM no\r\n";
        const OK: &str = "+OK\r\n";
        assert_eq!(judged(Intent::Write, &[OK, OK], &[]), None);
        assert_eq!(judged(Intent::Write, &[OK, OOM], &[]), Some(Unknown));
        assert_eq!(judged(Intent::Write, &[OOM, OOM], &[]), Some(NotApplied));
        assert_eq!(judged(Intent::Write, &[OK], &[NotApplied]), Some(Unknown));
        assert_eq!(
            judged(Intent::Write, &[], &[Unknown, NotApplied]),
            Some(Unknown)
        );
        assert_eq!(
            judged(Intent::Write, &[], &[NotApplied, Unknown]),
            Some(Unknown)
        );
        assert_eq!(judged(Intent::Write, &[], &[NotApplied]), Some(NotApplied));
        assert_eq!(judged(Intent::Read, &[OK, OOM], &[]), None);
        assert_eq!(judged(Intent::Read, &[OK], &[NotApplied]), Some(NotApplied));
    }
}
