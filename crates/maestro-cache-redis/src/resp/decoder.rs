//! Bytes become values, as far as they have arrived.

use bytes::{Buf, Bytes, BytesMut};

use super::LINE_END;
use super::value::{Refusal, Value};

/// Values may be nested this deep. No answer to the cache comes near it.
const MAX_DEPTH: usize = 32;

/// The longest line. Only errors and words are lines, and no server writes long ones.
const LONGEST_LINE: usize = 64 << 10;

/// Texts from this size on are cut out of what was read. Smaller ones are copied: one that is kept
/// would keep all that was read with it.
const LARGE: usize = 16 << 10;

/// So much room is made at once for what is announced and has not arrived.
const MOST_AHEAD: usize = 1 << 20;

/// What arrived is not the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unreadable;

/// Reads values one after the other, each as soon as its last byte is there.
#[derive(Default)]
pub(crate) struct Decoder {
    /// The arrays that are not complete yet, the innermost last.
    open: Vec<Open>,
}

/// An array of which something is missing.
struct Open {
    kind: Kind,
    /// How many values it is to have.
    count: usize,
    values: Vec<Value>,
}

/// What holds several values.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Array,
    Push,
    /// Goes before the value that it is about, and is no value itself.
    Attribute,
}

enum Element {
    Value(Value),
    Several(Kind, usize),
}

impl Decoder {
    /// The next value, which is taken out of the buffer; none if it is not there as a whole.
    pub(crate) fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Value>, Unreadable> {
        loop {
            let mut value = match element(buffer)? {
                None => return Ok(None),
                Some(Element::Value(value)) => value,
                Some(Element::Several(Kind::Attribute, 0)) => continue,
                Some(Element::Several(kind, 0)) => kind.holding(Vec::new()),
                Some(Element::Several(kind, count)) => {
                    if self.open.len() == MAX_DEPTH {
                        return Err(Unreadable);
                    }
                    // Each value takes three bytes at least: what is announced and not sent takes
                    // no room.
                    let values = Vec::with_capacity(count.min(buffer.len() / 3));
                    self.open.push(Open {
                        kind,
                        count,
                        values,
                    });
                    continue;
                }
            };
            loop {
                let Some(open) = self.open.last_mut() else {
                    return Ok(Some(value));
                };
                open.values.push(value);
                if open.values.len() < open.count {
                    break;
                }
                let Some(Open { kind, values, .. }) = self.open.pop() else {
                    break;
                };
                if kind == Kind::Attribute {
                    break;
                }
                value = kind.holding(values);
            }
        }
    }
}

impl Kind {
    fn holding(self, values: Vec<Value>) -> Value {
        match self {
            Self::Push => Value::Push,
            _ => Value::Array(values),
        }
    }
}

/// The next value that holds no others, or the beginning of one that does.
fn element(buffer: &mut BytesMut) -> Result<Option<Element>, Unreadable> {
    let Some(line) = line(buffer)? else {
        return Ok(None);
    };
    let Some((kind, text)) = line.split_first() else {
        return Err(Unreadable);
    };
    let after = line.len() + LINE_END.len();
    let several = |kind, each| {
        Ok(match count(text)? {
            None => Element::Value(Value::Nil),
            Some(count) => Element::Several(kind, count.checked_mul(each).ok_or(Unreadable)?),
        })
    };
    let element = match kind {
        b'$' | b'=' | b'!' => {
            let Some(len) = count(text)? else {
                buffer.advance(after);
                return Ok(Some(Element::Value(Value::Nil)));
            };
            let kind = *kind;
            return Ok(blob(buffer, kind, after, len)?.map(Element::Value));
        }
        b':' => Element::Value(Value::Integer(integer(text)?)),
        b'+' => Element::Value(match text {
            b"OK" => Value::Okay,
            word => Value::Simple(String::from_utf8_lossy(word).into()),
        }),
        b'-' => Element::Value(Value::Refusal(Refusal::new(text))),
        b'_' => Element::Value(Value::Nil),
        b'*' | b'~' => several(Kind::Array, 1)?,
        b'%' => several(Kind::Array, 2)?,
        b'>' => several(Kind::Push, 1)?,
        b'|' => several(Kind::Attribute, 2)?,
        b'#' | b',' | b'(' => Element::Value(Value::Other),
        _ => return Err(Unreadable),
    };
    buffer.advance(after);
    Ok(Some(element))
}

/// The first line, without its end.
fn line(buffer: &BytesMut) -> Result<Option<&[u8]>, Unreadable> {
    let end = buffer.iter().position(|byte| *byte == b'\r');
    let Some((line, after)) = end.and_then(|end| buffer.split_at_checked(end)) else {
        return if buffer.len() > LONGEST_LINE {
            Err(Unreadable)
        } else {
            Ok(None)
        };
    };
    match after {
        [b'\r', b'\n', ..] => Ok(Some(line)),
        [b'\r'] => Ok(None),
        _ => Err(Unreadable),
    }
}

/// How many there are, or none for nothing at all.
fn count(text: &[u8]) -> Result<Option<usize>, Unreadable> {
    if text == b"-1" {
        return Ok(None);
    }
    if text.is_empty() || text.len() > 18 {
        return Err(Unreadable);
    }
    text.iter()
        .try_fold(0_usize, |count, digit| match digit {
            b'0'..=b'9' => Ok(count * 10 + usize::from(digit - b'0')),
            _ => Err(Unreadable),
        })
        .map(Some)
}

fn integer(text: &[u8]) -> Result<i64, Unreadable> {
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(Unreadable)
}

/// The text of so many bytes behind its head.
fn blob(
    buffer: &mut BytesMut,
    kind: u8,
    head: usize,
    len: usize,
) -> Result<Option<Value>, Unreadable> {
    let text = head..head.checked_add(len).ok_or(Unreadable)?;
    let whole = text.end.checked_add(LINE_END.len()).ok_or(Unreadable)?;
    if buffer.len() < whole {
        buffer.reserve((whole - buffer.len()).min(MOST_AHEAD));
        return Ok(None);
    }
    if buffer.get(text.end..whole) != Some(LINE_END) {
        return Err(Unreadable);
    }
    if kind == b'$' && len >= LARGE {
        buffer.advance(head);
        let text = buffer.split_to(len).freeze();
        buffer.advance(LINE_END.len());
        return Ok(Some(Value::Bulk(text)));
    }
    let text = buffer.get(text).ok_or(Unreadable)?;
    let value = match kind {
        b'!' => Value::Refusal(Refusal::new(text)),
        // The first four bytes say what kind of text it is.
        b'=' => Value::Bulk(Bytes::copy_from_slice(text.get(4..).ok_or(Unreadable)?)),
        _ => Value::Bulk(Bytes::copy_from_slice(text)),
    };
    buffer.advance(whole);
    Ok(Some(value))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What comes out if the bytes arrive in pieces of this size.
    fn decoded(bytes: &[u8], piece: usize) -> Result<Vec<Value>, Unreadable> {
        let (mut decoder, mut buffer) = (Decoder::default(), BytesMut::new());
        let mut values = Vec::new();
        for piece in bytes.chunks(piece) {
            buffer.extend_from_slice(piece);
            while let Some(value) = decoder.next(&mut buffer)? {
                values.push(value);
            }
        }
        Ok(values)
    }

    fn one(bytes: &[u8]) -> Value {
        let values = decoded(bytes, usize::MAX).unwrap();
        assert_eq!(values.len(), 1, "{values:?}");
        values.into_iter().next().unwrap()
    }

    fn bulk(text: &'static [u8]) -> Value {
        Value::Bulk(Bytes::from_static(text))
    }

    #[test]
    fn each_type_is_read() {
        let simple = Value::Simple("QUEUED".into());
        for (bytes, value) in [
            (&b"+OK\r\n"[..], Value::Okay),
            (b"+QUEUED\r\n", simple),
            (b":-12\r\n", Value::Integer(-12)),
            (b"$-1\r\n", Value::Nil),
            (b"*-1\r\n", Value::Nil),
            (b"_\r\n", Value::Nil),
            (b"$0\r\n\r\n", bulk(b"")),
            (b"$4\r\na\r\nb\r\n", bulk(b"a\r\nb")),
            (b"=8\r\ntxt:text\r\n", bulk(b"text")),
            (b"*0\r\n", Value::Array(vec![])),
            (b"~1\r\n_\r\n", Value::Array(vec![Value::Nil])),
            (
                b"%1\r\n+OK\r\n*1\r\n:1\r\n",
                Value::Array(vec![Value::Okay, Value::Array(vec![Value::Integer(1)])]),
            ),
            (b"|1\r\n+a\r\n+b\r\n:1\r\n", Value::Integer(1)),
            (b"|0\r\n:1\r\n", Value::Integer(1)),
            (
                b"*2\r\n|1\r\n+a\r\n+b\r\n:1\r\n:2\r\n",
                Value::Array(vec![Value::Integer(1), Value::Integer(2)]),
            ),
            (b">2\r\n+invalidate\r\n*0\r\n", Value::Push),
            (b"#t\r\n", Value::Other),
            (b",1.5\r\n", Value::Other),
            (b"(12345678901234567890\r\n", Value::Other),
        ] {
            assert_eq!(one(bytes), value, "{}", bytes.escape_ascii());
        }
        for bytes in [&b"-OOM no more\r\n"[..], b"!11\r\nOOM no more\r\n"] {
            let Value::Refusal(refusal) = one(bytes) else {
                panic!("a refusal");
            };
            assert_eq!((refusal.code(), refusal.words()), ("OOM", "no more"));
        }
    }

    #[test]
    fn what_is_not_the_protocol_is_refused() {
        for bytes in [
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            b"\r\n",
            b"$x\r\n",
            b"$\r\n",
            b"$-2\r\n",
            b"$1\r\nab\r\n",
            b":\r\n",
            b":1.5\r\n",
            b"*99999999999999999999\r\n",
            b"%999999999999999999\r\n*99999999999999999999\r\n",
            b"+a\rb\r\n",
            b"=2\r\nab\r\n",
        ] {
            let read = decoded(bytes, usize::MAX);
            assert_eq!(read, Err(Unreadable), "{}", bytes.escape_ascii());
        }
        assert_eq!(decoded(&b"*1\r\n".repeat(100), 1), Err(Unreadable));
        let line = [b"+".as_slice(), &[b'a'; LONGEST_LINE]].concat();
        assert_eq!(decoded(&line, 1 << 10), Err(Unreadable));
    }

    #[test]
    fn what_is_announced_takes_no_room_before_it_arrives() {
        let (mut decoder, mut buffer) = (Decoder::default(), BytesMut::new());
        buffer.extend_from_slice(b"*999999999999\r\n$536870912\r\n");
        assert_eq!(decoder.next(&mut buffer), Ok(None));
        assert!(buffer.capacity() <= 2 * MOST_AHEAD);
        assert!(decoder.open.iter().all(|open| open.values.capacity() < 100));
    }

    /// The same value as another parser reads it.
    fn of_theirs(value: redis::Value) -> Value {
        match value {
            redis::Value::Nil => Value::Nil,
            redis::Value::Okay => Value::Okay,
            redis::Value::SimpleString(word) => Value::Simple(word.into()),
            redis::Value::Int(number) => Value::Integer(number),
            redis::Value::BulkString(text) => Value::Bulk(text.into()),
            redis::Value::VerbatimString { text, .. } => Value::Bulk(text.into()),
            redis::Value::Array(values) | redis::Value::Set(values) => {
                Value::Array(values.into_iter().map(of_theirs).collect())
            }
            redis::Value::Map(pairs) => {
                let values = pairs.into_iter().flat_map(|(key, value)| [key, value]);
                Value::Array(values.map(of_theirs).collect())
            }
            redis::Value::Attribute { data, .. } => of_theirs(*data),
            redis::Value::Push { .. } => Value::Push,
            redis::Value::ServerError(error) => {
                let words = error.details().map(|words| format!(" {words}"));
                let line = format!("{}{}", error.code(), words.unwrap_or_default());
                Value::Refusal(Refusal::new(line.as_bytes()))
            }
            _ => Value::Other,
        }
    }

    /// The bytes of any value.
    fn encoded() -> impl Strategy<Value = Vec<u8>> {
        let line = |kind: &'static str, text: &'static str| {
            text.prop_map(move |text: String| format!("{kind}{text}\r\n").into_bytes())
        };
        let blob = |kind: &'static str| {
            proptest::collection::vec(any::<u8>(), 0..40).prop_map(move |text| {
                let head = format!("{kind}{}\r\n", text.len());
                [head.as_bytes(), &text, b"\r\n"].concat()
            })
        };
        let leaf = prop_oneof![
            line("+", "OK|[a-zA-Z ]{1,9}"),
            line("-", "[A-Z]{2,9} [a-z ]{1,9}"),
            line(":", "-?[1-9][0-9]{0,15}"),
            line("_", ""),
            line("#", "[tf]"),
            line(",", "[1-9]\\.[1-9]"),
            line("$", "-1"),
            blob("$"),
            line("=", "8\r\ntxt:[a-z]{4}"),
        ];
        leaf.prop_recursive(4, 60, 6, |inner| {
            let several = |kind: &'static str, each: usize| {
                proptest::collection::vec(inner.clone(), 0..6).prop_map(move |values| {
                    let count = values.len() / each;
                    let values = values.into_iter().take(count * each).collect::<Vec<_>>();
                    [format!("{kind}{count}\r\n").into_bytes(), values.concat()].concat()
                })
            };
            prop_oneof![several("*", 1), several("~", 1), several("%", 2)]
        })
    }

    proptest! {
        #[test]
        fn values_are_read_as_another_parser_reads_them(
            values in proptest::collection::vec(encoded(), 1..5),
            piece in 1_usize..50,
        ) {
            let ours = decoded(&values.concat(), piece);
            let theirs: Vec<_> = values
                .iter()
                .map(|bytes| of_theirs(redis::parse_redis_value(bytes).unwrap()))
                .collect();
            prop_assert_eq!(ours, Ok(theirs));
        }

        #[test]
        fn any_bytes_are_read_or_refused(
            bytes in proptest::collection::vec(
                prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'*'), Just(b'$'), Just(b'1'), any::<u8>()],
                0..200,
            ),
            piece in 1_usize..50,
        ) {
            let _ = decoded(&bytes, piece);
        }
    }
}
