//! A part of the entries, with their order of use and their deadlines. Whoever holds its lock has it
//! to themselves, so there is nothing concurrent in here.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Place;

use super::queue::{NO_RANK, Queue, Ticket, Verdict};
use crate::entry::{Deadline, Entry};

#[derive(Debug, Default)]
pub(super) struct Shard {
    entries: HashTable<Kept>,
    /// Who was used least recently goes first. Each entry has a ticket.
    by_use: Queue,
    /// Who is gone first. Each entry with a deadline has a ticket.
    by_deadline: Queue,
    /// How many entries have a ticket by deadline.
    expected: usize,
}

/// An entry in its place.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) key: Box<str>,
    pub(super) entry: Entry,
    hash: u64,
    /// When it was used last, in ticks of the store.
    used: u64,
    /// The rank of its ticket by use, which may lag behind.
    used_as_queued: u64,
    /// The rank of its ticket by deadline, which may lag behind; `NO_RANK` if it has none.
    gone_as_queued: u64,
}

impl Kept {
    pub(super) fn use_at(&mut self, tick: u64) {
        self.used = tick;
    }
}

/// What came of an eviction.
pub(super) enum Eviction {
    Of(Kept),
    /// Another shard has an entry that was used earlier.
    Elsewhere,
    Refused,
}

impl Shard {
    pub(super) fn find(&self, hash: u64, key: &str) -> Option<&Kept> {
        self.entries.find(hash, |kept| *kept.key == *key)
    }

    pub(super) fn find_mut(&mut self, hash: u64, key: &str) -> Option<&mut Kept> {
        self.entries.find_mut(hash, |kept| *kept.key == *key)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Kept> {
        self.entries.iter()
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Stores the entry, and returns the one that was there.
    pub(super) fn put(&mut self, hash: u64, key: &str, entry: Entry, tick: u64) -> Option<Entry> {
        let deadline = entry.deadline;
        let place = self
            .entries
            .entry(hash, |kept| *kept.key == *key, |kept| kept.hash);
        let (kept, former) = match place {
            Place::Occupied(place) => {
                let kept = place.into_mut();
                kept.used = tick;
                let former = std::mem::replace(&mut kept.entry, entry);
                (kept, Some(former))
            }
            Place::Vacant(place) => {
                let kept = Kept {
                    key: key.into(),
                    entry,
                    hash,
                    used: tick,
                    used_as_queued: tick,
                    gone_as_queued: NO_RANK,
                };
                (place.insert(kept).into_mut(), None)
            }
        };
        // A ticket that lags behind is put right when it comes to the front; one that is ahead of its
        // entry would be too late.
        let is_sooner = deadline.at_millis() < kept.gone_as_queued;
        if is_sooner {
            self.expected += usize::from(kept.gone_as_queued == NO_RANK);
            kept.gone_as_queued = deadline.at_millis();
        }
        if former.is_none() {
            self.queue_by_use(Ticket { rank: tick, hash });
        }
        if is_sooner {
            let rank = deadline.at_millis();
            self.queue_by_deadline(Ticket { rank, hash });
        }
        former
    }

    fn queue_by_use(&mut self, ticket: Ticket) {
        let entries = &self.entries;
        self.by_use.push(ticket, entries.len(), |ticket| {
            entries.find(ticket.hash, uses(*ticket)).is_some()
        });
    }

    fn queue_by_deadline(&mut self, ticket: Ticket) {
        let entries = &self.entries;
        self.by_deadline.push(ticket, self.expected, |ticket| {
            entries.find(ticket.hash, expects(*ticket)).is_some()
        });
    }

    pub(super) fn remove(&mut self, hash: u64, key: &str) -> Option<Kept> {
        self.remove_if(hash, |kept| *kept.key == *key)
    }

    fn remove_if(&mut self, hash: u64, is_it: impl FnMut(&Kept) -> bool) -> Option<Kept> {
        let (kept, _) = self.entries.find_entry(hash, is_it).ok()?.remove();
        self.expected -= usize::from(kept.gone_as_queued != NO_RANK);
        Some(kept)
    }

    /// Removes the entry that was used least recently, if that was no later than `limit` and
    /// `may_go` has nothing against it, which is told its hash.
    pub(super) fn evict(&mut self, limit: u64, may_go: impl FnOnce(u64) -> bool) -> Eviction {
        let entries = &mut self.entries;
        let first = self.by_use.first(limit, |ticket| {
            match entries.find_mut(ticket.hash, uses(ticket)) {
                None => Verdict::Stale,
                Some(kept) if kept.used == ticket.rank => Verdict::Holds,
                Some(kept) => {
                    kept.used_as_queued = kept.used;
                    Verdict::Moved(kept.used)
                }
            }
        });
        match first {
            Some(ticket) if !may_go(ticket.hash) => Eviction::Refused,
            Some(ticket) => self
                .remove_if(ticket.hash, uses(ticket))
                .map_or(Eviction::Elsewhere, Eviction::Of),
            None => Eviction::Elsewhere,
        }
    }

    /// Removes an entry whose deadline has passed.
    pub(super) fn remove_expired(&mut self, now_millis: u64) -> Option<Kept> {
        let (entries, expected) = (&mut self.entries, &mut self.expected);
        let ticket = self.by_deadline.first(now_millis, |ticket| {
            let Some(kept) = entries.find_mut(ticket.hash, expects(ticket)) else {
                return Verdict::Stale;
            };
            kept.gone_as_queued = kept.entry.deadline.at_millis();
            match kept.entry.deadline {
                Deadline::NEVER => {
                    *expected -= 1;
                    Verdict::Stale
                }
                deadline if deadline.at_millis() == ticket.rank => Verdict::Holds,
                deadline => Verdict::Moved(deadline.at_millis()),
            }
        })?;
        self.remove_if(ticket.hash, expects(ticket))
    }

    /// Nobody was used earlier.
    pub(super) fn earliest_use(&self) -> u64 {
        self.by_use.lowest_rank()
    }

    /// Nobody is gone earlier.
    pub(super) fn earliest_deadline(&self) -> u64 {
        self.by_deadline.lowest_rank()
    }

    /// Gives memory back after many entries went.
    pub(super) fn shrink(&mut self) {
        const SPARSE: usize = 4;
        let entries = self.entries.len().max(16);
        if self.entries.capacity() > SPARSE * entries {
            self.entries.shrink_to(2 * entries, |kept| kept.hash);
        }
    }
}

/// Finds the entry of a ticket by use. No two uses have the same tick.
fn uses(ticket: Ticket) -> impl Fn(&Kept) -> bool {
    move |kept| kept.used_as_queued == ticket.rank
}

/// Finds the entry of a ticket by deadline: one of them, where keys of one hash have the same.
fn expects(ticket: Ticket) -> impl Fn(&Kept) -> bool {
    move |kept| kept.hash == ticket.hash && kept.gone_as_queued == ticket.rank
}
