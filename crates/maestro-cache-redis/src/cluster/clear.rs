//! Removing what a pattern selects, from all masters, also while slots move between them.

use std::sync::Arc;

use futures_util::future::join_all;
use maestro_cache_core::{Pattern, Result};

use super::slots::Owners;
use super::{Cluster, Node};
use crate::call::{Deadline, Intent};
use crate::commands;
use crate::error;
use crate::ops::clear::Scan;
use crate::request::Weight;

/// A key that is moved while its node is scanned may be missed: it was not yet there on the one and
/// is no longer on the other. A scan of all nodes in which it stays where it is finds it, so this
/// many find all keys but those that moved each time.
const MOST_SCANS: usize = 3;

impl Cluster {
    pub(crate) async fn clear(
        self: &Arc<Self>,
        deadline: Deadline,
        pattern: &Pattern,
    ) -> Result<u64> {
        let mut count = 0;
        let cleared = self.scan_until_calm(deadline, pattern, &mut count).await;
        cleared.map_err(|error| error::after_a_part(count, error))?;
        Ok(count)
    }

    async fn scan_until_calm(
        self: &Arc<Self>,
        deadline: Deadline,
        pattern: &Pattern,
        count: &mut u64,
    ) -> Result<()> {
        let mut before = self.fresh_owners(deadline).await?;
        for _ in 0..MOST_SCANS {
            let masters = before.nodes();
            let was_moving = any_is_moving(&masters, deadline).await?;
            for node in &masters {
                self.clear_node(node, deadline, pattern, count).await?;
            }
            let is_moving = any_is_moving(&masters, deadline).await?;
            let after = self.fresh_owners(deadline).await?;
            if !was_moving && !is_moving && after.agree_with(&before) {
                break;
            }
            before = after;
        }
        Ok(())
    }

    async fn fresh_owners(self: &Arc<Self>, deadline: Deadline) -> Result<Owners> {
        self.draw(deadline).await?;
        Ok(self.map.lock().owners.clone())
    }

    /// All that one node shows, removed wherever it is by then.
    async fn clear_node(
        self: &Arc<Self>,
        node: &Node,
        deadline: Deadline,
        pattern: &Pattern,
        count: &mut u64,
    ) -> Result<()> {
        // All over one connection: a cursor is of no use to another server in its place.
        let link = node.server.link_within(deadline, 0, Weight::Heavy).await?;
        let mut scan = Scan::new(pattern);
        while !scan.is_over() {
            let look = scan.look().into();
            let reply = link.exchange(deadline, Intent::Read, &look).await?;
            scan.take_in_keys(reply)?;
            *count += self
                .delete(deadline, &std::mem::take(&mut scan.found))
                .await?;
        }
        Ok(())
    }
}

/// True if a slot is on its way from one of the nodes or to it.
async fn any_is_moving(nodes: &[Arc<Node>], deadline: Deadline) -> Result<bool> {
    let question = commands::keyed("CLUSTER", "NODES").into();
    let answers = nodes
        .iter()
        .map(|node| node.server.call(deadline, Intent::Read, &question));
    for answer in join_all(answers).await {
        if answer?
            .text_or_nothing()?
            .lines()
            .any(says_that_a_slot_moves)
        {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A node shows the slots that it gives or takes in brackets, and only its own.
fn says_that_a_slot_moves(line: &str) -> bool {
    line.contains("myself") && line.contains(" [")
}

#[cfg(test)]
#[path = "../../tests/unit/cluster/clear.rs"]
mod tests;
