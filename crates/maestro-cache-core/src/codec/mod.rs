//! How values become bytes and bytes become values.

mod bare_text;
mod decimal;
mod failure;
mod finite;
mod json;
mod messagepack;

use std::error::Error as StdError;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Error, ErrorKind, Result};

/// The format of values, chosen when a handle is built.
///
/// Under every codec a top-level integer is plain decimal text, as Redis' counters are, so that
/// `set`, `increment` and `get` work together. Values carry no header: other programs can read
/// them. All who share a key must agree on the codec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Codec {
    /// MessagePack with field names, so that structs may gain fields. Compact and fast. It is human
    /// readable to serde: types that serialize in two ways, such as `IpAddr`, are text in it.
    #[default]
    MessagePack,
    /// JSON, which the Python services read and write. NaN and the infinities are refused.
    Json,
    /// JSON that also takes what the Python package writes for a text: the bare text, without
    /// quotes. Only where a text is asked for, and only if the bytes are no JSON. Writes as
    /// [`Codec::Json`] does.
    JsonLegacyPythonStrings,
}

impl Codec {
    const ALL: [Self; 3] = [Self::MessagePack, Self::Json, Self::JsonLegacyPythonStrings];

    /// The name by which configuration knows it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MessagePack => "messagepack",
            Self::Json => "json",
            Self::JsonLegacyPythonStrings => "json-legacy-python-strings",
        }
    }

    /// The bytes of a value.
    ///
    /// # Examples
    ///
    /// ```
    /// use maestro_cache_core::Codec;
    ///
    /// assert_eq!(Codec::Json.encode(&["a", "b"])?, r#"["a","b"]"#);
    /// assert_eq!(Codec::MessagePack.encode(&5)?, "5"); // a counter, under every codec
    /// assert!(Codec::Json.encode(&f64::NAN).is_err());
    /// # Ok::<(), maestro_cache_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Encode`] if the value's `Serialize` fails or the format cannot hold it. That is a
    /// value of 4 GiB or more in MessagePack; in JSON it is NaN, the infinities, and maps whose keys are
    /// neither texts, numbers nor booleans. The source has the words of the `Serialize` that failed.
    #[inline]
    pub fn encode<T: Serialize + ?Sized>(self, value: &T) -> Result<Bytes> {
        // Boxed, so that a stored value holds on to no more than its own bytes.
        let bytes = match self {
            Self::MessagePack => messagepack::encode(value).map_err(encode_error)?,
            Self::Json | Self::JsonLegacyPythonStrings => {
                json::encode(value).map_err(encode_error)?
            }
        };
        Ok(bytes.into())
    }

    /// The value of the bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use maestro_cache_core::Codec;
    ///
    /// let names: Vec<String> = Codec::Json.decode(br#"["a", "b"]"#)?;
    /// assert_eq!(names, ["a", "b"]);
    /// assert!(Codec::Json.decode::<i64>(br#""a""#).is_err());
    /// # Ok::<(), maestro_cache_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Decode`] if the bytes are not the whole of one value of this type.
    pub fn decode<T: DeserializeOwned>(self, bytes: &[u8]) -> Result<T> {
        match self {
            Self::MessagePack => messagepack::decode(bytes).map_err(decode_error::<T, _>),
            Self::Json => json::decode(bytes).map_err(decode_error::<T, _>),
            Self::JsonLegacyPythonStrings => {
                json::decode_or_bare_text(bytes).map_err(decode_error::<T, _>)
            }
        }
    }

    /// Whether the bytes are those of `None`, as this codec writes it.
    pub(crate) fn is_null(self, bytes: &[u8]) -> bool {
        match self {
            Self::MessagePack => bytes == [0xc0],
            Self::Json | Self::JsonLegacyPythonStrings => bytes == b"null",
        }
    }
}

#[cold]
fn encode_error(source: impl StdError + Send + Sync + 'static) -> Error {
    Error::new(
        ErrorKind::Encode,
        "the value cannot be written in the codec of this handle",
    )
    .with_source(source)
}

fn decode_error<T, E: StdError>(source: E) -> Error {
    Error::new(
        ErrorKind::Decode,
        format!(
            "the stored bytes are not a `{}`; read it as the type it was written as, with the same \
             codec",
            std::any::type_name::<T>()
        ),
    )
    .with_source(failure::DecodeFailure::without_values(&source))
}

impl fmt::Display for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name is none of a [`Codec`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "no codec has this name; the known ones are messagepack, json and json-legacy-python-strings"
)]
pub struct UnknownCodec;

impl FromStr for Codec {
    type Err = UnknownCodec;

    fn from_str(name: &str) -> Result<Self, UnknownCodec> {
        Self::ALL
            .into_iter()
            .find(|codec| codec.as_str() == name)
            .ok_or(UnknownCodec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codecs_go_both_ways() {
        for codec in Codec::ALL {
            assert_eq!(codec.to_string().parse(), Ok(codec));
        }
        assert_eq!("yaml".parse::<Codec>(), Err(UnknownCodec));
    }
}
