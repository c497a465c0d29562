//! The cluster as one node sees it.

use std::ops::RangeInclusive;

use crate::redis_server::{Answer, RedisServer};

/// What `CLUSTER NODES` says.
pub(super) struct View {
    nodes: Vec<Seen>,
}

struct Seen {
    id: String,
    flags: String,
    epoch: String,
    slots: Vec<RangeInclusive<u16>>,
}

impl View {
    pub(super) fn of(server: &RedisServer) -> Option<Self> {
        let answer = server.try_ask(&["CLUSTER", "NODES"]).ok()?;
        let Answer::Bytes(_) = answer else {
            return None;
        };
        let nodes = answer.text().lines().map(Seen::parse);
        Some(Self {
            nodes: nodes.collect(),
        })
    }

    /// The masters that are not known to have failed.
    pub(super) fn masters(&self) -> impl Iterator<Item = &str> {
        let masters = self.nodes.iter().filter(|node| node.is("master"));
        let alive = masters.filter(|node| !node.is("fail"));
        alive.map(|node| node.id.as_str())
    }

    pub(super) fn replicas(&self) -> usize {
        self.nodes.iter().filter(|node| node.is("slave")).count()
    }

    /// How many nodes are known for good.
    pub(super) fn known(&self) -> usize {
        let strangers = self.nodes.iter().filter(|node| node.is("handshake"));
        self.nodes.len() - strangers.count()
    }

    /// The epoch in which a node got its slots: who has the younger one prevails.
    pub(super) fn epoch_of(&self, id: &str) -> Option<&str> {
        let node = self.nodes.iter().find(|node| node.id == id)?;
        Some(&node.epoch)
    }

    pub(super) fn master_of(&self, slot: u16) -> Option<&str> {
        let mut nodes = self.nodes.iter();
        let node = nodes.find(|node| node.slots.iter().any(|slots| slots.contains(&slot)))?;
        Some(&node.id)
    }
}

impl Seen {
    /// `<id> <address> <flags> <master> <ping> <pong> <epoch> <link> <slots>…`
    fn parse(line: &str) -> Self {
        let mut words = line.split(' ');
        let id = words.next().unwrap_or_default().to_owned();
        let flags = words.nth(1).unwrap_or_default().to_owned();
        let epoch = words.nth(3).unwrap_or_default().to_owned();
        // What is in brackets is a slot on its way, which stands among the others too.
        let slots = words.skip(1).filter_map(parse_slots).collect();
        Self {
            id,
            flags,
            epoch,
            slots,
        }
    }

    fn is(&self, flag: &str) -> bool {
        self.flags.split(',').any(|one| one == flag)
    }
}

/// `5` or `0-5460`.
fn parse_slots(word: &str) -> Option<RangeInclusive<u16>> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    Some(first.parse().ok()?..=last.parse().ok()?)
}
