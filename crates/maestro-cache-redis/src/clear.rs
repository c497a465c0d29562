//! Removing what a pattern selects: one scan over the key space, some thousand keys a round trip.

use maestro_cache_core::{Outcome, Pattern, Result};
use redis::{Cmd, Pipeline};

use crate::call::{Deadline, Intent};
use crate::commands;
use crate::connections::Connections;
use crate::reply::Reply;
use crate::request::Request;

/// How many keys a server looks at in one `SCAN`: few enough that other clients do not notice,
/// enough that the round trips do not matter.
const SCANNED_AT_ONCE: usize = 1000;

/// The most keys of one `UNLINK`. A scan may find more than it was asked to look at.
const UNLINKED_AT_ONCE: usize = 1000;

impl Connections {
    /// Removes every selected key and counts those that were there.
    pub(crate) async fn clear(&self, deadline: Deadline, pattern: Pattern) -> Result<u64> {
        match pattern.as_literal() {
            // Without a wildcard there is one key to remove, or, for a bare prefix, none.
            Some(key) if pattern.selects(&key) => {
                let unlink = commands::over_keys("UNLINK", &[key]);
                self.call(deadline, Intent::Write, Request::Command(&unlink))
                    .await?
                    .count()
            }
            Some(_) => Ok(0),
            None => self.scan_and_remove(deadline, &pattern).await,
        }
    }

    /// Each round trip removes what the one before it found, and scans on.
    async fn scan_and_remove(&self, deadline: Deadline, pattern: &Pattern) -> Result<u64> {
        // All over one connection: a server that was restarted in between would read the cursor
        // in its own way, and leave keys behind. Then the connection breaks, and so does this.
        let mut lease = self.lease(deadline).await?;
        let mut scan = Scan::new(pattern);
        loop {
            let step = scan.step();
            let intent = if scan.found.is_empty() {
                Intent::Read
            } else {
                Intent::Write
            };
            let request = Request::Pipeline(&step);
            let answer = lease.exchange(deadline, intent, request).await;
            match answer.and_then(|reply| scan.take_in(reply)) {
                Ok(()) if scan.is_over() => return Ok(scan.removed),
                Ok(()) => {}
                // A part is gone already, whatever became of the rest.
                Err(error) if scan.removed > 0 => return Err(error.with_outcome(Outcome::Unknown)),
                Err(error) => return Err(error),
            }
        }
    }
}

/// How far a scan has come.
struct Scan<'a> {
    pattern: &'a Pattern,
    /// Where to go on; empty once the whole key space was looked at.
    cursor: Vec<u8>,
    /// What is to be removed next.
    found: Vec<Vec<u8>>,
    removed: u64,
}

impl<'a> Scan<'a> {
    fn new(pattern: &'a Pattern) -> Self {
        Self {
            pattern,
            cursor: b"0".to_vec(),
            found: Vec::new(),
            removed: 0,
        }
    }

    fn is_over(&self) -> bool {
        self.cursor.is_empty() && self.found.is_empty()
    }

    /// What is sent in one round trip.
    fn step(&self) -> Pipeline {
        let unlinks = self.found.chunks(UNLINKED_AT_ONCE);
        let mut step = Pipeline::with_capacity(unlinks.len() + 1);
        for keys in unlinks {
            step.add_command(commands::over_keys("UNLINK", keys));
        }
        if !self.cursor.is_empty() {
            step.add_command(scan(&self.cursor, self.pattern));
        }
        step
    }

    fn take_in(&mut self, reply: Reply) -> Result<()> {
        let mut replies = reply.many()?;
        let scanned = (!self.cursor.is_empty()).then(|| replies.pop()).flatten();
        self.found.clear();
        for unlinked in replies {
            self.removed += unlinked.count()?;
        }
        if let Some(scanned) = scanned {
            (self.cursor, self.found) = scanned.scanned()?;
            // A scan may show a key twice; the second removal then counts nothing.
            self.found.retain(|key| self.pattern.selects(key));
        }
        Ok(())
    }
}

fn scan(cursor: &[u8], pattern: &Pattern) -> Cmd {
    let mut command = commands::command("SCAN", 5, pattern.as_str().len() + 40);
    command
        .arg(cursor)
        .arg("MATCH")
        .arg(pattern.as_str())
        .arg("COUNT")
        .arg(SCANNED_AT_ONCE);
    command
}
