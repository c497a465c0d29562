//! All deadlines, by time and by key: what has expired is found without looking at what has not.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::entry::Deadline;

/// The deadlines of all entries that have one.
///
/// By key they tell the remaining time of an entry without a look-up in moka, which would count as
/// use. Its lock is held for one step at a time and never while moka is called: moka calls back.
#[derive(Debug)]
pub(crate) struct Deadlines {
    index: Mutex<Index>,
    next_id: AtomicU64,
    /// The earliest deadline, or `u64::MAX`: most calls learn from it that nothing has expired.
    earliest_millis: AtomicU64,
}

#[derive(Debug, Default)]
struct Index {
    by_time: BTreeMap<Deadline, Arc<str>>,
    by_key: HashMap<Arc<str>, Deadline>,
}

impl Deadlines {
    pub(crate) fn new() -> Self {
        Self {
            index: Mutex::default(),
            next_id: AtomicU64::new(0),
            earliest_millis: AtomicU64::new(u64::MAX),
        }
    }

    /// Replaces the deadline of a key, and returns the new one as the entry shall carry it.
    pub(crate) fn replace(&self, key: &Arc<str>, at_millis: Option<u64>) -> Option<Deadline> {
        let deadline = at_millis.map(|at_millis| Deadline {
            at_millis,
            id: self.next_id.fetch_add(1, Ordering::Relaxed),
        });
        let mut index = self.index.lock();
        let former = match deadline {
            Some(deadline) => index.by_key.insert(Arc::clone(key), deadline),
            None => index.by_key.remove(key),
        };
        if let Some(former) = former {
            index.by_time.remove(&former);
        }
        if let Some(deadline) = deadline {
            index.by_time.insert(deadline, Arc::clone(key));
        }
        self.note_earliest(&index);
        deadline
    }

    /// Forgets the deadline of a key, whatever it is.
    pub(crate) fn forget(&self, key: &str) {
        let mut index = self.index.lock();
        if let Some(deadline) = index.by_key.remove(key) {
            index.by_time.remove(&deadline);
            self.note_earliest(&index);
        }
    }

    /// Forgets this deadline, unless the key has another one by now.
    pub(crate) fn forget_exactly(&self, key: &str, deadline: Deadline) {
        let mut index = self.index.lock();
        if index.by_time.remove(&deadline).is_some() {
            index.by_key.remove(key);
            self.note_earliest(&index);
        }
    }

    /// Forgets all deadlines, at the end.
    pub(crate) fn forget_all(&self) {
        let former = std::mem::take(&mut *self.index.lock());
        self.earliest_millis.store(u64::MAX, Ordering::Release);
        // Behind the lock: there may be many.
        drop(former);
    }

    pub(crate) fn of(&self, key: &str) -> Option<Deadline> {
        self.index.lock().by_key.get(key).copied()
    }

    /// Some key whose deadline has passed. Both stay here until they are forgotten.
    pub(crate) fn first_passed(&self, now_millis: u64) -> Option<(Arc<str>, Deadline)> {
        if self.earliest_millis.load(Ordering::Acquire) > now_millis {
            return None;
        }
        let index = self.index.lock();
        let (deadline, key) = index.by_time.first_key_value()?;
        deadline
            .has_passed(now_millis)
            .then(|| (Arc::clone(key), *deadline))
    }

    fn note_earliest(&self, index: &Index) {
        let earliest = index.by_time.first_key_value();
        self.earliest_millis.store(
            earliest.map_or(u64::MAX, |(deadline, _)| deadline.at_millis),
            Ordering::Release,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> Arc<str> {
        text.into()
    }

    fn passed(deadlines: &Deadlines, now_millis: u64) -> Option<String> {
        deadlines
            .first_passed(now_millis)
            .map(|(key, _)| key.to_string())
    }

    #[test]
    fn the_earliest_deadline_passes_first_and_at_its_millisecond() {
        let deadlines = Deadlines::new();
        deadlines.replace(&key("late"), Some(20));
        let early = deadlines.replace(&key("early"), Some(10)).unwrap();
        assert_eq!(passed(&deadlines, 9), None);
        assert_eq!(passed(&deadlines, 10).as_deref(), Some("early"));
        deadlines.forget_exactly("early", early);
        assert_eq!(passed(&deadlines, 19), None);
        assert_eq!(passed(&deadlines, 20).as_deref(), Some("late"));
    }

    #[test]
    fn a_replaced_deadline_leaves_nothing_behind() {
        let deadlines = Deadlines::new();
        let former = deadlines.replace(&key("k"), Some(10)).unwrap();
        let latter = deadlines.replace(&key("k"), Some(10)).unwrap();
        deadlines.forget_exactly("k", former);
        assert_eq!(deadlines.of("k"), Some(latter));
        deadlines.replace(&key("k"), None);
        assert_eq!(deadlines.of("k"), None);
        assert_eq!(passed(&deadlines, u64::MAX), None);
        assert!(deadlines.index.lock().by_time.is_empty());
    }
}
