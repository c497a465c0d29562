//! Many commands at once: one message a node, each command on its own.

use std::sync::Arc;

use futures_util::future::join_all;
use maestro_cache_core::{Error, Outcome, Result};
use redis::Pipeline;

use super::{Cluster, Node, Redirect};
use crate::call::{Deadline, Intent};
use crate::deployment::Slot;
use crate::reply::Reply;
use crate::request::Request;
use crate::scripts::ScriptCall;

/// What is sent to the node of a slot.
pub(crate) trait Errand: Send + Sync {
    /// The request, or the one that also tells the node what it does not know.
    fn request(&self, is_in_full: bool) -> Request;
}

impl Errand for Request {
    fn request(&self, _is_in_full: bool) -> Request {
        self.clone()
    }
}

impl Errand for ScriptCall {
    fn request(&self, is_in_full: bool) -> Request {
        self.request(is_in_full)
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
        let by_node = self.by_node(deadline, &slots(&commands)).await;
        // Nothing was sent yet.
        if let Some((_, error)) = by_node.of_nobody.into_iter().next() {
            return Err(error);
        }
        let asked = self.ask_nodes(deadline, intent, &commands, by_node.of_nodes);
        let answers = asked.await;
        let mut fate = Fate::default();
        for (_, answer) in &answers {
            match answer {
                Ok(reply) => fate.answered(reply),
                Err(error) => fate.failed(error.clone()),
            }
        }
        fate.judge(intent)?;
        in_order(answers).into_iter().collect()
    }

    /// The same for reading, where each command has an answer of its own.
    pub(crate) async fn read_each(
        self: &Arc<Self>,
        deadline: Deadline,
        commands: Vec<(Slot, impl Errand)>,
    ) -> Vec<Result<Reply>> {
        let by_node = self.by_node(deadline, &slots(&commands)).await;
        let asked = self.ask_nodes(deadline, Intent::Read, &commands, by_node.of_nodes);
        let mut answers = asked.await;
        let unknown = by_node.of_nobody.into_iter();
        answers.extend(unknown.map(|(at, error)| (at, Err(error))));
        in_order(answers)
    }

    /// Sends to each node what is its own, at the same time. Each answer is told with its place.
    async fn ask_nodes(
        self: &Arc<Self>,
        deadline: Deadline,
        intent: Intent,
        commands: &[(Slot, impl Errand)],
        nodes: Vec<(Arc<Node>, Vec<usize>)>,
    ) -> Vec<(usize, Result<Reply>)> {
        let asked = nodes
            .into_iter()
            .map(|(node, places)| self.ask_node(deadline, intent, commands, node, places));
        join_all(asked).await.into_iter().flatten().collect()
    }

    async fn ask_node(
        self: &Arc<Self>,
        deadline: Deadline,
        intent: Intent,
        commands: &[(Slot, impl Errand)],
        node: Arc<Node>,
        places: Vec<usize>,
    ) -> Vec<(usize, Result<Reply>)> {
        let requests: Vec<Request> = places
            .iter()
            .filter_map(|at| commands.get(*at))
            .map(|(_, command)| command.request(false))
            .collect();
        let mut pipeline = Pipeline::new();
        for command in requests.iter().flat_map(Request::commands) {
            pipeline.add_command(command);
        }
        let count = pipeline.len();
        let reply = node.server.call(deadline, intent, &pipeline.into()).await;
        let replies = reply.and_then(|reply| reply.many_of(count));
        let replies = match replies.map(|replies| of_each(&requests, replies, intent)) {
            Ok(replies) => replies,
            Err(error) => {
                self.draw_soon();
                let failed = places.into_iter().map(|at| (at, Err(error.clone())));
                return failed.collect();
            }
        };
        let (mut answers, mut again) = (Vec::with_capacity(places.len()), Vec::new());
        for (at, reply) in places.into_iter().zip(replies) {
            match reply.redirect(&node.address) {
                None if reply.is_unknown_script() => again.push(at),
                None => answers.push((at, Ok(reply))),
                Some(Redirect::Moved(slot, address)) => {
                    self.draw_soon();
                    match self.moved(slot, address) {
                        Ok(_) => again.push(at),
                        Err(error) => answers.push((at, Err(error))),
                    }
                }
                Some(_) => again.push(at),
            }
        }
        // Each goes its own way: only those of slots that just move, and those whose node has to be told
        // a script. They did nothing where they were refused.
        let asked = again.into_iter().filter_map(|at| {
            let (slot, command) = commands.get(at)?;
            Some(async move {
                let request = command.request(true);
                (at, self.call(*slot, deadline, intent, &request).await)
            })
        });
        answers.extend(join_all(asked).await);
        answers
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

/// The answers of a pipeline as those of the requests in it.
fn of_each(requests: &[Request], replies: Vec<Reply>, intent: Intent) -> Vec<Reply> {
    let mut replies = replies.into_iter();
    let of_one = |request: &Request| match request.is_several() {
        false => replies.next(),
        true => {
            let some = replies.by_ref().take(request.commands().len()).collect();
            Some(Reply::of_several(some, intent.outcome_unanswered()))
        }
    };
    requests.iter().filter_map(of_one).collect()
}

fn slots(commands: &[(Slot, impl Errand)]) -> Vec<Slot> {
    commands.iter().map(|(slot, _)| *slot).collect()
}

/// The answers in the order of the places that they belong to.
pub(crate) fn in_order<A>(mut answers: Vec<(usize, A)>) -> Vec<A> {
    answers.sort_unstable_by_key(|(place, _)| *place);
    answers.into_iter().map(|(_, answer)| answer).collect()
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
#[path = "../../tests/unit/cluster/batch.rs"]
mod tests;
