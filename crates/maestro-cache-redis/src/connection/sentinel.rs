//! Asking sentinels who the master is
//! ([Redis Sentinel](https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/)).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use maestro_cache_core::{Error, ErrorKind, Result};
use redis::Value;

use super::Address;
use super::happy_eyeballs::first_success;
use super::manager::ConnectOptions;
use crate::commands;
use crate::error;

pub(crate) struct Sentinels {
    addresses: Vec<Address>,
    service: String,
    options: ConnectOptions,
    /// How long one of them may be silent before the next one is asked too.
    head_start: Duration,
    /// The one that named a master last is asked first, unless it was wrong.
    first: AtomicUsize,
}

impl Sentinels {
    /// The time for connecting is for all of them and the master together.
    pub(crate) fn new(addresses: Vec<Address>, service: String, options: ConnectOptions) -> Self {
        let shares = u32::try_from(addresses.len())
            .unwrap_or(u32::MAX)
            .saturating_add(1);
        Self {
            addresses,
            service,
            head_start: options.timeout / shares,
            options,
            first: AtomicUsize::new(0),
        }
    }

    /// The address of the master, by the first sentinel that knows it, and which one that is.
    pub(super) async fn master(&self) -> Result<(Address, usize)> {
        let first = self.first.fetch_add(1, Ordering::Relaxed);
        let count = self.addresses.len();
        let in_turn = (0..count).map(|at| first.wrapping_add(at) % count);
        let ask = |by| async move { Ok((self.ask(by).await?, by)) };
        let named = first_success(in_turn, self.head_start, ask).await;
        named.unwrap_or_else(|| Err(self.unknown()))
    }

    /// To be told once there is a connection to the master that this one named. Otherwise another
    /// sentinel is asked next time.
    pub(super) fn was_right(&self, by: usize) {
        self.first.store(by, Ordering::Relaxed);
    }

    async fn ask(&self, by: usize) -> Result<Address> {
        let address = self.addresses.get(by).ok_or_else(|| self.unknown())?;
        let connection = self.options.connect(address).await?;
        let mut question = commands::command("SENTINEL", 2, self.service.len() + 23);
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.service);
        match connection.ask(&question).await? {
            Value::Array(parts) => match parts.as_slice() {
                [Value::BulkString(host), Value::BulkString(port)] => address_of(host, port),
                _ => None,
            }
            .ok_or_else(not_a_sentinel),
            Value::Nil => Err(self.unknown()),
            Value::ServerError(error) => Err(error::refusal(&error)),
            _ => Err(not_a_sentinel()),
        }
    }

    fn unknown(&self) -> Error {
        Error::new(
            ErrorKind::Config,
            format!(
                "the sentinels know no master called `{}`; check the service in the URL",
                self.service.escape_debug()
            ),
        )
    }
}

fn address_of(host: &[u8], port: &[u8]) -> Option<Address> {
    Some(Address::Tcp {
        host: std::str::from_utf8(host).ok()?.to_owned(),
        port: std::str::from_utf8(port).ok()?.parse().ok()?,
    })
}

fn not_a_sentinel() -> Error {
    Error::new(
        ErrorKind::Config,
        "what answers at the address of a sentinel is none; check the hosts and ports of the URL",
    )
}
