//! Opening a stream of bytes to a server.

use std::net::SocketAddr;
use std::time::Duration;

use maestro_cache_core::{Error, ErrorKind, Result};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream, lookup_host};

use super::Address;
use super::race::first_success;
use crate::{chance, lost};

/// How long one address of a name may be silent before the next one is tried beside it.
const HEAD_START: Duration = Duration::from_millis(250);

/// What a server is spoken to over.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

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
    let found = lookup_host((host, port)).await.map_err(|_| no_address())?;
    let mut addresses: Vec<_> = found.collect();
    // Any of them first: one that takes connections and never greets would hold up each attempt.
    let first = chance::below(addresses.len());
    addresses.rotate_left(first);
    first_success(addresses, HEAD_START, to)
        .await
        .unwrap_or_else(|| Err(no_address()))
}

async fn to(address: SocketAddr) -> Result<BoxedStream> {
    let stream = TcpStream::connect(address)
        .await
        .map_err(lost::unreachable)?;
    // Requests are small and wait for nobody.
    stream.set_nodelay(true).map_err(lost::unreachable)?;
    Ok(Box::new(stream))
}

fn no_address() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the host of the URL has no address; check its spelling and the name service",
    )
}
