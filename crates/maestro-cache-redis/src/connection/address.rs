//! Where a server listens.

use std::fmt;
use std::path::PathBuf;

/// The place of one server. What it shows is for people, and holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Address {
    Tcp { host: String, port: u16 },
    Unix(PathBuf),
}

#[cfg(feature = "cluster")]
impl Address {
    /// What a node says of another one. It says no host, or `?`, for one that does not know its own name:
    /// that is where it was asked itself.
    pub(crate) fn named(host: String, port: u16, asked: &Self) -> Self {
        let host = match asked {
            Self::Tcp { host: known, .. } if matches!(&*host, "" | "?") => known.clone(),
            _ => host,
        };
        Self::Tcp { host, port }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The colons of an IPv6 address would run into that of the port.
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}
