//! From the key a caller names to the key a backend stores: checked, prefix in front.

use arrayvec::ArrayString;

use crate::{Error, ErrorKind, Result};

/// Keys up to this length, prefix included, are joined on the stack.
const ON_STACK: usize = 192;

/// Checks what can be wrong with a key, before anything is sent.
#[inline]
pub(crate) fn check(key: &str) -> Result<()> {
    if key.is_empty() {
        return Err(Error::new(
            ErrorKind::InvalidKey,
            "an empty key names nothing; give the entry a name",
        ));
    }
    Ok(())
}

/// Calls `with` with prefix + key, without an allocation for keys of usual length.
#[inline(always)] // What is captured in `with` then stays in registers, on the way of every operation.
pub(crate) fn with_stored<R>(prefix: &str, key: &str, with: impl FnOnce(&str) -> R) -> R {
    let mut on_stack = ArrayString::<ON_STACK>::new();
    let on_heap;
    with(if prefix.is_empty() {
        key
    } else if on_stack.try_push_str(prefix).is_ok() && on_stack.try_push_str(key).is_ok() {
        &on_stack
    } else {
        on_heap = [prefix, key].concat();
        &on_heap
    })
}

/// The stored keys of a batch: checked all together, before any of them is touched.
#[derive(Debug)]
pub(crate) struct StoredKeys {
    keys: Vec<String>,
    prefix_len: usize,
}

impl StoredKeys {
    pub(crate) fn new(
        prefix: &str,
        keys: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> Result<Self> {
        let keys = keys
            .into_iter()
            .map(|key| {
                let key = key.as_ref();
                check(key).map(|()| [prefix, key].concat())
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            keys,
            prefix_len: prefix.len(),
        })
    }

    pub(crate) fn as_strs(&self) -> Vec<&str> {
        self.keys.iter().map(String::as_str).collect()
    }

    /// The keys as the caller named them, in order.
    pub(crate) fn named(&self) -> impl Iterator<Item = &str> {
        self.keys
            .iter()
            .map(|key| key.get(self.prefix_len..).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefix_and_key_are_joined_alike_on_the_stack_and_beyond_it() {
        for len in [1, ON_STACK - 2, ON_STACK - 1, ON_STACK, 10 * ON_STACK] {
            let key = "k".repeat(len);
            with_stored("p:", &key, |stored| assert_eq!(stored, format!("p:{key}")));
            with_stored("", &key, |stored| assert_eq!(stored, key));
        }
    }

    #[test]
    fn one_empty_key_refuses_the_batch() {
        let error = StoredKeys::new("p:", ["a", "", "b"]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidKey);
    }
}
