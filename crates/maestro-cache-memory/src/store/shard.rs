//! A part of the entries, with their order of use and their deadlines. Whoever holds its lock has it
//! to themselves, so there is nothing concurrent in here.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry as Place;

use maestro_cache_core::{Held, LoadToken};

use super::queue::{NO_RANK, Queue, Ticket, Verdict};
use crate::entry::{Deadline, Entry};

#[derive(Debug, Default)]
pub(super) struct Shard {
    entries: HashTable<Kept>,
    /// Who was used least recently goes first. Each entry has a ticket.
    by_use: Queue,
    /// Who is gone first. Each entry with a deadline has a ticket.
    by_deadline: Queue,
    /// Who computes which value, or failed to a moment ago. Mostly there is nobody.
    claims: HashTable<Claimed>,
}

/// A key that is claimed for a load.
#[derive(Debug)]
struct Claimed {
    key: Box<str>,
    hash: u64,
    hold: Hold,
}

/// What keeps others from loading a value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Hold {
    /// Somebody else does.
    Loading {
        token: LoadToken,
        /// There was a value, and the claim ends with it.
        over_value: bool,
    },
    /// Somebody else failed to, and nobody tries again before that.
    BackingOff { until: Deadline },
}

impl Hold {
    fn is_over_a_value(self) -> bool {
        match self {
            Self::Loading { over_value, .. } => over_value,
            Self::BackingOff { .. } => true,
        }
    }

    pub(crate) fn as_held(self) -> Held {
        match self {
            Self::Loading { token, .. } => Held::Loading(token),
            Self::BackingOff { .. } => Held::BackingOff,
        }
    }
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
        let gone = entry.useless().at_millis();
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
        if gone < kept.gone_as_queued {
            kept.gone_as_queued = gone;
            self.by_deadline.push(Ticket { rank: gone, hash });
        }
        if former.is_none() {
            self.by_use.push(Ticket { rank: tick, hash });
        }
        self.tidy_queues();
        former
    }

    /// What keeps others from loading the key. One that is over is forgotten.
    pub(super) fn hold(&mut self, hash: u64, key: &str, now_millis: u64) -> Option<Hold> {
        if self.claims.is_empty() {
            return None;
        }
        let hold = self.claims.find(hash, |claimed| *claimed.key == *key)?.hold;
        let entry = self.find(hash, key).map(|kept| &kept.entry);
        let has_no_value = entry.is_none_or(|entry| entry.useless().has_passed(now_millis));
        let is_over = match hold {
            Hold::Loading { over_value, .. } => over_value && has_no_value,
            Hold::BackingOff { until } => has_no_value || until.has_passed(now_millis),
        };
        if is_over {
            self.set_hold(hash, key, None);
            return None;
        }
        Some(hold)
    }

    pub(super) fn set_hold(&mut self, hash: u64, key: &str, hold: Option<Hold>) {
        if self.claims.is_empty() && hold.is_none() {
            return;
        }
        let is_it = |claimed: &Claimed| *claimed.key == *key;
        match (self.claims.entry(hash, is_it, |claimed| claimed.hash), hold) {
            (Place::Occupied(place), Some(hold)) => place.into_mut().hold = hold,
            (Place::Occupied(place), None) => {
                place.remove();
            }
            (Place::Vacant(place), Some(hold)) => {
                let key = key.into();
                place.insert(Claimed { key, hash, hold });
            }
            (Place::Vacant(_), None) => {}
        }
    }

    pub(super) fn claimed_keys(&self) -> impl Iterator<Item = &Box<str>> {
        self.claims.iter().map(|claimed| &claimed.key)
    }

    pub(super) fn remove(&mut self, hash: u64, key: &str) -> Option<Kept> {
        self.remove_if(hash, |kept| *kept.key == *key)
    }

    fn remove_if(&mut self, hash: u64, is_it: impl FnMut(&Kept) -> bool) -> Option<Kept> {
        let (kept, _) = self.entries.find_entry(hash, is_it).ok()?.remove();
        // What holds others off goes with the value that it was over.
        if !self.claims.is_empty() {
            let claimed = self
                .claims
                .find_entry(hash, |claimed| *claimed.key == *kept.key);
            if let Ok(claimed) = claimed
                && claimed.get().hold.is_over_a_value()
            {
                claimed.remove();
            }
        }
        Some(kept)
    }

    /// Removes the entry that was used least recently, if that was no later than `limit` and
    /// `may_go` has nothing against it, which is told its hash.
    pub(super) fn evict(&mut self, limit: u64, may_go: impl FnOnce(u64) -> bool) -> Eviction {
        self.tidy_queues();
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
        let Some(ticket) = first else {
            return Eviction::Elsewhere;
        };
        if !may_go(ticket.hash) {
            return Eviction::Refused;
        }
        self.by_use.pop();
        self.remove_if(ticket.hash, uses(ticket))
            .map_or(Eviction::Elsewhere, Eviction::Of)
    }

    /// Removes an entry whose deadline has passed.
    pub(super) fn remove_expired(&mut self, now_millis: u64) -> Option<Kept> {
        let entries = &mut self.entries;
        let ticket = self.by_deadline.first(now_millis, |ticket| {
            let Some(kept) = entries.find_mut(ticket.hash, expects(ticket)) else {
                return Verdict::Stale;
            };
            let deadline = kept.entry.useless();
            kept.gone_as_queued = deadline.at_millis();
            match deadline {
                Deadline::NEVER => Verdict::Stale,
                _ if deadline.at_millis() == ticket.rank => Verdict::Holds,
                _ => Verdict::Moved(deadline.at_millis()),
            }
        })?;
        self.by_deadline.pop();
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
    pub(super) fn tidy(&mut self) {
        const SPARSE: usize = 4;
        let entries = self.entries.len().max(16);
        if self.entries.capacity() > SPARSE * entries {
            self.entries.shrink_to(2 * entries, |kept| kept.hash);
        }
        let claims = self.claims.len().max(16);
        if self.claims.capacity() > SPARSE * claims {
            self.claims.shrink_to(2 * claims, |claimed| claimed.hash);
        }
        self.tidy_queues();
    }

    /// Makes a queue anew where that is cheaper. From the entries and not from the tickets: a ticket of
    /// an entry that is gone can look like that of another one in its place.
    fn tidy_queues(&mut self) {
        let entries = self.entries.len();
        if self.by_use.is_untidy(entries) {
            self.by_use = Queue::of(self.entries.iter_mut().map(|kept| {
                kept.used_as_queued = kept.used;
                let (rank, hash) = (kept.used, kept.hash);
                Ticket { rank, hash }
            }));
        }
        if self.by_deadline.is_untidy(entries) {
            self.by_deadline = Queue::of(self.entries.iter_mut().filter_map(|kept| {
                kept.gone_as_queued = kept.entry.useless().at_millis();
                let (rank, hash) = (kept.gone_as_queued, kept.hash);
                (rank != NO_RANK).then_some(Ticket { rank, hash })
            }));
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

#[cfg(all(test, not(loom)))]
// A test fails by panicking; Clippy does not see a test behind `not(loom)`.
#[allow(clippy::unwrap_used)]
mod tests {
    use maestro_cache_core::{Bytes, Value};
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::queue::SMALL;
    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Put {
            key: u64,
            lifetime: Option<u64>,
        },
        Use {
            key: u64,
        },
        Remove {
            key: u64,
        },
        Evict,
        /// If the first one was used this many ticks ago.
        EvictIfUsedBefore {
            ticks: u64,
        },
        Expire {
            after: u64,
        },
        Tidy,
    }

    fn step() -> impl Strategy<Value = Step> {
        let key = || 0..9_u64;
        prop_oneof![
            8 => (key(), proptest::option::of(1..9_u64))
                .prop_map(|(key, lifetime)| Step::Put { key, lifetime }),
            4 => key().prop_map(|key| Step::Use { key }),
            4 => key().prop_map(|key| Step::Remove { key }),
            1 => Just(Step::Evict),
            1 => (0..20_u64).prop_map(|ticks| Step::EvictIfUsedBefore { ticks }),
            1 => (0..3_u64).prop_map(|after| Step::Expire { after }),
            1 => Just(Step::Tidy),
        ]
    }

    /// Some keys share a hash, all of it.
    fn hash(key: u64) -> u64 {
        (key % 4).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }

    /// The entries as a list.
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Listed {
        key: u64,
        used: u64,
        deadline: Option<u64>,
    }

    fn listed(kept: &Kept) -> Listed {
        let deadline = kept.entry.deadline;
        Listed {
            key: kept.key.parse().unwrap(),
            used: kept.used,
            deadline: (!deadline.is_never()).then_some(deadline.at_millis()),
        }
    }

    fn run(steps: Vec<Step>) {
        let mut shard = Shard::default();
        let mut list: Vec<Listed> = Vec::new();
        let mut now = 0;
        let mut most = 0;
        for (tick, step) in (0..).zip(steps) {
            match step {
                Step::Put { key, lifetime } => {
                    let deadline = lifetime.map(|lifetime| now + lifetime);
                    let entry = Entry::new(
                        Value::new(Bytes::new()),
                        deadline.map_or(Deadline::NEVER, Deadline::at),
                    );
                    let former = shard.put(hash(key), &key.to_string(), entry, tick);
                    let at = list.iter().position(|listed| listed.key == key);
                    assert_eq!(former.is_some(), at.is_some());
                    at.map(|at| list.swap_remove(at));
                    let used = tick;
                    list.push(Listed {
                        key,
                        used,
                        deadline,
                    });
                }
                Step::Use { key } => {
                    let kept = shard.find_mut(hash(key), &key.to_string());
                    let listed = list.iter_mut().find(|listed| listed.key == key);
                    assert_eq!(kept.is_some(), listed.is_some());
                    if let (Some(kept), Some(listed)) = (kept, listed) {
                        kept.use_at(tick);
                        listed.used = tick;
                    }
                }
                Step::Remove { key } => {
                    let removed = shard.remove(hash(key), &key.to_string());
                    let at = list.iter().position(|listed| listed.key == key);
                    let expected = at.map(|at| list.swap_remove(at));
                    assert_eq!(removed.as_ref().map(listed), expected);
                }
                Step::Evict => evict(&mut shard, &mut list, NO_RANK),
                Step::EvictIfUsedBefore { ticks } => {
                    evict(&mut shard, &mut list, tick.saturating_sub(ticks));
                }
                Step::Expire { after } => {
                    now += after;
                    while let Some(kept) = shard.remove_expired(now) {
                        let removed = listed(&kept);
                        let first = list.iter().filter_map(|listed| listed.deadline).min();
                        assert_eq!(removed.deadline, first);
                        assert!(first <= Some(now));
                        list.retain(|listed| *listed != removed);
                    }
                    let left = list.iter().filter_map(|listed| listed.deadline).min();
                    assert!(
                        left.is_none_or(|left| left > now),
                        "{left:?} is left at {now}"
                    );
                }
                Step::Tidy => {
                    shard.tidy();
                    most = list.len();
                }
            }
            most = most.max(list.len());
            check(&shard, &list, most);
        }
    }

    fn evict(shard: &mut Shard, list: &mut Vec<Listed>, limit: u64) {
        let first = list.iter().min_by_key(|listed| listed.used).copied();
        let first = first.filter(|first| first.used <= limit);
        let refused = matches!(shard.evict(limit, |_| false), Eviction::Refused);
        assert_eq!(refused, first.is_some());
        let evicted = match shard.evict(limit, |_| true) {
            Eviction::Of(kept) => Some(listed(&kept)),
            Eviction::Elsewhere | Eviction::Refused => None,
        };
        assert_eq!(evicted, first);
        list.retain(|listed| Some(*listed) != first);
    }

    fn check(shard: &Shard, list: &[Listed], most: usize) {
        let mut kept: Vec<_> = shard.iter().map(listed).collect();
        let mut expected = list.to_vec();
        kept.sort_by_key(|listed| listed.key);
        expected.sort_by_key(|listed| listed.key);
        assert_eq!(kept, expected);
        assert_eq!(shard.len(), list.len());

        let first = list.iter().map(|listed| listed.used).min();
        assert!(shard.earliest_use() <= first.unwrap_or(NO_RANK));
        let first = list.iter().filter_map(|listed| listed.deadline).min();
        assert!(shard.earliest_deadline() <= first.unwrap_or(NO_RANK));

        let bound = SMALL + 2 * most;
        assert!(shard.by_use.len() <= bound && shard.by_deadline.len() <= bound);
    }

    proptest! {
        #[test]
        fn random_steps_give_what_a_list_gives(steps in vec(step(), 0..600)) {
            run(steps);
        }
    }

    /// In one moment, so that all the tickets look alike.
    #[test]
    fn an_entry_that_comes_and_goes_leaves_few_tickets() {
        let put = Step::Put {
            key: 0,
            lifetime: Some(5),
        };
        run([put, Step::Remove { key: 0 }].repeat(1000));
    }

    #[test]
    fn a_deadline_that_moves_back_and_forth_leaves_few_tickets() {
        let steps = (0..2000).map(|step| Step::Put {
            key: 0,
            lifetime: (step % 3 > 0).then_some(3000 - step),
        });
        run(steps.collect());
    }

    #[test]
    fn tickets_of_what_is_gone_are_forgotten_with_it() {
        let mut shard = Shard::default();
        for tick in 0..10_000 {
            let entry = Entry::new(Value::new(Bytes::new()), Deadline::at(tick + 1));
            shard.put(tick, &tick.to_string(), entry, tick);
        }
        for key in 0..10_000 {
            shard.remove(key, &key.to_string());
        }
        shard.tidy();
        assert_eq!((shard.by_use.len(), shard.by_deadline.len()), (0, 0));
        assert!(shard.entries.capacity() < 100);
    }
}
