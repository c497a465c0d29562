//! What the client is told of TLS: whom to trust, and who one is, by what stands in files now.
//!
//! The client encrypts by rustls. Its cryptography is ring's, unless the service has installed another
//! for the process.

use std::path::Path;
use std::sync::Arc;

use maestro_cache_core::{Error, Result};
use parking_lot::Mutex;
use redis::{Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, TlsCertificates};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::RedisTls;
use crate::error;
use crate::settings::config;
use crate::tls::ClientFiles;

pub(crate) struct Tls {
    settings: RedisTls,
    /// The authorities of the system, which take a while to read. None if an own one is named, or if the
    /// system has none: the client then trusts Mozilla's.
    system_roots: Option<Vec<u8>>,
    /// What was last read without an error.
    last: Mutex<TlsCertificates>,
}

impl Tls {
    /// Reads the files, so that wrong ones are found when the cache is built.
    pub(crate) fn new(settings: RedisTls) -> Result<Arc<Self>> {
        if settings.accepts_any_server {
            tracing::warn!(
                target: "maestro_cache::redis",
                "the certificates of servers are not verified: anyone in between can read and \
                 change what is cached"
            );
        }
        if CryptoProvider::get_default().is_none() {
            // Another thread may have installed one just now, which is as good.
            let _ = ring::default_provider().install_default();
        }
        let system_roots = settings.ca.is_none().then(system_roots).flatten();
        let first = read(&settings, system_roots.as_ref())?;
        Ok(Arc::new(Self {
            settings,
            system_roots,
            last: Mutex::new(first),
        }))
    }

    /// What the client needs to connect to this host.
    pub(super) async fn connection_info(
        self: &Arc<Self>,
        host: &str,
        port: u16,
    ) -> Result<ConnectionInfo> {
        let address = ConnectionAddr::TcpTls {
            host: host.to_owned(),
            port,
            insecure: self.settings.accepts_any_server,
            tls_params: None,
        };
        let client = Client::build_with_tls(address, self.renewed().await);
        let client = client.map_err(error::connecting)?;
        Ok(client.get_connection_info().clone())
    }

    async fn renewed(self: &Arc<Self>) -> TlsCertificates {
        if self.settings.ca.is_some() || self.settings.client.is_some() {
            let this = Arc::clone(self);
            let reading = tokio::task::spawn_blocking(move || {
                read(&this.settings, this.system_roots.as_ref())
            });
            if let Ok(Ok(certificates)) = reading.await {
                *self.last.lock() = certificates;
            }
        }
        self.last.lock().clone()
    }
}

/// The authorities of the system as PEM, if it has any that can be used.
fn system_roots() -> Option<Vec<u8>> {
    let mut usable = RootCertStore::empty();
    let blocks: Vec<_> = rustls_native_certs::load_native_certs()
        .certs
        .into_iter()
        .filter(|certificate| usable.add(certificate.clone()).is_ok())
        .map(|certificate| ::pem::Pem::new("CERTIFICATE", certificate.to_vec()))
        .collect();
    (!blocks.is_empty()).then(|| ::pem::encode_many(&blocks).into_bytes())
}

/// What stands in the files, checked: the client would take a file without a certificate in silence.
fn read(settings: &RedisTls, system_roots: Option<&Vec<u8>>) -> Result<TlsCertificates> {
    Ok(TlsCertificates {
        root_cert: match &settings.ca {
            Some(path) => Some(authorities(path)?),
            None => system_roots.cloned(),
        },
        client_tls: settings.client.as_ref().map(identity).transpose()?,
    })
}

fn identity(client: &ClientFiles) -> Result<ClientTlsConfig> {
    let (client_cert, chain) = certificates(&client.certificate, "tls_cert")?;
    let client_key = bytes(&client.key, "tls_key")?;
    let key = PrivateKeyDer::from_pem_slice(&client_key)
        .map_err(|_| holds_no(&client.key, "tls_key", "private key"))?;
    ClientConfig::builder()
        .with_root_certificates(RootCertStore::empty())
        .with_client_auth_cert(chain, key)
        .map_err(|_| {
            config(format!(
                "the certificate {} and the key {} do not belong together, or are of a kind that is \
                 not supported; check `tls_cert` and `tls_key`",
                client.certificate.display(),
                client.key.display()
            ))
        })?;
    Ok(ClientTlsConfig {
        client_cert,
        client_key,
    })
}

fn authorities(path: &Path) -> Result<Vec<u8>> {
    let (pem, certificates) = certificates(path, "tls_ca")?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|_| {
            config(format!(
                "a certificate in {} is none that can vouch for others; check `tls_ca`",
                path.display()
            ))
        })?;
    }
    Ok(pem)
}

/// A file, and the certificates in it, at least one.
fn certificates(path: &Path, setting: &str) -> Result<(Vec<u8>, Vec<CertificateDer<'static>>)> {
    let pem = bytes(path, setting)?;
    let read: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&pem).collect();
    match read {
        Ok(certificates) if !certificates.is_empty() => Ok((pem, certificates)),
        _ => Err(holds_no(path, setting, "certificate")),
    }
}

fn bytes(path: &Path, setting: &str) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| {
        config(format!(
            "the file {} cannot be read ({}); check `{setting}`",
            path.display(),
            error.kind()
        ))
    })
}

/// Nothing of the file is quoted, which may be a key.
fn holds_no(path: &Path, setting: &str, what: &str) -> Error {
    config(format!(
        "the file {} holds no {what} in PEM; check `{setting}`",
        path.display()
    ))
}
