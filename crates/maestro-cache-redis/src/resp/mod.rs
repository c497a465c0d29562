//! The protocol: commands become bytes, and bytes become values
//! ([RESP3](https://redis.io/docs/latest/develop/reference/protocol-spec/)).

mod command;
mod decoder;
mod value;

pub(crate) use command::{Command, Pipeline};
pub(crate) use decoder::{Decoder, Unreadable};
pub(crate) use value::{Refusal, Value};

/// What every line and every text ends with.
const LINE_END: &[u8] = b"\r\n";
