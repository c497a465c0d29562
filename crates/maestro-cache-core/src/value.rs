//! What a backend stores and returns: bytes, and for some a slot for the value decoded from them.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::Codec;

/// A stored value: its bytes, cheap to clone.
///
/// A backend that keeps values in the process makes them with [`Value::remembering`]: such a value
/// has a slot for what was decoded from it, shared by all its clones, so that
/// [`Cache::get_shared`](crate::Cache::get_shared) decodes it once and keeps the outcome. A backend that fetches
/// bytes from elsewhere makes them with [`Value::new`].
///
/// # Examples
///
/// ```
/// use maestro_cache_core::{Bytes, Value};
///
/// let fetched = Value::new(Bytes::from_static(b"5"));
/// let kept = Value::remembering(Bytes::from_static(b"5"));
/// assert_eq!(fetched.bytes(), kept.bytes());
/// assert_eq!(kept.into_bytes(), "5");
/// ```
#[derive(Clone)]
pub struct Value(Repr);

#[derive(Clone)]
enum Repr {
    Plain(Bytes),
    Remembering(Arc<Remembering>),
}

struct Remembering {
    bytes: Bytes,
    decoded: OnceLock<Decoded>,
}

/// What was decoded first, and how: other codecs read other values from the same bytes.
struct Decoded {
    codec: Codec,
    value: Arc<dyn Any + Send + Sync>,
}

impl Value {
    /// A value that is decoded anew by each reader.
    #[must_use]
    pub fn new(bytes: Bytes) -> Self {
        Self(Repr::Plain(bytes))
    }

    /// A value that remembers what the first reader decoded from it.
    #[must_use]
    pub fn remembering(bytes: Bytes) -> Self {
        Self(Repr::Remembering(Arc::new(Remembering {
            bytes,
            decoded: OnceLock::new(),
        })))
    }

    /// The stored bytes.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        match &self.0 {
            Repr::Plain(bytes) => bytes,
            Repr::Remembering(value) => &value.bytes,
        }
    }

    /// The stored bytes, without a copy.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Repr::Plain(bytes) => bytes,
            Repr::Remembering(value) => value.bytes.clone(),
        }
    }

    /// The remembered value, if one of this type was decoded by this codec.
    #[inline]
    pub(crate) fn recall<T: Send + Sync + 'static>(&self, codec: Codec) -> Option<Arc<T>> {
        let Repr::Remembering(value) = &self.0 else {
            return None;
        };
        let decoded = value
            .decoded
            .get()
            .filter(|decoded| decoded.codec == codec)?;
        Arc::clone(&decoded.value).downcast().ok()
    }

    /// Remembers the value for later readers, and returns what all of them get: of several who
    /// decoded at once, the first one's.
    pub(crate) fn remember<T: Send + Sync + 'static>(
        &self,
        codec: Codec,
        decoded: Arc<T>,
    ) -> Arc<T> {
        let Repr::Remembering(value) = &self.0 else {
            return decoded;
        };
        value.decoded.get_or_init(|| Decoded {
            codec,
            value: Arc::clone(&decoded) as Arc<dyn Any + Send + Sync>,
        });
        self.recall(codec).unwrap_or(decoded)
    }
}

impl From<Bytes> for Value {
    fn from(bytes: Bytes) -> Self {
        Self::new(bytes)
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({:?})", Size(self.bytes()))
    }
}

/// Shows the size of a value in place of its bytes, which may be personal data.
pub(crate) struct Size<'a>(pub(crate) &'a Bytes);

impl fmt::Debug for Size<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remembering_value_recalls_by_type_and_codec_and_only_the_first() {
        let value = Value::remembering(Bytes::from_static(b"5"));
        let clone = value.clone();
        let first = value.remember(Codec::Json, Arc::new(5_i64));
        let second = value.remember(Codec::Json, Arc::new(5_i64));
        assert!(
            Arc::ptr_eq(&first, &second),
            "all readers get the first one's"
        );
        assert_eq!(*value.remember(Codec::Json, Arc::new("5".to_owned())), "5");
        assert_eq!(clone.recall::<i64>(Codec::Json).as_deref(), Some(&5));
        assert_eq!(clone.recall::<String>(Codec::Json), None);
        assert_eq!(clone.recall::<i64>(Codec::MessagePack), None);
    }

    #[test]
    fn a_plain_value_recalls_nothing() {
        let value = Value::new(Bytes::from_static(b"5"));
        value.remember(Codec::Json, Arc::new(5_i64));
        assert_eq!(value.recall::<i64>(Codec::Json), None);
    }

    #[test]
    fn debug_shows_the_size_and_not_the_bytes() {
        assert_eq!(
            format!("{:?}", Value::new(Bytes::from_static(b"canary"))),
            "Value(6 bytes)"
        );
    }
}
