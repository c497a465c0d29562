//! A private Redis cluster for tests: masters, replicas, failovers, and slots that move.

mod builder;
mod slots;
mod view;

use std::collections::BTreeMap;
use std::sync::Mutex;

pub use builder::RedisClusterBuilder;
use view::View;

use crate::poll;
use crate::port::Port;
use crate::redis_server::{Answer, RedisServer};

/// A private cluster of `redis-server` processes on loopback ports, which lives as long as this
/// value and never longer than the test process.
///
/// It starts with three masters of one replica each, unless told otherwise, with all slots served
/// and all replicas in sync. A failover takes two to four seconds: a node counts as failed after a
/// second and a half of silence. Replicas stay with the slots of their master, and a master whose
/// slots have all gone stays a master.
///
/// # Examples
///
/// ```no_run
/// use maestro_cache_testkit::RedisCluster;
///
/// let cluster = RedisCluster::start();
/// println!("connect to {}", cluster.url());
/// let master = cluster.node_of_key("key");
/// cluster.kill(master);
/// let promoted = cluster.wait_until_promoted(master);
/// assert_eq!(cluster.node_of_key("key"), promoted);
/// ```
#[derive(Debug)]
pub struct RedisCluster {
    password: Option<String>,
    nodes: Vec<Node>,
    /// How many masters there were at first; node `n` belongs with node `n % masters`.
    masters: usize,
    moves: Mutex<BTreeMap<u16, Move>>,
}

/// A node of a [`RedisCluster`]: its place in [`RedisCluster::nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterNode(usize);

#[derive(Debug)]
struct Node {
    server: RedisServer,
    id: String,
    /// Kept for the node alone; its number stands in the settings of the server.
    bus: Port,
}

/// A slot on its way.
#[derive(Clone, Copy, Debug)]
struct Move {
    from: ClusterNode,
    to: ClusterNode,
}

impl RedisCluster {
    /// Starts three masters with a replica each, without a password.
    ///
    /// # Panics
    ///
    /// As [`RedisClusterBuilder::start`].
    #[must_use]
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// Settings for a cluster that is not the usual one.
    pub fn builder() -> RedisClusterBuilder {
        RedisClusterBuilder::default()
    }

    /// `redis-cluster://127.0.0.1:<port>,127.0.0.1:<port>,…`, password included: the nodes that
    /// were masters first. It is `rediss-cluster://` if they speak TLS.
    #[must_use]
    pub fn url(&self) -> String {
        let password = self.password.as_deref();
        let user_info = password.map(|password| format!(":{password}@"));
        let hosts: Vec<_> = self.nodes[..self.masters]
            .iter()
            .map(|node| format!("127.0.0.1:{}", node.port()))
            .collect();
        let user_info = user_info.unwrap_or_default();
        let scheme = self.nodes[0].server.scheme();
        format!("{scheme}-cluster://{user_info}{}", hosts.join(","))
    }

    /// All nodes, those that were masters first before their replicas.
    #[must_use]
    pub fn nodes(&self) -> Vec<ClusterNode> {
        (0..self.nodes.len()).map(ClusterNode).collect()
    }

    /// The server that is this node, to ask it something.
    #[must_use]
    pub fn server(&self, node: ClusterNode) -> &RedisServer {
        &self.nodes[node.0].server
    }

    /// The port of a node.
    #[must_use]
    pub fn port(&self, node: ClusterNode) -> u16 {
        self.nodes[node.0].port()
    }

    /// The masters in the order of the nodes, as a node that answers sees them now; not those that
    /// it knows to have failed.
    ///
    /// # Panics
    ///
    /// If no node answers.
    #[must_use]
    pub fn masters(&self) -> Vec<ClusterNode> {
        let view = self.view();
        let mut masters: Vec<_> = view.masters().filter_map(|id| self.find(id)).collect();
        masters.sort_unstable();
        masters
    }

    /// The slot of a key, as a node says.
    ///
    /// # Panics
    ///
    /// If no node answers.
    #[must_use]
    pub fn slot_of_key(&self, key: &str) -> u16 {
        let slot = self.someone().ask(&["CLUSTER", "KEYSLOT", key]).number();
        u16::try_from(slot).expect("slots are small numbers")
    }

    /// The master that serves a slot, as a node that answers sees it now.
    ///
    /// # Panics
    ///
    /// If no node answers, or nobody serves the slot.
    #[must_use]
    pub fn node_of_slot(&self, slot: u16) -> ClusterNode {
        let view = self.view();
        let id = view.master_of(slot).expect("somebody serves the slot");
        self.find(id).expect("all nodes are ours")
    }

    /// The master that serves a key, as a node that answers sees it now.
    ///
    /// # Panics
    ///
    /// As [`node_of_slot`](Self::node_of_slot).
    #[must_use]
    pub fn node_of_key(&self, key: &str) -> ClusterNode {
        self.node_of_slot(self.slot_of_key(key))
    }

    /// The others that hold the same slots: the replicas of a master.
    #[must_use]
    pub fn companions(&self, node: ClusterNode) -> Vec<ClusterNode> {
        let same = |other: &ClusterNode| other.0 % self.masters == node.0 % self.masters;
        let others = self.nodes().into_iter().filter(|other| *other != node);
        others.filter(same).collect()
    }

    /// Kills a node, as a crash would.
    pub fn kill(&self, node: ClusterNode) {
        self.server(node).stop();
    }

    /// Starts a node anew, empty, at the same address. It remembers the cluster, and becomes a
    /// replica if somebody was promoted in its place.
    ///
    /// # Panics
    ///
    /// If it does not come up.
    pub fn restart(&self, node: ClusterNode) {
        self.server(node).restart();
    }

    /// Freezes a node: connections stay open and nothing is answered.
    ///
    /// # Panics
    ///
    /// If it does not run.
    pub fn pause(&self, node: ClusterNode) {
        self.server(node).pause();
    }

    /// Lets a frozen node go on.
    ///
    /// # Panics
    ///
    /// If it does not run.
    pub fn resume(&self, node: ClusterNode) {
        self.server(node).resume();
    }

    /// Waits until a replica has taken the place of this master, all nodes that answer know it and
    /// all slots are served again; returns who it is.
    ///
    /// # Panics
    ///
    /// If it does not happen within a minute.
    #[allow(clippy::must_use_candidate, reason = "called for what it does as well")]
    pub fn wait_until_promoted(&self, old_master: ClusterNode) -> ClusterNode {
        let companions = self.companions(old_master);
        poll::until("a replica is promoted", || {
            let promoted = companions.iter().copied().find(|companion| {
                self.server(*companion).is_awake() && self.all_see_master(*companion)
            })?;
            self.serves_all_slots().then_some(promoted)
        })
    }

    /// Waits until all nodes that answer hold the cluster for complete, and their replicas are in
    /// sync: what a test asks after it brought a node back.
    ///
    /// # Panics
    ///
    /// If it does not happen within a minute.
    pub fn wait_until_well(&self) {
        poll::until("the cluster is well", || {
            let in_sync = self.awake().all(|node| {
                node.server
                    .info("role")
                    .is_some_and(|role| role == "master")
                    || node.server.info("master_link_status").as_deref() == Some("up")
            });
            (in_sync && self.serves_all_slots()).then_some(())
        });
    }

    fn all_see_master(&self, node: ClusterNode) -> bool {
        let id = &self.nodes[node.0].id;
        self.awake().all(|other| {
            View::of(&other.server).is_some_and(|view| view.masters().any(|master| master == id))
        })
    }

    /// True once all nodes that answer know who serves a slot, and since which epoch.
    fn all_agree_on(&self, slot: u16, master: ClusterNode) -> bool {
        let master = &self.nodes[master.0];
        let Some(own) = View::of(&master.server) else {
            return false;
        };
        self.awake().all(|other| {
            View::of(&other.server).is_some_and(|view| {
                view.master_of(slot) == Some(&master.id)
                    && view.epoch_of(&master.id) == own.epoch_of(&master.id)
            })
        })
    }

    fn serves_all_slots(&self) -> bool {
        self.awake().all(|node| {
            let info = node.server.try_ask(&["CLUSTER", "INFO"]);
            info.is_ok_and(|info| {
                matches!(info, Answer::Bytes(_)) && info.text().contains("cluster_state:ok")
            })
        })
    }

    fn awake(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(|node| node.server.is_awake())
    }

    fn someone(&self) -> &RedisServer {
        &self.awake().next().expect("some node is awake").server
    }

    fn view(&self) -> View {
        View::of(self.someone()).expect("the node answers")
    }

    fn find(&self, id: &str) -> Option<ClusterNode> {
        let place = self.nodes.iter().position(|node| node.id == id)?;
        Some(ClusterNode(place))
    }
}

impl Node {
    fn port(&self) -> u16 {
        self.server.port().expect("nodes listen on ports")
    }
}
