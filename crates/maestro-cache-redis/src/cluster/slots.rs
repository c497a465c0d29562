//! Slots: the 16 384 parts of the key space, and whose they are.

use std::sync::Arc;

use super::Node;
use crate::deployment::Slot;

const SLOTS: u16 = 16_384;

/// The slot of a key: that of the part in braces, if there is one and it is not empty.
pub(crate) fn slot(key: &[u8]) -> Slot {
    Slot(crc16::State::<crc16::XMODEM>::calculate(tag(key)) % SLOTS)
}

fn tag(key: &[u8]) -> &[u8] {
    let position = |bytes: &[u8], wanted: u8| bytes.iter().position(|byte| *byte == wanted);
    position(key, b'{')
        .and_then(|open| key.get(open + 1..))
        .and_then(|behind| behind.get(..position(behind, b'}')?))
        .filter(|tag| !tag.is_empty())
        .unwrap_or(key)
}

/// Whose each slot is.
#[derive(Clone)]
pub(super) struct Owners(Vec<Option<Arc<Node>>>);

impl Default for Owners {
    fn default() -> Self {
        Self(vec![None; usize::from(SLOTS)])
    }
}

impl Owners {
    pub(super) fn get(&self, slot: Slot) -> Option<&Arc<Node>> {
        self.0.get(usize::from(slot.0))?.as_ref()
    }

    pub(super) fn set_range(&mut self, from: u16, to: u16, node: &Arc<Node>) {
        let range = usize::from(from)..=usize::from(to);
        for owner in self.0.get_mut(range).into_iter().flatten() {
            *owner = Some(Arc::clone(node));
        }
    }

    /// Each owner once.
    pub(super) fn nodes(&self) -> Vec<Arc<Node>> {
        let mut nodes: Vec<Arc<Node>> = Vec::new();
        for owner in self.0.iter().flatten() {
            // Slots come in long ranges, so nearly always it is the last one.
            if !nodes.iter().rev().any(|known| Arc::ptr_eq(known, owner)) {
                nodes.push(Arc::clone(owner));
            }
        }
        nodes
    }

    /// Whether each slot is the same node's here and there.
    pub(super) fn agree_with(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(one, other)| {
            one.as_ref().map(|node| &node.address) == other.as_ref().map(|node| &node.address)
        })
    }
}

#[cfg(test)]
#[path = "../../tests/unit/cluster/slots.rs"]
mod tests;
