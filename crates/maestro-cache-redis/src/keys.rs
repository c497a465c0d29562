//! The keys of a batch, kept until it is answered.

/// Several keys in one text.
pub(crate) struct Keys {
    text: String,
    ends: Vec<usize>,
}

impl Keys {
    pub(crate) fn new(keys: &[&str]) -> Self {
        let mut text = String::with_capacity(keys.iter().map(|key| key.len()).sum());
        let ends = keys.iter().map(|key| {
            text.push_str(key);
            text.len()
        });
        Self {
            ends: ends.collect(),
            text,
        }
    }

    /// The key at this place; empty if there is none.
    pub(crate) fn at(&self, place: usize) -> &str {
        let end_of = |place: usize| self.ends.get(place).copied().unwrap_or(self.text.len());
        let begin = place.checked_sub(1).map_or(0, end_of);
        self.text.get(begin..end_of(place)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_is_at_its_place() {
        let keys = ["a", "", "bc", "é", ""];
        let kept = Keys::new(&keys);
        for (place, key) in keys.iter().enumerate() {
            assert_eq!(kept.at(place), *key);
        }
        assert_eq!(kept.at(5), "");
        assert_eq!(kept.at(7), "");
        assert_eq!(Keys::new(&[]).at(0), "");
    }
}
