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
    /// A version was written to the database, and all before it were invalidated by then.
    Invalidated { key: u32, by: u64, version: u64 },
}

const RECORD: usize = 21;

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
            } => (0, key, began, version),
            Event::Invalidated { key, by, version } => (1, key, by, version),
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
    /// By key: when, and which version.
    invalidated: HashMap<u32, Vec<(u64, u64)>>,
}

/// What a history shows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Judgement {
    pub(super) reads: u64,
    pub(super) invalidations: u64,
    /// Reads that were told a version which had been invalidated before they began.
    pub(super) stale: u64,
    /// How long ago, at most.
    pub(super) stalest_millis: u64,
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
                0 => self.reads.push((key, time, version)),
                _ => self
                    .invalidated
                    .entry(key)
                    .or_default()
                    .push((time, version)),
            }
        }
    }

    pub(super) fn judge(mut self) -> Judgement {
        let mut judgement = Judgement {
            reads: self.reads.len() as u64,
            ..Judgement::default()
        };
        for invalidated in self.invalidated.values_mut() {
            invalidated.sort_unstable();
            judgement.invalidations += invalidated.len() as u64;
            // From here on each is the latest version that was known to all by then.
            let mut latest = 0;
            for (_, version) in invalidated {
                latest = latest.max(*version);
                *version = latest;
            }
        }
        for (key, began, version) in self.reads {
            let Some(invalidated) = self.invalidated.get(&key) else {
                continue;
            };
            let known = invalidated.partition_point(|(time, _)| *time < began);
            let older = invalidated[..known].partition_point(|(_, latest)| *latest <= version);
            if let Some((since, _)) = invalidated[..known].get(older) {
                judgement.stale += 1;
                let millis = (began - since) / 1_000_000;
                judgement.stalest_millis = judgement.stalest_millis.max(millis);
            }
        }
        judgement
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
            invalidated: HashMap::from([(
                7,
                invalidated
                    .iter()
                    .map(|(time, version)| (time * 1_000_000, *version))
                    .collect(),
            )]),
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
        journal.note(Event::Invalidated {
            key: 1,
            by: 10,
            version: 2,
        });
        journal.note(Event::Read {
            key: 1,
            began: 11,
            version: 1,
        });
        journal.flush();
        let mut history = History::default();
        history.add(file.path());
        let judgement = history.judge();
        assert_eq!(
            (judgement.reads, judgement.invalidations, judgement.stale),
            (1, 1, 1)
        );
    }
}
