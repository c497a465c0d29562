//! Removing what a pattern selects: one scan over the key space, some thousand keys a round trip.

use bytes::Bytes;
use maestro_cache_core::{Pattern, Result};
use redis::{Cmd, Pipeline};

use crate::call::{Deadline, Intent};
use crate::commands;
use crate::connection::Server;
use crate::error;
use crate::reply::Reply;
use crate::request::Weight;
use crate::scripts::{self, MOST_KEYS};

/// How many keys a server looks at in one `SCAN`: few enough that other clients do not notice,
/// enough that the round trips do not matter.
const SCANNED_AT_ONCE: i64 = 1000;

impl Server {
    /// Removes every selected key and counts those that were live. Each round trip removes what the
    /// one before it found, and scans on.
    pub(crate) async fn clear(&self, deadline: Deadline, pattern: &Pattern) -> Result<u64> {
        // All over one connection: a server that was restarted in between would read the cursor
        // in its own way, and leave keys behind. Then the connection breaks, and so does this.
        let link = self.link_within(deadline, 0, Weight::Heavy).await?;
        let mut scan = Scan::new(pattern);
        while !scan.is_over() {
            let step = scan.step();
            let intent = if scan.found.is_empty() {
                Intent::Read
            } else {
                Intent::Write
            };
            let answer = link.exchange(deadline, intent, &step.into()).await;
            answer
                .and_then(|reply| scan.take_in(reply))
                .map_err(|error| error::after_a_part(scan.removed, error))?;
        }
        Ok(scan.removed)
    }
}

pub(crate) struct Scan<'a> {
    pattern: &'a Pattern,
    /// Where to go on; empty once the whole key space was looked at.
    cursor: Bytes,
    pub(crate) found: Vec<Bytes>,
    removed: u64,
}

impl<'a> Scan<'a> {
    pub(crate) fn new(pattern: &'a Pattern) -> Self {
        Self {
            pattern,
            cursor: Bytes::from_static(b"0"),
            found: Vec::new(),
            removed: 0,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.cursor.is_empty() && self.found.is_empty()
    }

    /// What is sent in one round trip.
    fn step(&self) -> Pipeline {
        let mut step = Pipeline::new();
        // A scan may find more than it was asked to look at. Beside so many keys the script is short:
        // where the server has to be told it, nothing has to be asked again.
        for keys in self.found.chunks(MOST_KEYS) {
            step.add_command(scripts::remove(keys).in_full());
        }
        if !self.cursor.is_empty() {
            step.add_command(self.look());
        }
        step
    }

    pub(crate) fn look(&self) -> Cmd {
        let pattern = self.pattern.as_str();
        let mut scan = commands::command("SCAN", 5, pattern.len() + 40);
        scan.arg(&*self.cursor).arg("MATCH").arg(pattern);
        scan.arg("COUNT").arg(SCANNED_AT_ONCE);
        scan
    }

    fn take_in(&mut self, reply: Reply) -> Result<()> {
        let mut replies = reply.many()?;
        let scanned = (!self.cursor.is_empty()).then(|| replies.pop()).flatten();
        self.found.clear();
        for removed in replies {
            self.removed += removed.count()?;
        }
        match scanned {
            Some(scanned) => self.take_in_keys(scanned),
            None => Ok(()),
        }
    }

    /// A scan may show a key twice; the second removal then counts nothing.
    pub(crate) fn take_in_keys(&mut self, scanned: Reply) -> Result<()> {
        (self.cursor, self.found) = scanned.scanned()?;
        self.found.retain(|key| self.pattern.selects(key));
        Ok(())
    }
}
