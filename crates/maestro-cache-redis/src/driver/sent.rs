//! What was sent and is not answered.

use std::collections::VecDeque;
use std::sync::Arc;

use super::ask::Ask;
use crate::request::Joinable;
use crate::resp::Value;

/// Whom an answer is for.
pub(super) enum Recipient {
    One(Arc<Ask>),
    /// One who gets so many answers as an array.
    Several {
        ask: Arc<Ask>,
        count: usize,
        answers: Vec<Value>,
    },
    /// Those who went out together.
    Together(Vec<Joined>),
}

/// A request that went out together with others of its kind, or may do so.
pub(super) struct Joined {
    pub(super) ask: Arc<Ask>,
    pub(super) request: Joinable,
}

impl Recipient {
    /// All who wait for the answer.
    pub(super) fn asks(&self) -> impl Iterator<Item = &Ask> {
        let (one, many) = match self {
            Self::One(ask) | Self::Several { ask, .. } => (Some(&**ask), [].as_slice()),
            Self::Together(many) => (None, many.as_slice()),
        };
        one.into_iter().chain(many.iter().map(|one| &*one.ask))
    }

    fn requests(&self) -> usize {
        match self {
            Self::Together(many) => many.len(),
            _ => 1,
        }
    }
}

/// Those who wait for answers. A server answers in the order in which it was asked.
#[derive(Default)]
pub(super) struct Sent {
    recipients: VecDeque<Recipient>,
    requests: usize,
}

impl Sent {
    /// How many requests are not answered.
    pub(super) fn requests(&self) -> usize {
        self.requests
    }

    pub(super) fn asks(&self) -> impl Iterator<Item = &Ask> {
        self.recipients.iter().flat_map(Recipient::asks)
    }

    pub(super) fn push(&mut self, recipient: Recipient) {
        self.requests += recipient.requests();
        self.recipients.push_back(recipient);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.recipients.is_empty()
    }

    /// Takes in the next answer. Returns whose it is, if that is all that the recipient waits for.
    pub(super) fn answer(&mut self, value: Value) -> Option<(Recipient, Value)> {
        if let Some(Recipient::Several { count, answers, .. }) = self.recipients.front_mut()
            && answers.len() + 1 < *count
        {
            answers.push(value);
            return None;
        }
        let mut recipient = self.recipients.pop_front()?;
        self.requests -= recipient.requests();
        let value = match &mut recipient {
            Recipient::Several { answers, .. } => {
                answers.push(value);
                Value::Array(std::mem::take(answers))
            }
            _ => value,
        };
        Some((recipient, value))
    }
}
