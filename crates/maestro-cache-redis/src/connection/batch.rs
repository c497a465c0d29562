//! Requests that go out as one pipeline: which commands they become, and whose each answer is.
//!
//! `GET`s become one [`MGET`](https://redis.io/docs/latest/commands/mget/) and increments one call of
//! their script, where there are enough of them. Everything else keeps its own commands. A refusal
//! stands in the place of its command, so that each request has its own answer.
//!
//! `MGET` shows a key of another type as missing, so what it shows as missing is asked for once more. Where
//! many keys are, each `GET` keeps its own command.

use std::sync::Arc;

use redis::{Cmd, Pipeline, Value};

use super::pending::{PendingRequest, Reason};
use crate::commands;
use crate::error::ConnectionError;
use crate::request::{Coalescible, Commands, Request};
use crate::scripts::{self, Increment};

/// A smaller `MGET` saves nothing: what it leaves open has to be asked for once more. A larger one
/// keeps others waiting while the server is at it.
const FEWEST_GETS: usize = 5;
const MOST_GETS: usize = 64;
const FEWEST_INCREMENTS: usize = 2;
const MOST_INCREMENTS: usize = 32;

/// How the `GET`s of a batch go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gets {
    /// As one `MGET`.
    Together,
    Alone,
}

/// Where more than one of so many keys is missing, asking once more takes longer than `MGET` saves.
const MANY_MISSING: usize = 4;

impl Gets {
    /// What is best, after these answers.
    pub(super) fn after(answers: &[Value]) -> Self {
        // A refused `MGET` is asked for once more as well.
        let is_open = |answer: &&Value| matches!(answer, Value::Nil | Value::ServerError(_));
        let (mut all, mut open) = (0, 0);
        for answer in answers {
            let answers = match answer {
                Value::Array(answers) => answers,
                answer => std::slice::from_ref(answer),
            };
            all += answers.len();
            open += answers.iter().filter(is_open).count();
        }
        if open * MANY_MISSING > all {
            Self::Alone
        } else {
            Self::Together
        }
    }
}

/// A pipeline, and whose its answers are.
pub(super) struct Batch {
    pub(super) pipeline: Pipeline,
    recipients: Vec<Recipient>,
}

/// Whose the next answers of a pipeline are.
enum Recipient {
    One(Arc<PendingRequest>),
    /// One that gets this many answers as an array.
    Several(Arc<PendingRequest>, usize),
    /// Requests of one kind that became one command.
    Coalesced(Vec<Coalesced>),
}

struct Coalesced {
    pending: Arc<PendingRequest>,
    request: Coalescible,
}

impl Batch {
    /// Of those requests that somebody still waits for; none if there are no such. Says how `GET`s go.
    pub(super) fn new(queued: Vec<Arc<PendingRequest>>, gets_go: Gets) -> Option<Self> {
        let mut batch = Self {
            pipeline: Pipeline::with_capacity(queued.len()),
            recipients: Vec::with_capacity(queued.len()),
        };
        let (mut gets, mut increments) = (Vec::new(), Vec::new());
        for pending in queued {
            match pending.send() {
                None => {}
                Some(Request::Coalescible(request)) => {
                    let kind = match &request {
                        Coalescible::Get(_) => &mut gets,
                        Coalescible::Increment(_) => &mut increments,
                    };
                    kind.push(Coalesced { pending, request });
                }
                Some(Request::Message(message)) => match &message.commands {
                    Commands::One(command) => {
                        batch.add(command.clone(), Recipient::One(pending));
                    }
                    Commands::Several(commands) => {
                        let several = Recipient::Several(pending, commands.len());
                        batch.recipients.push(several);
                        for command in commands.cmd_iter() {
                            batch.pipeline.add_command(command.clone());
                        }
                    }
                },
            }
        }
        let fewest_gets = match gets_go {
            Gets::Together => FEWEST_GETS,
            Gets::Alone => usize::MAX,
        };
        batch.coalesce(gets, fewest_gets, MOST_GETS);
        batch.coalesce(increments, FEWEST_INCREMENTS, MOST_INCREMENTS);
        (!batch.recipients.is_empty()).then_some(batch)
    }

    /// Of requests that a batch left open, each with a command of its own.
    fn of_each(open: Vec<Coalesced>) -> Option<Self> {
        let mut batch = Self {
            pipeline: Pipeline::with_capacity(open.len()),
            recipients: Vec::with_capacity(open.len()),
        };
        for each in open {
            batch.add(each.request.command(), Recipient::One(each.pending));
        }
        (!batch.recipients.is_empty()).then_some(batch)
    }

    fn add(&mut self, command: Cmd, recipient: Recipient) {
        self.pipeline.add_command(command);
        self.recipients.push(recipient);
    }

    fn coalesce(&mut self, mut all: Vec<Coalesced>, fewest: usize, most: usize) {
        while all.len() >= fewest {
            let rest = all.split_off(all.len().min(most));
            self.add(one_command(&all), Recipient::Coalesced(all));
            all = rest;
        }
        for each in all {
            self.add(each.request.command(), Recipient::One(each.pending));
        }
    }

    /// Hands the answers to those whose they are. What they leave open is to be sent as well.
    pub(super) fn answer(self, answers: Vec<Value>) -> Option<Self> {
        let mut answers = answers.into_iter();
        let mut open = Vec::new();
        for recipient in self.recipients {
            match recipient {
                Recipient::One(pending) => {
                    pending.answer(answers.next().unwrap_or_default());
                }
                Recipient::Several(pending, count) => {
                    pending.answer(Value::Array(answers.by_ref().take(count).collect()));
                }
                Recipient::Coalesced(all) => {
                    answer_all(all, answers.next().unwrap_or_default(), &mut open);
                }
            }
        }
        Self::of_each(open)
    }

    /// Tells all that the connection is gone, after the batch was sent.
    pub(super) fn fail(self, error: &ConnectionError) {
        for recipient in self.recipients {
            let fail = |pending: &PendingRequest| pending.fail(Reason::Lost(error.clone()));
            match recipient {
                Recipient::One(pending) | Recipient::Several(pending, _) => fail(&pending),
                Recipient::Coalesced(all) => all.iter().for_each(|each| fail(&each.pending)),
            }
        }
    }
}

/// An array has an answer for each. Anything else is about all of them.
fn answer_all(all: Vec<Coalesced>, value: Value, open: &mut Vec<Coalesced>) {
    let (values, is_of_each) = match value {
        Value::Array(values) if values.len() == all.len() => (values, true),
        other => (vec![other; all.len()], false),
    };
    for (each, value) in all.into_iter().zip(values) {
        if is_answer(&each.request, &value, is_of_each) {
            each.pending.answer(value);
        } else if each.pending.is_open() {
            open.push(each);
        }
    }
}

/// Whether a request is answered by that. If not, it changed nothing and has to be sent alone.
fn is_answer(request: &Coalescible, value: &Value, is_of_each: bool) -> bool {
    match request {
        // Whether a key is missing or holds another type, a batch does not say.
        Coalescible::Get(_) => matches!(value, Value::BulkString(_)),
        // A batch that was refused did nothing, be it for one of its keys or for the script, which
        // the server may not know.
        Coalescible::Increment(_) => is_of_each || !matches!(value, Value::ServerError(_)),
    }
}

/// One command for requests of one kind.
fn one_command(all: &[Coalesced]) -> Cmd {
    let mut keys: Vec<&str> = Vec::with_capacity(all.len());
    let mut increments: Vec<&Increment> = Vec::new();
    for each in all {
        match &each.request {
            Coalescible::Get(key) => keys.push(key),
            Coalescible::Increment(increment) => increments.push(increment),
        }
    }
    if increments.is_empty() {
        commands::over_keys("MGET", &keys)
    } else {
        scripts::increment(&increments).by_digest()
    }
}
