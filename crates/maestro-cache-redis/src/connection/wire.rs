//! How the requests of a link go to the client of Redis: by their callers, or several as one pipeline.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{RedisResult, Value};
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, yield_now};
use tokio::time::Instant;

use super::batch::{Batch, Gets};
use super::pending::{Answer, PendingRequest, Reason, Unanswered};
use super::queue::{Admission, Queue, Start};
use crate::error::ConnectionError;
use crate::request::{Commands, Request};

/// A connection, the queue in front of it, and the runtime that drives both.
pub(super) struct Wire {
    connection: MultiplexedConnection,
    pub(super) queue: Arc<Queue>,
    runtime: Handle,
    deadlines: AbortHandle,
}

impl Wire {
    /// To be called within the runtime that the connection was made on.
    pub(super) fn new(connection: MultiplexedConnection, queue: Arc<Queue>) -> Self {
        Self {
            connection,
            runtime: Handle::current(),
            deadlines: tokio::spawn(Arc::clone(&queue).keep_deadlines()).abort_handle(),
            queue,
        }
    }

    /// Whether it is driven by this runtime.
    pub(super) fn is_on(&self, runtime: &Handle) -> bool {
        self.runtime.id() == runtime.id()
    }

    /// Sends the request, and does without the answer.
    pub(super) fn send_no_reply(&self, deadline: Instant, request: Request) {
        if let Some(start) = self.queue.push_unattended(deadline, request) {
            self.start_sender(start);
        }
    }

    /// Sends the request and waits for the answer until the deadline, a refusal of the server among
    /// them. The runtime of the connection keeps the deadline.
    pub(super) async fn send(&self, deadline: Instant, request: &Request) -> Answer {
        match self.queue.admit(deadline, request) {
            Admission::Refused(error) => Err(Unanswered {
                reason: Reason::Lost(error),
                was_sent: false,
            }),
            Admission::Direct(pending) => {
                let mut call = DirectCall {
                    queue: &self.queue,
                    pending: &pending,
                    was_answered: false,
                };
                self.queue.liveness.sent();
                let mut connection = self.connection.clone();
                let mut sending = pin!(transmit(&mut connection, request));
                poll_fn(|context| {
                    if let Poll::Ready(result) = sending.as_mut().poll(context) {
                        call.was_answered = result.is_ok();
                        return Poll::Ready(result.map_err(|error| {
                            let error = ConnectionError::from(error);
                            self.queue.end(&error);
                            Unanswered {
                                reason: Reason::Lost(error),
                                was_sent: true,
                            }
                        }));
                    }
                    pending.poll(context.waker())
                })
                .await
            }
            Admission::Queued(pending, start) => {
                let call = QueuedCall {
                    queue: &self.queue,
                    pending: &pending,
                };
                if let Some(start) = start {
                    self.start_sender(start);
                }
                poll_fn(|context| call.pending.poll(context.waker())).await
            }
        }
    }

    fn start_sender(&self, start: Start) {
        let sender = Sender {
            queue: Arc::clone(&self.queue),
            connection: self.connection.clone(),
            batch: None,
        };
        self.runtime.spawn(sender.run(start));
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.deadlines.abort();
    }
}

/// Hands a request to the client and waits for its answer. The client's futures are in a box: that of each
/// call would be as large, also where it waits for a sender.
async fn transmit(connection: &mut MultiplexedConnection, request: &Request) -> RedisResult<Value> {
    match request {
        Request::Coalescible(coalescible) => {
            connection.req_packed_command(&coalescible.command()).await
        }
        Request::Message(message) => match &message.commands {
            Commands::One(command) => connection.req_packed_command(command).await,
            Commands::Several(commands) => {
                let answers = connection.req_packed_commands(commands, 0, commands.len());
                answers.await.map(Value::Array)
            }
        },
    }
}

/// A call that is sent by its caller, until that has its answer or goes away.
struct DirectCall<'a> {
    queue: &'a Queue,
    pending: &'a PendingRequest,
    was_answered: bool,
}

impl Drop for DirectCall<'_> {
    fn drop(&mut self) {
        self.queue.direct_is_over(self.was_answered);
        self.queue.is_over_for_caller(self.pending);
    }
}

/// A call that is sent with others. If it is not sent by the time that its caller goes away, it will
/// not be.
struct QueuedCall<'a> {
    queue: &'a Queue,
    pending: &'a PendingRequest,
}

impl Drop for QueuedCall<'_> {
    fn drop(&mut self) {
        self.queue.is_over_for_caller(self.pending);
    }
}

/// Takes what is queued and sends it as one pipeline, until nothing is left.
struct Sender {
    queue: Arc<Queue>,
    connection: MultiplexedConnection,
    /// What was sent and is not answered.
    batch: Option<Batch>,
}

impl Sender {
    async fn run(mut self, mut start: Start) {
        loop {
            if start == Start::AfterOthers {
                yield_now().await;
            }
            self.batch = self.queue.next_batch(start);
            start = Start::AfterOthers;
            if self.batch.is_none() {
                break;
            }
            match self.send().await {
                Some(gets) if self.queue.batch_is_over(gets) => {}
                _ => break,
            }
        }
    }

    /// Sends the batch, and what it leaves open. Says how `GET`s go best after that, or nothing if the
    /// connection is gone.
    async fn send(&mut self) -> Option<Gets> {
        let mut gets = None;
        while let Some(batch) = &self.batch {
            let count = batch.pipeline.len();
            let sending = self
                .connection
                .send_packed_commands(&batch.pipeline, 0, count);
            let result = tokio::select! {
                biased;
                result = sending => result.map_err(ConnectionError::from),
                () = self.queue.ended() => Err(ConnectionError::Ended),
            };
            let Some(batch) = self.batch.take() else {
                break;
            };
            match result {
                Ok(answers) => {
                    gets = gets.or_else(|| Some(Gets::after(&answers)));
                    self.batch = batch.answer(answers);
                }
                Err(error) => {
                    batch.fail(&error);
                    self.queue.end(&error);
                    return None;
                }
            }
        }
        gets
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        // Its runtime is gone, and with it the connection.
        if let Some(batch) = self.batch.take() {
            batch.fail(&ConnectionError::Ended);
            self.queue.end(&ConnectionError::Ended);
        }
    }
}

#[cfg(test)]
#[path = "../../tests/unit/connection/wire.rs"]
mod tests;
