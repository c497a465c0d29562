//! Opening a stream of bytes to a server.

use std::sync::atomic::{AtomicUsize, Ordering};

use maestro_cache_core::{Error, ErrorKind, Result};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};

use crate::connect::Address;
use crate::lost;

/// What a server is spoken to over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub(super) type BoxedStream = Box<dyn Stream>;

/// Opens a stream. Names are looked up anew each time, since servers move.
pub(super) async fn open(address: &Address) -> Result<BoxedStream> {
    match address {
        Address::Tcp { host, port } => over_tcp(host, *port).await,
        Address::Unix(path) => match UnixStream::connect(path).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(lost::unreachable(error)),
        },
    }
}

async fn over_tcp(host: &str, port: u16) -> Result<BoxedStream> {
    // Another one first each time: one that swallows takes all the time that an attempt has.
    static TURN: AtomicUsize = AtomicUsize::new(0);
    let found = lookup_host((host, port)).await.map_err(|_| no_address())?;
    let mut addresses: Vec<_> = found.collect();
    let turn = TURN.fetch_add(1, Ordering::Relaxed);
    let first = turn.checked_rem(addresses.len()).unwrap_or(0);
    addresses.rotate_left(first);
    let mut refused = None;
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Requests are small and wait for nobody.
                stream.set_nodelay(true).map_err(lost::unreachable)?;
                return Ok(Box::new(stream));
            }
            Err(error) => refused = Some(error),
        }
    }
    Err(refused.map_or_else(no_address, lost::unreachable))
}

fn no_address() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the host of the URL has no address; check its spelling and the name service",
    )
}
