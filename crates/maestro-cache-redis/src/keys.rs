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

    pub(crate) fn all(&self) -> Vec<&str> {
        let begins = std::iter::once(&0).chain(&self.ends);
        begins
            .zip(&self.ends)
            .map(|(begin, end)| self.text.get(*begin..*end).unwrap_or_default())
            .collect()
    }
}

#[cfg(test)]
#[path = "../tests/unit/keys.rs"]
mod tests;
