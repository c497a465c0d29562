//! A connection at work: requests go in, in any number at once, and each gets its own answer.
//!
//! Callers queue their requests and wait; one task owns the stream. It writes all that has come
//! together in one go, reads what comes back, and hands each answer to whom it belongs: a server
//! answers in the order in which it was asked. Writing, reading and waking cost more than anything
//! else about a small request, so what counts is how many share one of each.

mod ask;
mod outgoing;
mod pulse;
mod queue;
mod sent;
mod task;
#[cfg(test)]
mod tests;
mod together;

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::runtime::{Handle, Id};
use tokio::task::AbortHandle;
use tokio::time::Instant;

pub(crate) use ask::{Answer, Unanswered, Why};
pub(crate) use pulse::Pulse;

use crate::connect::Stream;
use crate::lost::Lost;
use crate::request::Request;
use ask::Ask;
use queue::Queue;
use task::Task;

/// A connection at work. It ends when this is dropped.
pub(crate) struct Driver {
    queue: Arc<Queue>,
    pulse: Arc<Pulse>,
    task: AbortHandle,
    runtime: Id,
}

impl Driver {
    /// Begins its task on this runtime; to be called within one.
    pub(crate) fn start(stream: impl Stream + 'static) -> Self {
        let queue = Arc::new(Queue::new());
        let pulse = Arc::new(Pulse::new());
        let task = Task::new(stream, Arc::clone(&queue), Arc::clone(&pulse));
        Self {
            queue,
            pulse,
            task: tokio::spawn(task).abort_handle(),
            runtime: Handle::current().id(),
        }
    }

    /// Sends the request and waits for the answer, a refusal of the server among them, until the
    /// deadline. Nothing is sent before this is polled.
    ///
    /// The deadline is kept by the task of the connection, which costs a caller nothing. Who is on
    /// another runtime has to keep it by itself: that of the task may rest.
    pub(crate) fn ask(&self, deadline: Instant, request: Request) -> Asking<'_> {
        Asking {
            driver: self,
            stage: Stage::New { deadline, request },
        }
    }

    /// Sends the request, and does without the answer.
    pub(crate) fn tell(&self, deadline: Instant, request: Request) {
        let ask = Ask::new(deadline, request, None);
        self.queue.push(Arc::new(ask));
    }

    /// How many requests wait for their answers.
    pub(crate) fn load(&self) -> usize {
        self.queue.load()
    }

    /// Whether its task is driven by the same runtime as that one.
    pub(crate) fn is_on(&self, runtime: &Handle) -> bool {
        self.runtime == runtime.id()
    }

    pub(crate) fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// True once nothing can be sent any more: the link broke, or the runtime of the task is gone.
    pub(crate) fn is_over(&self) -> bool {
        self.queue.is_over()
    }

    /// Ends it now. Whoever waits for an answer is told that the connection broke.
    pub(crate) fn end(&self) {
        self.task.abort();
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.end();
    }
}

/// A caller that waits for an answer. The request is withdrawn when this is dropped: if it was not sent
/// yet, it will not be.
#[must_use = "a future does nothing until it is awaited"]
pub(crate) struct Asking<'a> {
    driver: &'a Driver,
    stage: Stage,
}

enum Stage {
    New { deadline: Instant, request: Request },
    Asked(Arc<Ask>),
    Over,
}

impl Future for Asking<'_> {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        if let Stage::Asked(ask) = &self.stage {
            let answer = std::task::ready!(ask.poll(context.waker()));
            self.stage = Stage::Over;
            return Poll::Ready(answer);
        }
        let Stage::New { deadline, request } = std::mem::replace(&mut self.stage, Stage::Over)
        else {
            return Poll::Pending;
        };
        let waker = context.waker().clone();
        let ask = Arc::new(Ask::new(deadline, request, Some(waker)));
        if !self.driver.queue.push(Arc::clone(&ask)) {
            return Poll::Ready(Err(Unanswered {
                why: Why::Lost(Lost::Ended),
                was_sent: false,
            }));
        }
        self.stage = Stage::Asked(ask);
        Poll::Pending
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if let Stage::Asked(ask) = &self.stage {
            ask.withdraw();
        }
    }
}
