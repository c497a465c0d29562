//! Many commands at once: one message a node, each command on its own.

use std::sync::Arc;

use futures_util::future::join_all;
use maestro_cache_core::{ErrorKind, Outcome, Result};
use redis::{Cmd, Pipeline};

use super::{Cluster, Node};
use crate::call::{Deadline, Intent};
use crate::deployment::Slot;
use crate::reply::Reply;
use crate::request::Request;

/// The commands for one node, and where their answers belong.
struct Share {
    node: Arc<Node>,
    places: Vec<usize>,
    commands: Pipeline,
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
        commands: Vec<(Slot, Cmd)>,
    ) -> Result<Vec<Reply>> {
        let shares = self.shares(deadline, &commands).await?;
        let asked = shares.iter().map(|share| async {
            let request = Request::Pipeline(&share.commands);
            let replies = share.node.server.call(deadline, intent, request).await;
            replies.and_then(Reply::many)
        });
        let answers = join_all(asked).await;
        let mut replies: Vec<Option<Reply>> = commands.iter().map(|_| None).collect();
        let (mut redirected, mut failure, mut is_any_done) = (Vec::new(), None, false);
        for (share, answer) in shares.iter().zip(answers) {
            match answer {
                Ok(answers) => {
                    for (at, reply) in share.places.iter().zip(answers) {
                        if reply.redirect(&share.node.address).is_some() {
                            redirected.push(*at);
                        } else if let Some(place) = replies.get_mut(*at) {
                            is_any_done = true;
                            *place = Some(reply);
                        }
                    }
                }
                Err(error) => {
                    self.draw_soon();
                    failure = Some(error);
                }
            }
        }
        if failure.is_none() {
            // Each goes its own way: only those of slots that just move.
            let followed =
                redirected
                    .iter()
                    .filter_map(|at| commands.get(*at))
                    .map(|(slot, command)| {
                        self.call(*slot, deadline, intent, Request::Command(command))
                    });
            for (at, answer) in redirected.iter().zip(join_all(followed).await) {
                match (answer, replies.get_mut(*at)) {
                    (Ok(reply), Some(place)) => {
                        is_any_done = true;
                        *place = Some(reply);
                    }
                    (Ok(_), None) => {}
                    (Err(error), _) => failure = Some(error),
                }
            }
        }
        match failure {
            Some(error) if is_any_done && intent == Intent::Write => {
                Err(error.with_outcome(Outcome::Unknown))
            }
            Some(error) => Err(error),
            None => Ok(replies.into_iter().flatten().collect()),
        }
    }

    async fn shares(
        self: &Arc<Self>,
        deadline: Deadline,
        commands: &[(Slot, Cmd)],
    ) -> Result<Vec<Share>> {
        let mut shares: Vec<Share> = Vec::new();
        for (at, (slot, command)) in commands.iter().enumerate() {
            let node = self.owner(*slot, deadline).await?;
            let share = match shares
                .iter_mut()
                .position(|share| Arc::ptr_eq(&share.node, &node))
            {
                Some(known) => shares.get_mut(known),
                None => {
                    shares.push(Share {
                        node,
                        places: Vec::new(),
                        commands: Pipeline::new(),
                    });
                    shares.last_mut()
                }
            };
            if let Some(share) = share {
                share.places.push(at);
                share.commands.add_command(command.clone());
            }
        }
        Ok(shares)
    }
}

/// The values of a batch of `GET`. What holds another type is missing, as with `MGET`.
pub(crate) fn value_or_missing(reply: Reply) -> Result<Option<maestro_cache_core::Value>> {
    match reply.value() {
        Err(error) if error.kind() == ErrorKind::WrongType => Ok(None),
        value => value,
    }
}
