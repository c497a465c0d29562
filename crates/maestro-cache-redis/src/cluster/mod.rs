//! A cluster: the nodes, which slot is whose, and calls that follow it
//! ([the specification](https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/)).
//!
//! Each node is a server with connections, a breaker and deadlines like any other. What is here
//! finds the right one. A redirection is a refusal that did nothing, so also what must not be sent
//! twice follows it.

mod batch;
mod clear;
mod redirect;
mod slots;
mod topology;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use maestro_cache_core::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use redirect::Redirect;
pub(crate) use slots::slot;

use crate::call::{Deadline, Intent};
use crate::commands;
use crate::connection::{Address, ConnectOptions, Server, Target};
use crate::deployment::Slot;
use crate::limit::Limit;
use crate::reply::Reply;
use crate::request::Request;
use slots::Owners;
use topology::Drawing;

/// How long a node without slots is kept once it was named.
const KEPT: Duration = Duration::from_secs(60);

/// How many redirections one call follows. A slot that moves gives one or two.
const MOST_REDIRECTIONS: usize = 8;

pub(crate) struct Cluster {
    name: Arc<str>,
    seeds: Vec<Address>,
    connect: ConnectOptions,
    connections: usize,
    map: Mutex<Map>,
    /// Wakes those who wait for another map.
    changed: Notify,
}

/// A master, or one that is about to be.
pub(crate) struct Node {
    address: Address,
    server: Arc<Server>,
    /// It was named in passing, and is kept until then though it has no slot: one that slots are
    /// being moved to is named for each of their keys.
    kept_until: Option<Instant>,
}

/// What is known of the cluster.
#[derive(Default)]
struct Map {
    nodes: HashMap<Address, Arc<Node>>,
    owners: Owners,
    /// How often the map was drawn anew, or could not be.
    round: u64,
    failure: Option<Error>,
    drawn: Option<Instant>,
    drawing: Drawing,
    warnings: Limit,
    is_closed: bool,
}

impl Cluster {
    pub(crate) fn new(
        name: Arc<str>,
        seeds: Vec<Address>,
        connect: ConnectOptions,
        connections: usize,
    ) -> Arc<Self> {
        Arc::new(Self {
            name,
            seeds,
            connect,
            connections,
            map: Mutex::default(),
            changed: Notify::new(),
        })
    }

    /// Sends the command to the node of the slot, wherever that is by now.
    pub(crate) async fn call(
        self: &Arc<Self>,
        slot: Slot,
        deadline: Deadline,
        intent: Intent,
        request: &Request,
    ) -> Result<Reply> {
        let mut node = self.owner(slot, deadline).await?;
        let mut is_asked = false;
        for _ in 0..MOST_REDIRECTIONS {
            let answer = if is_asked {
                asking(&node, deadline, intent, request).await
            } else {
                node.server.call(deadline, intent, request).await
            };
            let reply = answer.inspect_err(|_| self.draw_soon())?;
            match reply.redirect(&node.address) {
                None => return Ok(reply),
                Some(Redirect::Moved(moved, address)) => {
                    (node, is_asked) = (self.moved(moved, address)?, false);
                    self.draw_soon();
                }
                Some(Redirect::Ask(address)) => {
                    (node, is_asked) = (self.node(address)?, true);
                }
                Some(Redirect::Down) => {
                    self.draw_soon();
                    return Err(Error::new(
                        ErrorKind::Unavailable,
                        "the cluster has no master for this key at the moment; it is choosing one, \
                         or it lost too many nodes",
                    ));
                }
            }
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            "the nodes of the cluster send the call from one to the other; they do not agree on \
             whose the key is",
        ))
    }

    /// Asks each master, and returns the first error if there is one.
    pub(crate) async fn ping(self: &Arc<Self>, deadline: Deadline) -> Result<()> {
        let masters = self.masters(deadline).await?;
        let answers = masters.iter().map(|node| node.server.ping(deadline));
        for answer in futures_util::future::join_all(answers).await {
            answer.inspect_err(|_| self.draw_soon())?;
        }
        Ok(())
    }

    pub(crate) fn close(&self) {
        let mut map = self.map.lock();
        map.is_closed = true;
        for node in map.nodes.values() {
            node.server.close();
        }
        drop(map);
        self.changed.notify_waiters();
    }

    /// The node that another one named, known before or not.
    fn node(&self, address: Address) -> Result<Arc<Node>> {
        let mut map = self.map.lock();
        let kept_until = Some(Instant::now() + KEPT);
        self.node_of(&mut map, address, kept_until)
    }

    fn node_of(
        &self,
        map: &mut Map,
        address: Address,
        kept_until: Option<Instant>,
    ) -> Result<Arc<Node>> {
        if map.is_closed {
            return Err(Error::closed());
        }
        if let Some(node) = map.nodes.get(&address) {
            return Ok(Arc::clone(node));
        }
        let server = Server::new(
            address.to_string().into(),
            Target::Address(address.clone()),
            self.connect.clone(),
            self.connections,
        );
        let node = Arc::new(Node {
            address: address.clone(),
            server,
            kept_until,
        });
        map.nodes.insert(address, Arc::clone(&node));
        Ok(node)
    }

    /// Believes a node that says whose a slot is.
    fn moved(&self, slot: Slot, address: Address) -> Result<Arc<Node>> {
        let mut map = self.map.lock();
        let node = self.node_of(&mut map, address, None)?;
        map.owners.set_range(slot.0, slot.0, &node);
        Ok(node)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.close();
    }
}

/// Sends the command to a node that is about to get its slot and takes it on this word only.
///
/// Both go in one message, so that nobody else's command comes in between.
async fn asking(
    node: &Node,
    deadline: Deadline,
    intent: Intent,
    request: &Request,
) -> Result<Reply> {
    let asked = request.each_after(&commands::command("ASKING", 0, 0));
    let reply = node.server.call(deadline, intent, &asked).await?;
    reply.every_second(request.is_several())
}
