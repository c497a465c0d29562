//! Moving slots between masters, while clients go on.

use std::ops::RangeInclusive;
use std::sync::PoisonError;

use super::{ClusterNode, Move, RedisCluster};
use crate::poll;
use crate::redis_server::{Answer, RedisServer};

/// How many slots a cluster has.
pub(super) const SLOTS: usize = 16384;

/// How many keys go at once, when all have to go.
const BATCH: usize = 100;

impl RedisCluster {
    /// Moves slots with their keys from one master to another, one after the other, as
    /// `redis-cli --cluster reshard` does: nothing is lost, and clients can go on meanwhile.
    ///
    /// # Panics
    ///
    /// If one of the nodes refuses, because it does not have the slots or is no master.
    pub fn move_slots(&self, slots: RangeInclusive<u16>, from: ClusterNode, to: ClusterNode) {
        for slot in slots {
            self.begin_slot_migration(slot, from, to);
            self.finish_slot_migration(slot);
        }
    }

    /// Opens a slot to be moved: `to` imports it and `from` migrates it. Who asks `from` for a key
    /// that is no longer there is told to ask `to` this once.
    ///
    /// # Panics
    ///
    /// If one of the nodes refuses, or the slot is on its way already.
    pub fn begin_slot_migration(&self, slot: u16, from: ClusterNode, to: ClusterNode) {
        let mut moves = self.moves.lock().unwrap_or_else(PoisonError::into_inner);
        let before = moves.insert(slot, Move { from, to });
        assert!(before.is_none(), "slot {slot} is on its way already");
        let slot = slot.to_string();
        let (from_id, to_id) = (&self.nodes[from.0].id, &self.nodes[to.0].id);
        let import = ["CLUSTER", "SETSLOT", &slot, "IMPORTING", from_id];
        done(self.server(to), &import);
        let migrate = ["CLUSTER", "SETSLOT", &slot, "MIGRATING", to_id];
        done(self.server(from), &migrate);
    }

    /// Moves at most so many keys of a slot that is on its way, and returns how many it tried: less
    /// than asked for means that there were no more.
    ///
    /// # Panics
    ///
    /// If the slot is not on its way, or one of the nodes refuses.
    pub fn migrate_keys(&self, slot: u16, most: usize) -> usize {
        let Move { from, to } = self.on_its_way(slot);
        let (slot, most) = (slot.to_string(), most.to_string());
        let from = self.server(from);
        let keys = from.ask(&["CLUSTER", "GETKEYSINSLOT", &slot, &most]);
        let keys = keys.list();
        if keys.is_empty() {
            return 0;
        }
        let port = self.port(to).to_string();
        let mut command: Vec<&[u8]> = ["MIGRATE", "127.0.0.1", &port, "", "0", "10000"]
            .map(str::as_bytes)
            .to_vec();
        if let Some(password) = &self.password {
            command.extend([b"AUTH".as_slice(), password.as_bytes()]);
        }
        command.push(b"KEYS");
        for key in keys {
            let Answer::Bytes(key) = key else {
                panic!("{key:?} is no key");
            };
            command.push(key);
        }
        // `NOKEY` says that clients have deleted them meanwhile.
        done(from, &command);
        keys.len()
    }

    /// Moves the keys that are left and gives the slot to its new master; returns once all nodes
    /// that answer know it.
    ///
    /// # Panics
    ///
    /// If the slot is not on its way, or one of the nodes refuses.
    pub fn finish_slot_migration(&self, slot: u16) {
        while self.migrate_keys(slot, BATCH) > 0 {}
        let Move { from, to } = self.on_its_way(slot);
        let id = &self.nodes[to.0].id;
        let number = slot.to_string();
        let give = ["CLUSTER", "SETSLOT", &number, "NODE", id];
        // The target first: from then on there is somebody who serves the slot for good.
        done(self.server(to), &give);
        done(self.server(from), &give);
        for master in self.masters() {
            if master != to && master != from && self.server(master).is_awake() {
                done(self.server(master), &give);
            }
        }
        // A node that takes the slot back before it has heard of the target's new epoch would take
        // it in an older one, and lose it again to the next message of the target.
        poll::until("all nodes know who serves the slot", || {
            self.all_agree_on(slot, to).then_some(())
        });
        let mut moves = self.moves.lock().unwrap_or_else(PoisonError::into_inner);
        moves.remove(&slot);
    }

    fn on_its_way(&self, slot: u16) -> Move {
        let moves = self.moves.lock().unwrap_or_else(PoisonError::into_inner);
        let found = moves.get(&slot).copied();
        found.unwrap_or_else(|| panic!("slot {slot} is not on its way"))
    }
}

/// Asks for something that has to succeed.
pub(super) fn done(server: &RedisServer, command: &[impl AsRef<[u8]>]) {
    let answer = server.ask(command);
    let name = || String::from_utf8_lossy(command[0].as_ref()).into_owned();
    assert!(!answer.is_error(), "{} failed: {}", name(), answer.text());
}
