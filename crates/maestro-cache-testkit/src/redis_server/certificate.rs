//! What a server or a client shows to the other one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::directory::Directory;

/// A certificate and its key, as PEM files; issued by a `TestAuthority`, which the feature `tls`
/// brings.
///
/// The files are there as long as this value, a clone of it, or the authority.
#[derive(Clone, Debug)]
pub struct Certificate {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    /// The certificate of who issued it.
    pub(crate) authority: PathBuf,
    pub(crate) _directory: Arc<Directory>,
}

impl Certificate {
    /// The file with the certificate.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.certificate
    }

    /// The file with the key.
    #[must_use]
    pub fn key_file(&self) -> &Path {
        &self.key
    }
}
