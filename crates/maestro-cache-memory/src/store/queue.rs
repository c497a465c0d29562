//! Entries by rank, the lowest first.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

/// No rank is higher.
pub(super) const NO_RANK: u64 = u64::MAX;

/// Below this length nothing is tidied up.
pub(super) const SMALL: usize = 64;

/// Where an entry stands in a [`Queue`], and the hash of its key, by which it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket {
    pub(super) rank: u64,
    pub(super) hash: u64,
}

/// What a ticket at the front turns out to be.
pub(super) enum Verdict {
    /// Its entry is gone, or has another ticket.
    Stale,
    /// Its entry has moved back to this rank since.
    Moved(u64),
    /// It is the first one.
    Holds,
}

/// A queue that learns late of what happened to its entries: a ticket may be stale, or lower than its
/// entry's rank by now, which only grows. So an entry costs nothing here when it is used, overwritten or
/// removed; whoever asks for the first one puts the tickets right that come before it.
#[derive(Debug, Default)]
pub(super) struct Queue {
    tickets: BinaryHeap<Reverse<Ticket>>,
    /// How many were put right since one held.
    moved: usize,
}

impl Queue {
    /// The queue of entries that have one ticket each, all of them right.
    pub(super) fn of(tickets: impl Iterator<Item = Ticket>) -> Self {
        Self {
            tickets: tickets.map(Reverse).collect(),
            moved: 0,
        }
    }

    pub(super) fn push(&mut self, ticket: Ticket) {
        self.tickets.push(Reverse(ticket));
    }

    /// Whether so many tickets are stale, or were put right one after the other, that making the queue
    /// anew costs no more than they did.
    pub(super) fn is_untidy(&self, entries: usize) -> bool {
        // To put one right takes as long as to look at so many entries.
        const LOOKS: usize = 64;
        self.tickets.len() > SMALL + 2 * entries || self.moved > SMALL + entries / LOOKS
    }

    /// No entry has a lower rank.
    pub(super) fn lowest_rank(&self) -> u64 {
        let first = self.tickets.peek();
        first.map_or(NO_RANK, |Reverse(ticket)| ticket.rank)
    }

    /// The first entry's ticket if its rank is no higher than `limit`. It stays in front.
    pub(super) fn first(
        &mut self,
        limit: u64,
        mut judge: impl FnMut(Ticket) -> Verdict,
    ) -> Option<Ticket> {
        loop {
            let mut front = self.tickets.peek_mut()?;
            let Reverse(ticket) = *front;
            if ticket.rank > limit {
                return None;
            }
            match judge(ticket) {
                Verdict::Holds => {
                    self.moved = 0;
                    return Some(ticket);
                }
                Verdict::Moved(rank) => {
                    *front = Reverse(Ticket { rank, ..ticket });
                    self.moved += 1;
                }
                Verdict::Stale => {
                    PeekMut::pop(front);
                }
            }
        }
    }

    /// Forgets the ticket in front, whose entry is removed.
    pub(super) fn pop(&mut self) {
        self.tickets.pop();
    }

    #[cfg(all(test, not(loom)))]
    pub(super) fn len(&self) -> usize {
        self.tickets.len()
    }
}
