//! How a cluster comes to be, step by step, as `redis-cli --cluster create` does it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use super::slots::{SLOTS, done};
use super::view::View;
use super::{Node, RedisCluster};
use crate::poll;
use crate::port::Port;
use crate::redis_server::{Certificate, RedisServer, RedisServerBuilder};

/// Settings of a [`RedisCluster`]; made by [`RedisCluster::builder`].
#[derive(Clone, Debug)]
#[must_use = "a builder starts nothing until `start` is called"]
pub struct RedisClusterBuilder {
    masters: usize,
    replicas: usize,
    password: Option<String>,
    node_timeout: Duration,
    args: Vec<(String, String)>,
    /// What each node begins as: how it listens, and with TLS or without.
    node: RedisServerBuilder,
}

impl Default for RedisClusterBuilder {
    fn default() -> Self {
        Self {
            masters: 3,
            replicas: 1,
            password: None,
            node_timeout: Duration::from_millis(1500),
            args: Vec::new(),
            node: RedisServer::builder().tcp(),
        }
    }
}

impl RedisClusterBuilder {
    /// How many masters share the slots; three unless told otherwise. Fewer than three can promote
    /// nobody.
    pub fn masters(mut self, masters: usize) -> Self {
        self.masters = masters;
        self
    }

    /// How many replicas each master has; one unless told otherwise.
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// The password of all nodes; [`RedisCluster::url`] holds it.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// How long a node may be silent before it counts as failed; a second and a half unless told
    /// otherwise.
    pub fn node_timeout(mut self, timeout: Duration) -> Self {
        self.node_timeout = timeout;
        self
    }

    /// A setting of every node, such as `--cluster-require-full-coverage` and `no`.
    pub fn arg(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.args.push((name.into(), value.into()));
        self
    }

    /// Lets the nodes speak TLS, to clients and among themselves, and show this certificate to
    /// both; [`RedisCluster::url`] says so, and names no authority.
    pub fn tls(mut self, certificate: &Certificate) -> Self {
        let node = self.node.tls(certificate);
        self.node = node
            .arg("--tls-cluster", "yes")
            .arg("--tls-replication", "yes");
        self
    }

    /// As [`RedisServerBuilder::demand_client_certificates`], on every node.
    pub fn demand_client_certificates(mut self) -> Self {
        self.node = self.node.demand_client_certificates();
        self
    }

    /// Starts the nodes and waits until all slots are served and all replicas are in sync, which
    /// takes some seconds.
    ///
    /// # Panics
    ///
    /// If there is no `redis-server` on the `PATH`, if a node does not come up, or if the nodes do
    /// not come together within a minute.
    #[must_use]
    pub fn start(self) -> RedisCluster {
        assert!(self.masters > 0, "a cluster has at least one master");
        let count = self.masters * (1 + self.replicas);
        let cluster = RedisCluster {
            nodes: (0..count).map(|_| self.node()).collect(),
            masters: self.masters,
            password: self.password,
            moves: Mutex::new(BTreeMap::new()),
        };
        cluster.share_the_slots();
        cluster.meet();
        cluster.replicate();
        cluster
    }

    fn node(&self) -> Node {
        let bus = Port::free();
        let mut server = self.node.clone();
        let settings = [
            ("--cluster-enabled", "yes"),
            ("--cluster-config-file", "nodes.conf"),
            ("--cluster-port", &bus.number().to_string()),
            (
                "--cluster-node-timeout",
                &self.node_timeout.as_millis().to_string(),
            ),
            // Nobody else's address is learned from a message before it is needed.
            ("--cluster-announce-ip", "127.0.0.1"),
            // A replica is promoted however long it was cut off, and stays with its slots.
            ("--cluster-replica-validity-factor", "0"),
            ("--cluster-allow-replica-migration", "no"),
            // A replica is given its data at once, without waiting for others that may want it.
            ("--repl-diskless-sync-delay", "0"),
        ];
        for (name, value) in settings {
            server = server.arg(name, value);
        }
        if let Some(password) = &self.password {
            server = server.password(password).arg("--masterauth", password);
        }
        for (name, value) in &self.args {
            server = server.arg(name, value);
        }
        let server = server.start();
        let id = server.ask(&["CLUSTER", "MYID"]).text().to_owned();
        Node { server, id, bus }
    }
}

impl RedisCluster {
    fn share_the_slots(&self) {
        for (place, node) in self.nodes.iter().enumerate() {
            // Two nodes of one epoch have to settle first who is the younger.
            let epoch = (place + 1).to_string();
            done(&node.server, &["CLUSTER", "SET-CONFIG-EPOCH", &epoch]);
            if place < self.masters {
                let share = |place: usize| place * SLOTS / self.masters;
                let (first, last) = (share(place), share(place + 1) - 1);
                let (first, last) = (first.to_string(), last.to_string());
                done(&node.server, &["CLUSTER", "ADDSLOTSRANGE", &first, &last]);
            }
        }
    }

    fn meet(&self) {
        let (first, others) = self.nodes.split_first().expect("there is a node");
        for node in others {
            let (port, bus) = (node.port().to_string(), node.bus.number().to_string());
            done(
                &first.server,
                &["CLUSTER", "MEET", "127.0.0.1", &port, &bus],
            );
        }
        poll::until("the nodes know one another", || {
            let mut nodes = self.nodes.iter();
            let all = nodes.all(|node| {
                View::of(&node.server).is_some_and(|view| view.known() == self.nodes.len())
            });
            (all && self.serves_all_slots()).then_some(())
        });
    }

    fn replicate(&self) {
        for (place, node) in self.nodes.iter().enumerate().skip(self.masters) {
            let master = &self.nodes[place % self.masters].id;
            done(&node.server, &["CLUSTER", "REPLICATE", master]);
        }
        poll::until("all nodes know the replicas", || {
            let replicas = self.nodes.len() - self.masters;
            let mut nodes = self.nodes.iter();
            let all = nodes
                .all(|node| View::of(&node.server).is_some_and(|view| view.replicas() == replicas));
            all.then_some(())
        });
        self.wait_until_well();
    }
}
