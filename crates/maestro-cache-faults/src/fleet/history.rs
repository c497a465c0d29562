//! What the processes of a fleet did, and whether that may have been.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::path::Path;
use std::sync::Mutex;

use rustix::time::{ClockId, clock_gettime};

/// One thing that was done, by the clock that all processes of a machine share.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// Somebody asked for a key, and was told this version of it.
    Read { key: u32, began: u64, version: u64 },
    /// A version was in the database by then.
    Written { key: u32, by: u64, version: u64 },
    /// And all before it were invalidated by then.
    Invalidated { key: u32, by: u64, version: u64 },
    /// Somebody asked for a key, and was told that it cannot be loaded.
    Failed { key: u32, began: u64 },
}

const RECORD: usize = 21;

const READ: u8 = 0;
const WRITTEN: u8 = 1;
const INVALIDATED: u8 = 2;
const FAILED: u8 = 3;

/// Nanoseconds since the machine was started. It never goes back, and is the same for all processes.
pub(super) fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap();
    seconds * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap()
}

/// Where a process writes what it did. What is lost when it is killed is the end of it.
pub(super) struct Journal(Mutex<BufWriter<File>>);

impl Journal {
    pub(super) fn new(file: &Path) -> Self {
        Self(Mutex::new(BufWriter::new(File::create(file).unwrap())))
    }

    pub(super) fn note(&self, event: Event) {
        let (kind, key, time, version) = match event {
            Event::Read {
                key,
                began,
                version,
            } => (READ, key, began, version),
            Event::Written { key, by, version } => (WRITTEN, key, by, version),
            Event::Invalidated { key, by, version } => (INVALIDATED, key, by, version),
            Event::Failed { key, began } => (FAILED, key, began, 0),
        };
        let mut record = [0; RECORD];
        record[0] = kind;
        record[1..5].copy_from_slice(&key.to_le_bytes());
        record[5..13].copy_from_slice(&time.to_le_bytes());
        record[13..].copy_from_slice(&version.to_le_bytes());
        self.0.lock().unwrap().write_all(&record).unwrap();
    }

    pub(super) fn flush(&self) {
        self.0.lock().unwrap().flush().unwrap();
    }
}

/// The events of all processes.
#[derive(Default)]
pub(super) struct History {
    reads: Vec<(u32, u64, u64)>,
    written: Versions,
    invalidated: Versions,
    failed: u64,
}

/// By key: when, and which version.
#[derive(Default)]
struct Versions(HashMap<u32, Vec<(u64, u64)>>);

/// What a history shows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Judgement {
    pub(super) reads: u64,
    pub(super) failed: u64,
    pub(super) invalidations: u64,
    /// Reads that were told a version which had been invalidated before they began.
    pub(super) stale: u64,
    /// How long ago, at most.
    pub(super) stalest_millis: u64,
    /// Reads that were told a version which had been written over before they began.
    pub(super) old: u64,
    /// How long ago, at most.
    pub(super) oldest_millis: u64,
}

impl History {
    /// Adds what a process wrote down. One that was killed may have left half a record.
    pub(super) fn add(&mut self, file: &Path) {
        let mut bytes = Vec::new();
        File::open(file).unwrap().read_to_end(&mut bytes).unwrap();
        for record in bytes.chunks_exact(RECORD) {
            let key = u32::from_le_bytes(record[1..5].try_into().unwrap());
            let time = u64::from_le_bytes(record[5..13].try_into().unwrap());
            let version = u64::from_le_bytes(record[13..].try_into().unwrap());
            match record[0] {
                READ => self.reads.push((key, time, version)),
                WRITTEN => self.written.note(key, time, version),
                INVALIDATED => self.invalidated.note(key, time, version),
                _ => self.failed += 1,
            }
        }
    }

    pub(super) fn judge(mut self) -> Judgement {
        self.written.put_in_order();
        let mut judgement = Judgement {
            reads: self.reads.len() as u64,
            failed: self.failed,
            invalidations: self.invalidated.put_in_order(),
            ..Judgement::default()
        };
        for (key, began, version) in self.reads {
            if let Some(millis) = self.invalidated.since_a_newer_one(key, began, version) {
                judgement.stale += 1;
                judgement.stalest_millis = judgement.stalest_millis.max(millis);
            }
            if let Some(millis) = self.written.since_a_newer_one(key, began, version) {
                judgement.old += 1;
                judgement.oldest_millis = judgement.oldest_millis.max(millis);
            }
        }
        judgement
    }
}

impl Versions {
    fn note(&mut self, key: u32, time: u64, version: u64) {
        self.0.entry(key).or_default().push((time, version));
    }

    /// Lets each entry tell the latest version that was known to all by then, and says how many there
    /// are.
    fn put_in_order(&mut self) -> u64 {
        let mut count = 0;
        for versions in self.0.values_mut() {
            versions.sort_unstable();
            count += versions.len() as u64;
            let mut latest = 0;
            for (_, version) in versions {
                latest = latest.max(*version);
                *version = latest;
            }
        }
        count
    }

    /// How many milliseconds before that time a newer version was there, if one was.
    fn since_a_newer_one(&self, key: u32, time: u64, version: u64) -> Option<u64> {
        let versions = self.0.get(&key)?;
        let known = versions.partition_point(|(by, _)| *by < time);
        let older = versions[..known].partition_point(|(_, latest)| *latest <= version);
        let (by, _) = versions[..known].get(older)?;
        Some((time - by) / 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn history(reads: &[(u64, u64)], invalidated: &[(u64, u64)]) -> Judgement {
        History {
            reads: reads
                .iter()
                .map(|(began, version)| (7, began * 1_000_000, *version))
                .collect(),
            invalidated: Versions(HashMap::from([(
                7,
                invalidated
                    .iter()
                    .map(|(time, version)| (time * 1_000_000, *version))
                    .collect(),
            )])),
            ..History::default()
        }
        .judge()
    }

    #[test]
    fn what_was_invalidated_before_a_read_began_is_stale() {
        let invalidated = [(30, 3), (10, 2)];
        let fine = [(5, 1), (10, 1), (11, 2), (20, 3), (30, 2), (31, 3), (31, 9)];
        assert_eq!(history(&fine, &invalidated).stale, 0);
        let judgement = history(&[(11, 1), (31, 2), (50, 1)], &invalidated);
        assert_eq!((judgement.stale, judgement.stalest_millis), (3, 40));
    }

    #[test]
    fn an_older_version_that_is_acknowledged_later_allows_nothing() {
        let judgement = history(&[(25, 2)], &[(10, 3), (20, 2)]);
        assert_eq!((judgement.stale, judgement.stalest_millis), (1, 15));
    }

    #[test]
    fn a_journal_reads_as_it_was_written() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let journal = Journal::new(file.path());
        let (key, version) = (1, 2);
        let by = 10;
        journal.note(Event::Written { key, by, version });
        let (by, began) = (12_000_000, 12_000_010);
        let version = 1;
        journal.note(Event::Read {
            key,
            began,
            version,
        });
        journal.note(Event::Failed { key, began });
        let version = 2;
        journal.note(Event::Invalidated { key, by, version });
        journal.flush();
        let mut history = History::default();
        history.add(file.path());
        let judgement = history.judge();
        let Judgement { reads, failed, .. } = judgement;
        assert_eq!((reads, failed, judgement.invalidations), (1, 1, 1));
        assert_eq!((judgement.stale, judgement.stalest_millis), (1, 0));
        assert_eq!((judgement.old, judgement.oldest_millis), (1, 12));
    }
}
