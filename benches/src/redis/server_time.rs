//! What our calls take of the server, which all services share: its processor time, beside that of the
//! plain command.
//!
//! What the handle sends is recorded, and then sent again in pipelines, as the plain command is. So
//! neither side gains by how many calls happened to share a packet.

use std::io::BufRead;

use ::redis::{Cmd, Pipeline, Value, cmd};
use futures_util::StreamExt;
use maestro_cache::{Bytes, Cache};
use serde::{Deserialize, Serialize};

use super::clients::{Client, ClientKind};
use super::commands::{TTL, ttl_millis};
use super::server::setup;
use crate::load::{Load, PREFIX, Step};
use crate::rounds::Pace;
use crate::statistics::Quartiles;
use crate::values::User;

const ANSWERED: &str = "the server of this measurement answers";

/// Each key once a round.
const KEYS: usize = 4_096;
/// So many calls go through our handle at once while they are recorded.
const AT_ONCE: usize = 64;
/// So many operations share a pipeline.
const PIPELINED: usize = 32;

/// What an operation takes of the server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServerTime {
    /// The operation, such as `redis/server time of delete`.
    pub operation: String,
    /// The commands that our handle sends.
    pub ours: String,
    /// The plain command.
    pub plain: String,
    /// The time of ours.
    pub our_nanos: Quartiles,
    /// The time of the plain command.
    pub plain_nanos: Quartiles,
    /// The first divided by the second, round by round.
    pub ours_by_plain: Quartiles,
}

#[derive(Clone, Copy)]
enum Operation {
    Delete,
    Exists,
    Ttl,
    Expire,
    Take,
    Add,
    Increment,
}

use Operation::{Add, Delete, Exists, Expire, Increment, Take, Ttl};

/// Measures all whose name contains this.
#[must_use]
pub fn server_times(only: &str, pace: Pace) -> Vec<ServerTime> {
    [Delete, Exists, Ttl, Expire, Take, Add, Increment]
        .into_iter()
        .filter(|operation| operation.name().contains(only))
        .map(|operation| measure(operation, pace))
        .collect()
}

fn measure(operation: Operation, pace: Pace) -> ServerTime {
    let load = Load::uniform(KEYS);
    let recorded = record(operation, &load);
    let names = names_in(&recorded);
    // Increments that meet share a call.
    let ours = pipelines(&recorded, (recorded.len() * PIPELINED / KEYS).max(1));
    let plain: Vec<Vec<Bytes>> = load
        .each_once()
        .map(|step| operation.plain(step.stored))
        .collect();
    let plain_name = names_in(&plain);
    let plain = pipelines(&plain, PIPELINED);

    let mut client = setup().client(ClientKind::Multiplexed, &setup().placement);
    let mut round = |pipelines: &[Pipeline]| {
        operation.prepare(&load);
        setup().block_on(async {
            let before = processor_nanos(&mut client).await;
            for pipeline in pipelines {
                let _: Vec<Value> = client.pipeline(pipeline).await;
            }
            (processor_nanos(&mut client).await - before) / KEYS as f64
        })
    };
    let (mut our_nanos, mut plain_nanos) = (Vec::new(), Vec::new());
    for _ in 0..pace.rounds() {
        our_nanos.push(round(&ours));
        plain_nanos.push(round(&plain));
    }
    ServerTime {
        operation: operation.name(),
        ours: names,
        plain: plain_name,
        ours_by_plain: Quartiles::of_ratios(&our_nanos, &plain_nanos),
        our_nanos: Quartiles::of(our_nanos),
        plain_nanos: Quartiles::of(plain_nanos),
    }
}

impl Operation {
    fn name(self) -> String {
        let what = match self {
            Delete => "delete",
            Exists => "exists",
            Ttl => "ttl",
            Expire => "expire",
            Take => "take",
            Add => "add",
            Increment => "increment with TTL",
        };
        format!("redis/server time of {what}")
    }

    /// Stores what it needs.
    fn prepare(self, load: &Load) {
        match self {
            Add => setup().flush(),
            Increment => setup().fill(load, |_| Bytes::from_static(b"1")),
            _ => setup().fill_with_users(load),
        }
    }

    async fn ours(self, cache: &Cache, step: Step<'_>) {
        let key = step.name;
        let answer = match self {
            Delete => cache.delete(key).await.map(drop),
            Exists => cache.exists(key).await.map(drop),
            Ttl => cache.ttl(key).await.map(drop),
            Expire => cache.expire(key, TTL).await.map(drop),
            Take => cache.take::<User>(key).await.map(drop),
            Add => cache.add(key, &User::new(step.id)).await.map(drop),
            Increment => cache.increment(key, 1).await.map(drop),
        };
        answer.expect(ANSWERED);
    }

    fn plain(self, key: &str) -> Vec<Bytes> {
        let millis = ttl_millis().to_string();
        let user = User::new(7).encode();
        let parts: &[&[u8]] = match self {
            Delete => &[b"UNLINK", key.as_bytes()],
            Exists => &[b"EXISTS", key.as_bytes()],
            Ttl => &[b"PTTL", key.as_bytes()],
            Expire => &[b"PEXPIRE", key.as_bytes(), millis.as_bytes()],
            Take => &[b"GETDEL", key.as_bytes()],
            Add => &[
                b"SET",
                key.as_bytes(),
                &user,
                b"NX",
                b"PX",
                millis.as_bytes(),
            ],
            Increment => &[b"INCRBY", key.as_bytes(), b"1"],
        };
        parts
            .iter()
            .map(|part| Bytes::copy_from_slice(part))
            .collect()
    }
}

/// What arrives at the server while our handle does it with each key.
fn record(operation: Operation, load: &Load) -> Vec<Vec<Bytes>> {
    const END: &str = "the end of the record";
    let cache = setup().ours();
    // The first call connects, and makes a script known to the server.
    let first = load.each_once().next().expect("there are keys");
    operation.prepare(load);
    setup().block_on(operation.ours(&cache, first));
    operation.prepare(load);
    let mut lines = setup().monitor();
    let steps = futures_util::stream::iter(load.each_once());
    let calls = steps.for_each_concurrent(AT_ONCE, |step| operation.ours(&cache, step));
    setup().block_on(calls);
    setup().echo(END);

    let mut recorded = Vec::new();
    loop {
        let mut line = String::new();
        lines.read_line(&mut line).expect(ANSWERED);
        if line.contains(END) {
            // Those of each connection in their order, so that a transaction stays in one piece.
            recorded.sort_by(|(one, _), (other, _)| String::cmp(one, other));
            return recorded.into_iter().map(|(_, command)| command).collect();
        }
        let (client, command) = monitored(&line);
        let is_ours = command
            .iter()
            .any(|part| part.starts_with(PREFIX.as_bytes()));
        let groups = matches!(
            command.first().map(|name| &name[..]),
            Some(b"MULTI" | b"EXEC")
        );
        // What a script does is part of its call.
        if !client.ends_with(" lua") && (is_ours || groups) {
            recorded.push((client, command));
        }
    }
}

/// Who sent what, of a line such as `+1.5 [0 127.0.0.1:6] "SET" "a key" "\x01"`.
fn monitored(line: &str) -> (String, Vec<Bytes>) {
    let (head, mut rest) = line.split_once(']').unwrap_or_default();
    let client = head.split_once('[').unwrap_or_default().1.to_owned();
    let mut parts = Vec::new();
    while let Some((_, quoted)) = rest.split_once('"') {
        let (part, behind) = unquoted(quoted);
        parts.push(part);
        rest = behind;
    }
    (client, parts)
}

/// What stands before the closing quote, and what stands behind it.
fn unquoted(text: &str) -> (Bytes, &str) {
    let mut part = Vec::new();
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        let byte = match byte {
            b'"' => return (part.into(), &text[at + 1..]),
            b'\\' => match bytes.next().map(|(_, escaped)| escaped) {
                Some(b'x') => {
                    let digits: Vec<u8> = bytes.by_ref().take(2).map(|(_, digit)| digit).collect();
                    let digits = String::from_utf8_lossy(&digits).into_owned();
                    u8::from_str_radix(&digits, 16).expect("two digits follow")
                }
                Some(b'n') => b'\n',
                Some(b'r') => b'\r',
                Some(b't') => b'\t',
                Some(b'a') => 7,
                Some(b'b') => 8,
                other => other.unwrap_or_default(),
            },
            other => other,
        };
        part.push(byte);
    }
    (part.into(), "")
}

/// The commands, each once.
fn names_in(commands: &[Vec<Bytes>]) -> String {
    let mut names: Vec<String> = Vec::new();
    for command in commands.iter().take(PIPELINED) {
        let name = String::from_utf8_lossy(&command[0]).into_owned();
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names.join(", ")
}

fn pipelines(commands: &[Vec<Bytes>], length: usize) -> Vec<Pipeline> {
    let of = |command: &Vec<Bytes>| {
        let mut packed = Cmd::new();
        for part in command {
            packed.arg(&part[..]);
        }
        packed
    };
    commands
        .chunks(length)
        .map(|commands| {
            let mut pipeline = ::redis::pipe();
            for command in commands {
                pipeline.add_command(of(command));
            }
            pipeline
        })
        .collect()
}

/// What the server has taken of its processor since it was started.
async fn processor_nanos(client: &mut Client) -> f64 {
    let info: String = client.ask(cmd("INFO").arg("cpu")).await;
    let seconds = |name: &str| -> f64 {
        let found = info.lines().find_map(|line| line.strip_prefix(name));
        let text = found.expect("the server counts its time");
        text.trim().parse().expect("the server counts in seconds")
    };
    1e9 * (seconds("used_cpu_sys:") + seconds("used_cpu_user:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_monitor_is_read_back() {
        let line = r#"+1.5 [0 127.0.0.1:6] "SET" "a \"b\"" "\x00\xff\\\n""#;
        let (client, parts) = monitored(line);
        assert_eq!(client, "0 127.0.0.1:6");
        assert_eq!(parts, [&b"SET"[..], b"a \"b\"", b"\x00\xff\\\n"]);
    }
}
