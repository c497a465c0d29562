//! Tickets by deadline: which cells can be released, without a look at those that cannot.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use crate::cell::{Cell, NO_TICKET};
use crate::clock::Deadline;
use crate::sync::Mutex;

/// Below this number nothing is tidied up.
const FEW: usize = 64;

/// A queue of cells by deadline that learns late what happened to them. A ticket may come too early, never
/// too late: a cell costs nothing here when it is overwritten, put off, removed or evicted.
#[derive(Debug)]
pub(crate) struct Tickets {
    queue: Mutex<Queue>,
    /// A lower bound of all deadlines, for those who would find nothing.
    earliest: AtomicU64,
}

#[derive(Debug, Default)]
struct Queue {
    by_millis: BTreeMap<u64, Vec<Weak<Cell>>>,
    len: usize,
    /// The number of tickets at which those are forgotten that are of no use.
    tidy_at: usize,
}

impl Tickets {
    pub(crate) fn new() -> Self {
        Self {
            queue: Mutex::new(Queue::default()),
            earliest: AtomicU64::new(NO_TICKET),
        }
    }

    /// Sees to it that the cell has a ticket no later than the deadline. To be called under its lock.
    pub(crate) fn note(&self, cell: &Arc<Cell>, deadline: Deadline) {
        let at_millis = deadline.at_millis();
        if at_millis >= cell.ticket.load(Relaxed) {
            return;
        }
        cell.ticket.store(at_millis, Relaxed);
        let mut queue = self.queue.lock();
        if queue.len >= queue.tidy_at {
            queue.tidy();
        }
        let tickets = queue.by_millis.entry(at_millis).or_default();
        tickets.push(Arc::downgrade(cell));
        queue.len += 1;
        self.earliest.store(queue.earliest(), Relaxed);
    }

    /// Takes out a cell whose ticket has come. It has none afterwards: its deadline has to be looked at
    /// under its lock, and noted again if it has not passed.
    pub(crate) fn take(&self, now_millis: u64) -> Option<Arc<Cell>> {
        if self.earliest.load(Relaxed) > now_millis {
            return None;
        }
        let mut queue = self.queue.lock();
        let mut taken = None;
        while taken.is_none() && queue.earliest() <= now_millis {
            taken = queue.pop();
        }
        self.earliest.store(queue.earliest(), Relaxed);
        taken
    }

    /// Gives memory back where many of the cells are gone.
    pub(crate) fn tidy(&self, cells: u64) {
        let mut queue = self.queue.lock();
        if queue.len as u64 > FEW as u64 + 2 * cells {
            queue.tidy();
        }
    }
}

impl Queue {
    fn earliest(&self) -> u64 {
        let first = self.by_millis.first_key_value();
        first.map_or(NO_TICKET, |(at_millis, _)| *at_millis)
    }

    /// The cell of the first ticket, unless it has a later one by now.
    fn pop(&mut self) -> Option<Arc<Cell>> {
        let mut first = self.by_millis.first_entry()?;
        let at_millis = *first.key();
        let ticket = first.get_mut().pop();
        if first.get().is_empty() {
            first.remove();
        }
        self.len -= usize::from(ticket.is_some());
        let cell = ticket?.upgrade()?;
        let used = cell
            .ticket
            .compare_exchange(at_millis, NO_TICKET, Relaxed, Relaxed);
        used.is_ok().then_some(cell)
    }

    fn tidy(&mut self) {
        self.len = 0;
        self.by_millis.retain(|at_millis, tickets| {
            tickets.retain(|ticket| {
                let cell = ticket.upgrade();
                cell.is_some_and(|cell| cell.ticket.load(Relaxed) == *at_millis)
            });
            tickets.shrink_to_fit();
            self.len += tickets.len();
            !tickets.is_empty()
        });
        self.tidy_at = FEW + 2 * self.len;
    }
}
