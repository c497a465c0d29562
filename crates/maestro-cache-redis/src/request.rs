//! What is sent to the server in one go.

use std::sync::Arc;

use redis::{Arg, Cmd, Pipeline};

use crate::commands;
use crate::scripts::{self, Increment};

/// What is sent in one go. Cloning copies nothing. Without `Debug`, since it may hold values.
#[derive(Clone)]
pub(crate) enum Request {
    Coalescible(Coalescible),
    Message(Arc<Message>),
}

/// What takes less of the server when several of its kind are one command. Cloning copies nothing.
#[derive(Clone)]
pub(crate) enum Coalescible {
    /// `GET` of a key.
    Get(Arc<str>),
    /// A call of the script that increments.
    Increment(Arc<Increment>),
}

/// One command or several, and what they are like for those behind them on the same connection.
pub(crate) struct Message {
    pub(crate) commands: Commands,
    pub(crate) weight: Weight,
}

pub(crate) enum Commands {
    One(Cmd),
    /// Their answers are handed on as an array.
    Several(Pipeline),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    Light,
    /// It takes its time, and others had better not wait behind it.
    Heavy,
}

/// A request of this many bytes is heavy.
const HEAVY_BYTES: usize = 16 << 10;

impl Weight {
    pub(crate) fn heavy_if(is_heavy: bool) -> Self {
        if is_heavy { Self::Heavy } else { Self::Light }
    }

    pub(crate) fn of_bytes(bytes: usize) -> Self {
        Self::heavy_if(bytes >= HEAVY_BYTES)
    }
}

impl Request {
    pub(crate) fn one(command: Cmd, weight: Weight) -> Self {
        let commands = Commands::One(command);
        Self::Message(Arc::new(Message { commands, weight }))
    }

    pub(crate) fn several(commands: Pipeline, weight: Weight) -> Self {
        let commands = Commands::Several(commands);
        Self::Message(Arc::new(Message { commands, weight }))
    }

    /// The same as what takes its time, and goes alone.
    pub(crate) fn alone(&self) -> Self {
        match self {
            Self::Coalescible(coalescible) => Self::one(coalescible.command(), Weight::Heavy),
            Self::Message(message) => match &message.commands {
                Commands::One(command) => Self::one(command.clone(), Weight::Heavy),
                Commands::Several(commands) => Self::several(commands.clone(), Weight::Heavy),
            },
        }
    }

    pub(crate) fn weight(&self) -> Weight {
        match self {
            Self::Coalescible(_) => Weight::Light,
            Self::Message(message) => message.weight,
        }
    }

    /// The request with this command before each of its own. The answers are those of both in turn.
    #[cfg(feature = "cluster")]
    pub(crate) fn each_after(&self, first: &Cmd) -> Self {
        let mut pipeline = Pipeline::new();
        let mut add = |command: &Cmd| {
            pipeline.add_command(first.clone());
            pipeline.add_command(command.clone());
        };
        match self {
            Self::Coalescible(coalescible) => add(&coalescible.command()),
            Self::Message(message) => match &message.commands {
                Commands::One(command) => add(command),
                Commands::Several(commands) => commands.cmd_iter().for_each(add),
            },
        }
        Self::several(pipeline, self.weight())
    }

    /// True if it has several answers, handed on as one.
    #[cfg(feature = "cluster")]
    pub(crate) fn is_several(&self) -> bool {
        match self {
            Self::Coalescible(_) => false,
            Self::Message(message) => matches!(message.commands, Commands::Several(_)),
        }
    }
}

impl Coalescible {
    /// The command for this request alone.
    pub(crate) fn command(&self) -> Cmd {
        match self {
            Self::Get(key) => commands::keyed("GET", key),
            Self::Increment(increment) => scripts::increment(&[increment]).by_digest(),
        }
    }
}

impl From<Coalescible> for Request {
    fn from(coalescible: Coalescible) -> Self {
        Self::Coalescible(coalescible)
    }
}

impl From<Cmd> for Request {
    fn from(command: Cmd) -> Self {
        let lengths = command.args_iter().map(|argument| match argument {
            Arg::Simple(argument) => argument.len(),
            _ => 0,
        });
        let weight = Weight::of_bytes(lengths.sum());
        Self::one(command, weight)
    }
}

impl From<Pipeline> for Request {
    fn from(commands: Pipeline) -> Self {
        Self::several(commands, Weight::Heavy)
    }
}
