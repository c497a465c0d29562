//! The contract as the simplest program that keeps it: a map, a clock moved by hand.
//!
//! It works on what a backend works on, which is stored keys and bytes, and it answers what a
//! backend answers. Where a backend and the model differ, the model is the contract.

use std::collections::HashMap;
use std::time::Duration;

use maestro_cache_core::{Bytes, Error, ErrorKind, Expiry, Pattern, Result, SetWhen, TimeToLive};

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
    now_ms: u64,
}

#[derive(Clone, Debug)]
struct Entry {
    value: Bytes,
    deadline_ms: Option<u64>,
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
        self.entries
            .retain(|_, entry| entry.deadline_ms.is_none_or(|deadline| now_ms < deadline));
    }

    /// The live value of the key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Bytes> {
        self.entries.get(key).map(|entry| entry.value.clone())
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
        let deadline_ms = self.deadline_ms(expiry);
        self.entries
            .insert(key.to_owned(), Entry { value, deadline_ms });
        true
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
        self.entries.contains_key(key)
    }

    /// Removes the entry and returns its value.
    pub fn take(&mut self, key: &str) -> Option<Bytes> {
        self.entries.remove(key).map(|entry| entry.value)
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
        let created_deadline_ms = self.deadline_ms(expiry_if_created);
        let value = Bytes::from(sum.to_string());
        self.entries
            .entry(key.to_owned())
            .and_modify(|entry| entry.value = value.clone())
            .or_insert(Entry {
                value,
                deadline_ms: created_deadline_ms,
            });
        Ok(sum)
    }

    /// The remaining time of the entry.
    #[must_use]
    pub fn ttl(&self, key: &str) -> TimeToLive {
        match self.entries.get(key).map(|entry| entry.deadline_ms) {
            None => TimeToLive::Missing,
            Some(None) => TimeToLive::NoExpiry,
            Some(Some(deadline)) => TimeToLive::Left(Duration::from_millis(deadline - self.now_ms)),
        }
    }

    /// Changes the expiry. True if there is an entry, or, for [`Expiry::Never`], if it had one.
    pub fn set_expiry(&mut self, key: &str, expiry: Expiry) -> bool {
        let deadline_ms = self.deadline_ms(expiry);
        let Some(entry) = self.entries.get_mut(key) else {
            return false;
        };
        let former_ms = std::mem::replace(&mut entry.deadline_ms, deadline_ms);
        expiry != Expiry::Never || former_ms.is_some()
    }

    /// Removes every entry that the pattern selects and counts them.
    pub fn clear(&mut self, pattern: &Pattern) -> u64 {
        let removed = self.entries.extract_if(|key, _| pattern.selects(key));
        u64::try_from(removed.count()).expect("a count fits")
    }

    /// All live entries in the order of their keys, with the time that is left to each: what two
    /// models, or a model and a backend, are compared by.
    #[must_use]
    pub fn entries(&self) -> Vec<(String, Bytes, TimeToLive)> {
        let mut entries: Vec<_> = self
            .entries
            .iter()
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
