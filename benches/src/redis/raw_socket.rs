//! The least that can be done: bytes made beforehand, written to a socket, and as many read back.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::server::setup;
use crate::contest::{Contestant, Work};

/// Asks for one key, so often at a time; nobody waits for a single answer, and nobody decodes it.
pub(super) fn get(key: &str, value_bytes: usize, depth: usize) -> Contestant {
    let question = format!("*2\r\n$3\r\nGET\r\n${}\r\n{key}\r\n", key.len());
    let header = format!("${value_bytes}\r\n");
    let socket = TcpStream::connect(("127.0.0.1", setup().port()));
    let work = RawSocket {
        socket: socket.expect("the server of this measurement listens"),
        questions: question.repeat(depth).into_bytes(),
        answers: vec![0; (header.len() + value_bytes + b"\r\n".len()) * depth],
        depth,
    };
    Contestant::new("raw socket", work)
}

struct RawSocket {
    socket: TcpStream,
    questions: Vec<u8>,
    answers: Vec<u8>,
    depth: usize,
}

impl Work for RawSocket {
    fn at_once(&self) -> usize {
        self.depth
    }

    fn time(&mut self, operations: usize) -> Duration {
        let started = Instant::now();
        for _ in 0..operations.div_ceil(self.depth) {
            let written = self.socket.write_all(&self.questions);
            let read = written.and_then(|()| self.socket.read_exact(&mut self.answers));
            read.expect("the server of this measurement answers");
        }
        started.elapsed()
    }
}
