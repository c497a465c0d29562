//! Encryption: rustls over the streams that carry the commands.
//!
//! The cryptography is ring's, named for each configuration. What the process installs for others,
//! or whether it installs anything, does not matter.

use std::io;
use std::path::Path;
use std::sync::Arc;

use maestro_cache_core::{Error, ErrorKind, Result};
use parking_lot::Mutex;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_rustls::TlsConnector;

use super::stream::BoxedStream;
use crate::RedisTls;
use crate::connect::Address;
use crate::settings::config;

/// How to encrypt.
#[derive(Clone)]
pub(crate) struct Tls(Arc<Shared>);

struct Shared {
    settings: RedisTls,
    /// Those of the system, which take a while to read. None if an own authority is named.
    system_roots: Option<Arc<RootCertStore>>,
    /// What was last read without an error.
    last: Mutex<Arc<ClientConfig>>,
}

impl Tls {
    /// Reads the files, so that wrong ones are found when the cache is built.
    pub(crate) fn new(settings: RedisTls) -> Result<Self> {
        if settings.accepts_any_server {
            tracing::warn!(
                target: "maestro_cache::redis",
                "the certificates of servers are not verified: anyone in between can read and \
                 change what is cached"
            );
        }
        let system_roots = settings.ca.is_none().then(system_roots).map(Arc::new);
        let first = read(&settings, system_roots.as_ref())?;
        Ok(Self(Arc::new(Shared {
            settings,
            system_roots,
            last: Mutex::new(Arc::new(first)),
        })))
    }

    pub(super) async fn wrap(&self, stream: BoxedStream, address: &Address) -> Result<BoxedStream> {
        let host = match address {
            Address::Tcp { host, .. } => host.clone(),
            Address::Unix(_) => return Ok(stream),
        };
        let name = ServerName::try_from(host).map_err(|_| {
            config("the host of the URL is no name that a certificate could be for")
        })?;
        let connector = TlsConnector::from(self.renewed().await);
        match connector.connect(name, stream).await {
            Ok(encrypted) => Ok(Box::new(encrypted)),
            Err(error) => Err(refused(error)),
        }
    }

    /// The configuration by what stands in the files now.
    async fn renewed(&self) -> Arc<ClientConfig> {
        let shared = Arc::clone(&self.0);
        if shared.settings.ca.is_some() || shared.settings.client.is_some() {
            let reading = Arc::clone(&shared);
            let read = tokio::task::spawn_blocking(move || {
                read(&reading.settings, reading.system_roots.as_ref())
            });
            if let Ok(Ok(config)) = read.await {
                *shared.last.lock() = Arc::new(config);
            }
        }
        Arc::clone(&shared.last.lock())
    }
}

/// The authorities of the system, or Mozilla's where it has none.
fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

fn read(settings: &RedisTls, system_roots: Option<&Arc<RootCertStore>>) -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|_| config("this build of rustls has no version of TLS"))?;
    let builder = if settings.accepts_any_server {
        builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyServer(provider)))
    } else {
        let roots = match (&settings.ca, system_roots) {
            (Some(path), _) => Arc::new(authorities(path)?),
            (None, Some(roots)) => Arc::clone(roots),
            (None, None) => Arc::new(self::system_roots()),
        };
        builder.with_root_certificates(roots)
    };
    let Some(client) = &settings.client else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates(&client.certificate, "tls_cert")?;
    let key = PrivateKeyDer::from_pem_file(&client.key)
        .map_err(|error| unreadable(&client.key, "tls_key", "private key", &error))?;
    builder.with_client_auth_cert(chain, key).map_err(|_| {
        config(format!(
            "the certificate {} and the key {} do not belong together, or are of a kind that is \
             not supported; check `tls_cert` and `tls_key`",
            client.certificate.display(),
            client.key.display()
        ))
    })
}

fn authorities(path: &Path) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path, "tls_ca")? {
        roots.add(certificate).map_err(|_| {
            config(format!(
                "a certificate in {} is none that can vouch for others; check `tls_ca`",
                path.display()
            ))
        })?;
    }
    Ok(roots)
}

/// The certificates of a file, at least one.
fn certificates(path: &Path, setting: &str) -> Result<Vec<CertificateDer<'static>>> {
    let read = || CertificateDer::pem_file_iter(path)?.collect::<Result<Vec<_>, _>>();
    match read() {
        Ok(certificates) if certificates.is_empty() => Err(config(format!(
            "the file {} holds no certificate in PEM; check `{setting}`",
            path.display()
        ))),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(unreadable(path, setting, "certificate", &error)),
    }
}

/// The words of the error are left out unless they are the system's: the others may quote a key.
fn unreadable(path: &Path, setting: &str, what: &str, error: &pem::Error) -> Error {
    match error {
        pem::Error::Io(error) => config(format!(
            "the file {} cannot be read ({}); check `{setting}`",
            path.display(),
            error.kind()
        )),
        _ => config(format!(
            "the file {} holds no {what} in PEM; check `{setting}`",
            path.display()
        )),
    }
}

/// Why a server and a client did not come to trust each other.
fn refused(error: io::Error) -> Error {
    if is_about_trust(&error) {
        distrust(error)
    } else {
        crate::lost::unreachable(error)
    }
}

pub(crate) fn is_about_trust(error: &io::Error) -> bool {
    let inner = error.get_ref();
    inner
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
        .is_some()
}

pub(crate) fn distrust(source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(
        ErrorKind::Tls,
        "the server and the cache do not trust each other, or one of them does not speak TLS; \
         check the certificate of the server, `tls_ca`, `tls_cert` and the host of the URL",
    )
    .with_source(source)
}

/// Takes any server for the right one. What it signs is checked all the same.
#[derive(Debug)]
struct AnyServer(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
