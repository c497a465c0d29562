//! What is sent to the server in one go.

use std::sync::Arc;

use bytes::Bytes;

use crate::resp::{Command, Pipeline};
use crate::scripts::Increment;

/// What is sent in one go. Cloning copies nothing. Without `Debug`, since it may hold values.
#[derive(Clone)]
pub(crate) enum Request {
    /// It may go out together with others of its kind.
    Joinable(Joinable),
    Packed(Packed),
}

/// What takes less of the server when it is asked together. Cloning copies nothing.
#[derive(Clone)]
pub(crate) enum Joinable {
    /// `GET` of a key.
    Get(Arc<str>),
    /// A call of the script that increments.
    Increment(Arc<Increment>),
}

/// One command or several, as bytes.
#[derive(Clone)]
pub(crate) struct Packed {
    pub(crate) bytes: Bytes,
    pub(crate) answers: Answers,
    weight: Weight,
}

/// How many answers a request has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answers {
    One,
    /// Handed on as an array.
    Several(usize),
}

/// What a request is like for those behind it on the same connection.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    Light,
    /// It takes its time, and others had better not wait behind it.
    Heavy,
}

/// A request of so many bytes is heavy.
const HEAVY: usize = 16 << 10;

impl Request {
    /// A command whose answer takes its time.
    pub(crate) fn heavy(command: Command) -> Self {
        Self::Packed(Packed {
            bytes: command.into_bytes(),
            answers: Answers::One,
            weight: Weight::Heavy,
        })
    }

    /// Several commands that take so long together.
    pub(crate) fn of_weight(pipeline: Pipeline, weight: Weight) -> Self {
        Self::Packed(Packed {
            answers: Answers::Several(pipeline.len()),
            bytes: pipeline.into_bytes(),
            weight,
        })
    }

    pub(crate) fn weight(&self) -> Weight {
        match self {
            Self::Joinable(_) => Weight::Light,
            Self::Packed(packed) => packed.weight,
        }
    }

    /// The request after another command, in one go. Its answer is the last of several.
    #[cfg(feature = "cluster")]
    pub(crate) fn after(&self, first: Command) -> Option<Self> {
        match self {
            Self::Packed(Packed {
                bytes,
                answers: Answers::One,
                ..
            }) => {
                let mut pipeline = Pipeline::new();
                pipeline.add(first).add_packed(bytes);
                Some(pipeline.into())
            }
            _ => None,
        }
    }
}

impl From<Joinable> for Request {
    fn from(joinable: Joinable) -> Self {
        Self::Joinable(joinable)
    }
}

impl From<Command> for Request {
    fn from(command: Command) -> Self {
        let bytes = command.into_bytes();
        let weight = if bytes.len() < HEAVY {
            Weight::Light
        } else {
            Weight::Heavy
        };
        Self::Packed(Packed {
            bytes,
            answers: Answers::One,
            weight,
        })
    }
}

impl From<Pipeline> for Request {
    fn from(pipeline: Pipeline) -> Self {
        Self::of_weight(pipeline, Weight::Heavy)
    }
}
