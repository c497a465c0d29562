//! Settings of TLS, as users say them.

use std::fmt;
use std::path::PathBuf;

use maestro_cache_core::Result;

use crate::settings::config;

/// Whom to trust and who one is, over TLS; for [`RedisCacheBuilder::tls`](crate::RedisCacheBuilder::tls).
///
/// Without any setting, a server has to show a certificate that an authority of the system vouches
/// for. Where the system has none, Mozilla's are used, which are part of the build.
///
/// Files are read when the cache is built, and again whenever a connection is made, so that renewed
/// certificates are taken without a restart. A file that cannot be read by then leaves the last good
/// one in use.
///
/// # Examples
///
/// ```no_run
/// use maestro_cache_redis::{RedisCache, RedisTls};
///
/// let tls = RedisTls::new()
///     .ca_file("/etc/redis/ca.pem")
///     .client_certificate("/etc/redis/client.pem", "/etc/redis/client.key");
/// let backend = RedisCache::builder("rediss://cache.internal").tls(tls).build()?;
/// # Ok::<(), maestro_cache_core::Error>(())
/// ```
#[derive(Clone, Default)]
#[must_use = "settings do nothing until they are handed to a builder"]
pub struct RedisTls {
    pub(crate) ca: Option<PathBuf>,
    pub(crate) client: Option<ClientFiles>,
    pub(crate) accepts_any_server: bool,
}

/// The files that say who a client is.
#[derive(Clone)]
pub(crate) struct ClientFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// The second word that it takes to talk to a server without knowing who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptAnyServer {
    /// Whoever stands between the service and the server can read and change all that is cached,
    /// and learns the password.
    IKnowTheRisk,
}

impl RedisTls {
    /// The defaults: the system's authorities, no client certificate.
    pub fn new() -> Self {
        Self::default()
    }

    /// The only authority to trust, in place of those of the system: a PEM file with one or more
    /// certificates.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca = Some(path.into());
        self
    }

    /// What to show to a server that asks who its client is: PEM files with the certificate, the
    /// chain behind it if there is one, and the key.
    pub fn client_certificate(
        mut self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.client = Some(ClientFiles {
            certificate: certificate.into(),
            key: key.into(),
        });
        self
    }

    /// Takes any server for the right one, whatever certificate it shows. Building such a cache
    /// logs a warning. For development only.
    pub fn without_verification(mut self, _: AcceptAnyServer) -> Self {
        self.accepts_any_server = true;
        self
    }

    /// The settings of a URL or of the environment: a CA file, the files of a client, `none` for no
    /// verification, and `yes` to confirm that.
    ///
    /// `None` if none of them is there.
    ///
    /// # Errors
    ///
    /// [`Config`](maestro_cache_core::ErrorKind::Config) if one of a pair is missing, or if a word is
    /// not one of those that it can be.
    pub fn from_text(
        ca: Option<String>,
        certificate: Option<String>,
        key: Option<String>,
        verify: Option<String>,
        accept_any_server: Option<String>,
    ) -> Result<Option<Self>> {
        let given = [&ca, &certificate, &key, &verify, &accept_any_server];
        if given.into_iter().all(Option::is_none) {
            return Ok(None);
        }
        let client = match (certificate, key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some(ClientFiles {
                certificate: certificate.into(),
                key: key.into(),
            }),
            _ => {
                return Err(config(
                    "a client certificate takes two files, `tls_cert` and `tls_key`; one of them \
                     is missing",
                ));
            }
        };
        let accepts_any_server = match (verify.as_deref(), accept_any_server.as_deref()) {
            (None | Some("full"), None) => false,
            (Some("none"), Some("yes")) => true,
            (Some("none"), _) => {
                return Err(config(
                    "`tls_verify=none` takes any server for the right one: whoever stands in \
                     between reads and changes all of it; name the authority with `tls_ca` \
                     instead, or say `tls_accept_any_server=yes` as well",
                ));
            }
            (_, Some(_)) => {
                return Err(config(
                    "`tls_accept_any_server` confirms `tls_verify=none`, and has no meaning \
                     without it",
                ));
            }
            (Some(_), None) => return Err(config("`tls_verify` is `full` or `none`")),
        };
        Ok(Some(Self {
            ca: ca.map(PathBuf::from),
            client,
            accepts_any_server,
        }))
    }
}

impl fmt::Debug for RedisTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisTls")
            .field("ca", &self.ca)
            .field(
                "client_certificate",
                &self.client.as_ref().map(|client| &client.certificate),
            )
            .field("accepts_any_server", &self.accepts_any_server)
            .finish_non_exhaustive()
    }
}
