//! The task that owns a stream.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, Sleep, sleep_until};

use super::ask::{Ask, Why};
use super::outgoing::Outgoing;
use super::pulse::Pulse;
use super::queue::{Queue, Until};
use super::sent::{Joined, Recipient, Sent};
use super::together::{self, Says};
use crate::connect::Stream;
use crate::lost::Lost;
use crate::request::{Answers, Joinable, Packed, Request};
use crate::resp::{Decoder, Unreadable, Value};

/// With more requests under way on one connection, it pays to wait for others.
const CROWD: usize = 4;

/// So much room is made for each read.
const READ_AT_ONCE: usize = 32 << 10;

/// Reads and writes until the stream breaks or nobody holds the driver any more. However it ends, all
/// who wait are told.
pub(super) struct Task<S> {
    stream: S,
    queue: Arc<Queue>,
    pulse: Arc<Pulse>,
    outgoing: Outgoing,
    incoming: BytesMut,
    decoder: Decoder,
    sent: Sent,
    /// What was taken from the queue, and is empty in between.
    taken: Vec<Arc<Ask>>,
    /// The same, for those that may go out together.
    gets: Vec<Joined>,
    increments: Vec<Joined>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Others were let go first.
    gave_way: bool,
    /// The last write had to wait, so that the next one shows that the peer still reads.
    was_blocked: bool,
    /// What was written may be held back by the stream, as by one that encrypts.
    is_unflushed: bool,
    why: Lost,
}

impl<S: Stream> Task<S> {
    pub(super) fn new(stream: S, queue: Arc<Queue>, pulse: Arc<Pulse>) -> Self {
        Self {
            stream,
            queue,
            pulse,
            outgoing: Outgoing::default(),
            incoming: BytesMut::new(),
            decoder: Decoder::default(),
            sent: Sent::default(),
            taken: Vec::new(),
            gets: Vec::new(),
            increments: Vec::new(),
            timer: None,
            gave_way: false,
            was_blocked: false,
            is_unflushed: false,
            why: Lost::Ended,
        }
    }

    /// Does what can be done now. Ready once the stream is of no use any more.
    fn turn(&mut self, context: &mut Context<'_>) -> Poll<Lost> {
        loop {
            if let Poll::Ready(lost) = self.read(context) {
                return Poll::Ready(lost);
            }
            if self.gives_way(context) {
                return Poll::Pending;
            }
            let until = match self.write(context) {
                Poll::Ready(Ok(())) => Until::Asked,
                Poll::Ready(Err(error)) => return Poll::Ready(Lost::broken(error)),
                Poll::Pending => Until::Writable,
            };
            self.queue.set_under_way(self.sent.requests());
            let Some(rest) = self.queue.rest(context.waker(), until) else {
                continue;
            };
            if !self.is_due(rest.due, context) {
                return Poll::Pending;
            }
            self.fail_late();
        }
    }

    /// Whether to let other tasks run before writing. With many requests under way some of them are
    /// about to ask as well, and what they ask goes out with the rest. With few, nobody waits.
    fn gives_way(&mut self, context: &Context<'_>) -> bool {
        let waiting = self.queue.waiting();
        let is_crowded = waiting > 0 && waiting + self.sent.requests() > CROWD;
        self.gave_way = is_crowded && !self.gave_way;
        if self.gave_way {
            context.waker().wake_by_ref();
        }
        self.gave_way
    }

    /// Reads all that has come. Ready once no more will.
    fn read(&mut self, context: &mut Context<'_>) -> Poll<Lost> {
        loop {
            self.incoming.reserve(READ_AT_ONCE);
            let read = ready!(pin!(self.stream.read_buf(&mut self.incoming)).poll(context));
            match read {
                Err(error) => return Poll::Ready(Lost::broken(error)),
                Ok(0) => return Poll::Ready(Lost::broken(io::ErrorKind::UnexpectedEof.into())),
                Ok(_) => self.pulse.heard(),
            }
            if !self.hand_over_all() {
                return Poll::Ready(Lost::Unreadable);
            }
        }
    }

    /// Hands over all answers that are there as a whole. False if something is no answer.
    fn hand_over_all(&mut self) -> bool {
        loop {
            match self.decoder.next(&mut self.incoming) {
                Ok(None) => break,
                // Nobody asked for news.
                Ok(Some(Value::Push)) => {}
                // Nor may there be an answer that nobody asked for.
                Ok(Some(_)) if self.sent.is_empty() => return false,
                Ok(Some(value)) => self.hand_over(value),
                Err(Unreadable) => return false,
            }
        }
        // Room for a large value is not kept, nor are later ones cut out of it: whoever keeps one of
        // them would keep all of it.
        if self.incoming.is_empty() && self.incoming.capacity() > 2 * READ_AT_ONCE {
            self.incoming = BytesMut::new();
        }
        true
    }

    /// Gives the answer to whom it belongs.
    fn hand_over(&mut self, value: Value) {
        match self.sent.answer(value) {
            None => {}
            Some((Recipient::Together(all), value)) => self.finish_all(all, value),
            Some((Recipient::One(ask) | Recipient::Several { ask, .. }, value)) => {
                ask.finish(value);
            }
        }
    }

    /// What a batch leaves open is asked for once more, alone.
    fn finish_all(&mut self, all: Vec<Joined>, value: Value) {
        let (values, says) = match value {
            Value::Array(values) if values.len() == all.len() => (values, Says::OfEach),
            other => (vec![other; all.len()], Says::OfAll),
        };
        for (joined, value) in all.into_iter().zip(values) {
            if together::is_answer(&joined.request, &value, says) {
                joined.ask.finish(value);
            } else if joined.ask.is_wanted() {
                self.send_alone(joined);
            }
        }
    }

    /// Writes all that waits. Pending while the peer does not read.
    fn write(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // What waits and is not taken can be withdrawn, and does not fill a buffer.
        if !self.was_blocked {
            self.take_what_waits();
        }
        while !self.outgoing.is_empty() {
            let wrote = self.outgoing.poll_write(&mut self.stream, context);
            if wrote.is_pending() {
                self.was_blocked = true;
                return Poll::Pending;
            }
            if std::mem::take(&mut self.was_blocked) {
                self.pulse.heard();
            }
            self.pulse.sent();
            ready!(wrote)?;
            self.is_unflushed = true;
        }
        if self.is_unflushed {
            ready!(Pin::new(&mut self.stream).poll_flush(context))?;
            self.is_unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    fn take_what_waits(&mut self) {
        let mut taken = std::mem::take(&mut self.taken);
        self.queue.take(&mut taken);
        for ask in taken.drain(..) {
            match ask.send() {
                None => {}
                Some(Request::Joinable(request)) => {
                    let kind = match &request {
                        Joinable::Get(_) => &mut self.gets,
                        Joinable::Increment(_) => &mut self.increments,
                    };
                    kind.push(Joined { ask, request });
                }
                Some(Request::Packed(Packed { bytes, answers, .. })) => {
                    self.outgoing.push(&bytes);
                    self.sent.push(match answers {
                        Answers::One => Recipient::One(ask),
                        Answers::Several(count) => Recipient::Several {
                            ask,
                            count,
                            answers: Vec::with_capacity(count),
                        },
                    });
                }
            }
        }
        self.taken = taken;
        let gets = std::mem::take(&mut self.gets);
        self.gets = self.send_joined(gets);
        let increments = std::mem::take(&mut self.increments);
        self.increments = self.send_joined(increments);
    }

    /// Sends requests of one kind, and leaves the room that they were in.
    fn send_joined(&mut self, mut all: Vec<Joined>) -> Vec<Joined> {
        while let Some(first) = all.first() {
            let bounds = together::bounds(&first.request);
            if all.len() < *bounds.start() {
                break;
            }
            let count = all.len().min(*bounds.end());
            let some: Vec<_> = all.drain(..count).collect();
            self.outgoing.push(&together::command(&some).into_bytes());
            self.sent.push(Recipient::Together(some));
        }
        for joined in all.drain(..) {
            self.send_alone(joined);
        }
        all
    }

    fn send_alone(&mut self, joined: Joined) {
        let command = together::alone(&joined.request);
        self.outgoing.push(&command.into_bytes());
        self.sent.push(Recipient::One(joined.ask));
    }

    /// Whether it is time to look for requests that are late; if not, the task is woken when it is.
    fn is_due(&mut self, due: Option<Instant>, context: &mut Context<'_>) -> bool {
        let Some(due) = due else {
            return false;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        if timer.deadline() != due {
            timer.as_mut().reset(due);
        }
        timer.as_mut().poll(context).is_ready()
    }

    fn fail_late(&mut self) {
        let now = Instant::now();
        let asks = self.sent.asks();
        let due = asks.filter_map(|ask| ask.due_after(now)).min();
        self.queue.fail_late(now, due);
    }
}

impl<S: Stream> Future for Task<S> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.why = ready!(self.turn(context));
        Poll::Ready(())
    }
}

// Nothing is pinned in place: the stream is `Unpin`, and the timer has its box.
impl<S> Unpin for Task<S> {}

impl<S> Drop for Task<S> {
    fn drop(&mut self) {
        let waiting = self.queue.close();
        let sent = self.sent.asks();
        for ask in sent.chain(waiting.iter().map(|ask| &**ask)) {
            ask.fail(Why::Lost(self.why.clone()));
        }
    }
}
