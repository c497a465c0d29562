//! The contract as the simplest program that keeps it: a map, a clock moved by hand.
//!
//! It works on what a backend works on, which is stored keys and bytes, and it answers what a
//! backend answers. Where a backend and the model differ, the model is the contract.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::time::Duration;

use maestro_cache_core::{
    Age, Bytes, Claim, ClaimOver, Error, ErrorKind, Expiry, Held, Keeping, LoadToken, LookFor,
    Lookup, Pattern, Result, SetWhen, TimeToLive, Value,
};

/// The reference model of a backend.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use maestro_cache_core::{Bytes, Expiry, SetWhen};
/// use maestro_cache_testkit::Model;
///
/// let mut model = Model::new();
/// let expiry = Expiry::after(Duration::from_secs(5))?;
/// model.set("key", Bytes::from_static(b"value"), expiry, SetWhen::Always);
/// model.advance(Duration::from_secs(5));
/// assert_eq!(model.get("key"), None);
/// # Ok::<(), maestro_cache_core::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Model {
    entries: HashMap<String, Entry>,
    claims: HashMap<String, Claimed>,
    now_ms: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    value: Bytes,
    deadline_ms: Option<u64>,
    loaded: Option<Loaded>,
}

/// What is known of a value that a load has stored for other loads.
#[derive(Clone, Copy, Debug)]
struct Loaded {
    stale_ms: u64,
    cost: Option<Duration>,
}

#[derive(Clone, Copy, Debug)]
struct Claimed {
    held: Held,
    /// A claim over a value ends with it.
    over_value: bool,
    until_ms: Option<u64>,
}

impl Entry {
    fn is_live(&self, now_ms: u64) -> bool {
        self.deadline_ms.is_none_or(|deadline| now_ms < deadline)
    }

    fn is_of_use(&self, now_ms: u64) -> bool {
        let stale_ms = self.loaded.map_or(0, |loaded| loaded.stale_ms);
        self.deadline_ms
            .is_none_or(|deadline| now_ms < deadline.saturating_add(stale_ms))
    }
}

impl Model {
    /// An empty model, at time zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets time pass; what has reached its deadline is gone.
    pub fn advance(&mut self, by: Duration) {
        let by_ms = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
        self.now_ms = self.now_ms.saturating_add(by_ms);
        let now_ms = self.now_ms;
        self.entries.retain(|_, entry| entry.is_of_use(now_ms));
        let entries = &self.entries;
        self.claims.retain(|key, claimed| {
            (!claimed.over_value || entries.contains_key(key))
                && claimed.until_ms.is_none_or(|until| now_ms < until)
        });
    }

    fn live(&self, key: &str) -> Option<&Entry> {
        self.entries
            .get(key)
            .filter(|entry| entry.is_live(self.now_ms))
    }

    /// The live value of the key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Bytes> {
        self.live(key).map(|entry| entry.value.clone())
    }

    /// The live values of the keys, in order.
    #[must_use]
    pub fn get_many(&self, keys: &[&str]) -> Vec<Option<Bytes>> {
        keys.iter().map(|key| self.get(key)).collect()
    }

    /// Stores the value and its expiry; true if it was stored.
    pub fn set(&mut self, key: &str, value: Bytes, expiry: Expiry, when: SetWhen) -> bool {
        if when == SetWhen::Absent && self.exists(key) {
            return false;
        }
        self.store(key, value, expiry, None);
        true
    }

    fn store(&mut self, key: &str, value: Bytes, expiry: Expiry, loaded: Option<Loaded>) {
        let deadline_ms = self.deadline_ms(expiry);
        let entry = Entry {
            value,
            deadline_ms,
            loaded,
        };
        self.entries.insert(key.to_owned(), entry);
        self.claims.remove(key);
    }

    /// Stores all entries; of entries with the same key the last one wins.
    pub fn set_many(&mut self, entries: &[(&str, Bytes)], expiry: Expiry) {
        for (key, value) in entries {
            self.set(key, value.clone(), expiry, SetWhen::Always);
        }
    }

    /// Removes the keys and counts the live entries that were removed.
    pub fn delete(&mut self, keys: &[&str]) -> u64 {
        let removed = keys.iter().filter(|key| self.take(key).is_some());
        u64::try_from(removed.count()).expect("a count fits")
    }

    /// True if there is a live entry.
    #[must_use]
    pub fn exists(&self, key: &str) -> bool {
        self.live(key).is_some()
    }

    /// Removes the entry and returns its value.
    pub fn take(&mut self, key: &str) -> Option<Bytes> {
        let live = self.get(key);
        self.entries.remove(key);
        self.claims.remove(key);
        live
    }

    /// Stores the new value and expiry if the live value equals `expected`.
    pub fn compare_and_set(
        &mut self,
        key: &str,
        expected: &[u8],
        new: Bytes,
        expiry: Expiry,
    ) -> bool {
        self.get(key).is_some_and(|value| value == expected)
            && self.set(key, new, expiry, SetWhen::Always)
    }

    /// Adds to the decimal integer that is stored; a missing one is 0 and gets the expiry.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::NotAnInteger`] and [`ErrorKind::Overflow`]; nothing changes then.
    pub fn increment(&mut self, key: &str, by: i64, expiry_if_created: Expiry) -> Result<i64> {
        let old = match self.get(key) {
            None => 0,
            Some(value) => canonical_integer(&value)
                .ok_or_else(|| Error::new(ErrorKind::NotAnInteger, "the value is no counter"))?,
        };
        let sum = old
            .checked_add(by)
            .ok_or_else(|| Error::new(ErrorKind::Overflow, "the sum is not an i64"))?;
        let value = Bytes::from(sum.to_string());
        match self.live(key).map(|entry| entry.deadline_ms) {
            None => self.store(key, value, expiry_if_created, None),
            Some(deadline_ms) => {
                let entry = Entry {
                    value,
                    deadline_ms,
                    loaded: None,
                };
                self.entries.insert(key.to_owned(), entry);
                self.claims.remove(key);
            }
        }
        Ok(sum)
    }

    /// The remaining time of the entry.
    #[must_use]
    pub fn ttl(&self, key: &str) -> TimeToLive {
        match self.live(key).map(|entry| entry.deadline_ms) {
            None => TimeToLive::Missing,
            Some(None) => TimeToLive::NoExpiry,
            Some(Some(deadline)) => TimeToLive::Left(Duration::from_millis(deadline - self.now_ms)),
        }
    }

    /// Changes the expiry. True if there is an entry, or, for [`Expiry::Never`], if it had one.
    pub fn set_expiry(&mut self, key: &str, expiry: Expiry) -> bool {
        let Some(entry) = self.live(key) else {
            self.take(key);
            return false;
        };
        let had_one = entry.deadline_ms.is_some();
        if expiry == Expiry::Never && !had_one {
            return false;
        }
        self.store(key, entry.value.clone(), expiry, None);
        true
    }

    /// Removes every entry that the pattern selects and counts them.
    pub fn clear(&mut self, pattern: &Pattern) -> u64 {
        self.claims.retain(|key, _| !pattern.selects(key));
        let now_ms = self.now_ms;
        let removed = self.entries.extract_if(|key, _| pattern.selects(key));
        let live = removed.filter(|(_, entry)| entry.is_live(now_ms));
        u64::try_from(live.count()).expect("a count fits")
    }

    /// What there is for a load.
    #[must_use]
    pub fn look_up(&self, key: &str, look_for: LookFor) -> Lookup {
        let held = self.claims.get(key).map(|claimed| claimed.held);
        let Some(entry) = self.entries.get(key) else {
            return Lookup::Missing { held };
        };
        let value = Value::new(entry.value.clone());
        let deadline_ms = entry.deadline_ms.unwrap_or(u64::MAX);
        if entry.is_live(self.now_ms) {
            let cost = entry.loaded.and_then(|loaded| loaded.cost);
            let cost = cost.filter(|_| look_for == LookFor::FreshOrStale);
            let age = cost.map(|cost| Age {
                left: Duration::from_millis(deadline_ms - self.now_ms),
                cost,
            });
            return Lookup::Fresh { value, age };
        }
        match look_for {
            LookFor::Fresh => Lookup::Missing { held },
            LookFor::FreshOrStale => Lookup::Stale {
                value,
                stale_for: Duration::from_millis(self.now_ms - deadline_ms),
                held,
            },
        }
    }

    /// Claims the key for a load.
    pub fn claim(&mut self, key: &str, token: LoadToken, over: ClaimOver) -> Claim {
        let found = self.look_up(key, LookFor::FreshOrStale);
        let held = self.claims.get(key).map(|claimed| claimed.held);
        let is_free = held.is_none() || held == Some(Held::Loading(token));
        let may_be_claimed = match (&found, over) {
            (Lookup::Fresh { .. }, ClaimOver::Gap) => false,
            (Lookup::Fresh { .. }, ClaimOver::Live) => {
                let entry = self.entries.get(key);
                is_free && entry.is_some_and(|entry| entry.loaded.is_some())
            }
            (Lookup::Fresh { value, .. }, ClaimOver::Unreadable(bytes)) => {
                let is_it = *value.bytes() == bytes;
                if is_it {
                    self.entries.remove(key);
                }
                is_it
            }
            (Lookup::Stale { .. } | Lookup::Missing { .. }, _) => is_free,
        };
        if !may_be_claimed {
            return Claim::Refused(found);
        }
        let claimed = Claimed {
            held: Held::Loading(token),
            over_value: self.entries.contains_key(key),
            until_ms: None,
        };
        self.claims.insert(key.to_owned(), claimed);
        Claim::Granted
    }

    /// Whether the claim holds.
    #[must_use]
    pub fn holds(&self, key: &str, token: LoadToken) -> bool {
        let claimed = self.claims.get(key);
        claimed.is_some_and(|claimed| claimed.held == Held::Loading(token))
    }

    /// Stores what was loaded, if the claim holds.
    pub fn publish(&mut self, key: &str, token: LoadToken, value: Bytes, keeping: Keeping) -> bool {
        if !self.holds(key, token) {
            return false;
        }
        let is_plain = keeping == Keeping::plain(keeping.expiry);
        let loaded = Loaded {
            stale_ms: keeping.stale_millis.map_or(0, NonZeroU64::get),
            cost: keeping.cost,
        };
        self.store(key, value, keeping.expiry, (!is_plain).then_some(loaded));
        true
    }

    /// Ends the claim, if it holds.
    pub fn release(
        &mut self,
        key: &str,
        token: LoadToken,
        back_off_millis: Option<NonZeroU64>,
    ) -> bool {
        if !self.holds(key, token) {
            return false;
        }
        self.claims.remove(key);
        if let Some(millis) = back_off_millis
            && self.entries.contains_key(key)
        {
            let claimed = Claimed {
                held: Held::BackingOff,
                over_value: true,
                until_ms: Some(self.now_ms + millis.get()),
            };
            self.claims.insert(key.to_owned(), claimed);
        }
        true
    }

    /// All live entries in the order of their keys, with the time that is left to each: what two
    /// models, or a model and a backend, are compared by.
    #[must_use]
    pub fn entries(&self) -> Vec<(String, Bytes, TimeToLive)> {
        let mut entries: Vec<_> = self
            .entries
            .iter()
            .filter(|(_, entry)| entry.is_live(self.now_ms))
            .map(|(key, entry)| (key.clone(), entry.value.clone(), self.ttl(key)))
            .collect();
        entries.sort_by(|left, right| left.0.cmp(&right.0));
        entries
    }

    fn deadline_ms(&self, expiry: Expiry) -> Option<u64> {
        match expiry {
            Expiry::Never => None,
            Expiry::AfterMillis(millis) => Some(self.now_ms.saturating_add(millis.get())),
        }
    }
}

/// Reads what `INCRBY` would: the text that the integer itself is written as, and no other.
fn canonical_integer(bytes: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(bytes).ok()?;
    let integer: i64 = text.parse().ok()?;
    (integer.to_string() == text).then_some(integer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_text_of_an_integer_is_one() {
        for text in [
            "0",
            "7",
            "-1",
            "9223372036854775807",
            "-9223372036854775808",
        ] {
            assert_eq!(canonical_integer(text.as_bytes()), text.parse().ok());
        }
        for text in [
            "",
            " 1",
            "1 ",
            "+1",
            "01",
            "-0",
            "1.5",
            "9223372036854775808",
        ] {
            assert_eq!(canonical_integer(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn an_entry_is_gone_at_its_deadline_and_not_before() {
        let mut model = Model::new();
        let expiry = Expiry::after(Duration::from_millis(5)).unwrap();
        model.set("key", Bytes::new(), expiry, SetWhen::Always);
        model.advance(Duration::from_millis(4));
        assert!(model.exists("key"));
        model.advance(Duration::from_millis(1));
        assert!(!model.exists("key"));
    }
}
