//! An authority that exists for a test: who trusts it trusts nobody else, and nobody else does.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};

use crate::redis_server::{Certificate, Directory};

/// A certificate authority, made anew for each value.
///
/// # Examples
///
/// ```no_run
/// use maestro_cache_testkit::{RedisServer, TestAuthority};
///
/// let authority = TestAuthority::new();
/// let server = RedisServer::builder().tls(&authority.server()).start();
/// println!("connect to {}?tls_ca={}", server.url(), authority.file().display());
/// ```
#[derive(Debug)]
pub struct TestAuthority {
    issuer: Issuer<'static, KeyPair>,
    issued: AtomicUsize,
    directory: Arc<Directory>,
}

impl TestAuthority {
    /// An authority that nobody trusts yet.
    #[must_use]
    pub fn new() -> Self {
        let mut params = CertificateParams::default();
        let name = &mut params.distinguished_name;
        name.push(DnType::CommonName, "an authority for tests");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key can be made");
        let certificate = params.self_signed(&key).expect("it can vouch for itself");
        let authority = Self {
            issuer: Issuer::new(params, key),
            issued: AtomicUsize::new(0),
            directory: Arc::new(Directory::new()),
        };
        std::fs::write(authority.file(), certificate.pem()).expect("the file can be written");
        authority
    }

    /// The file with its certificate, in PEM: what those who trust it are given.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.directory.path().join("authority.pem")
    }

    /// A certificate for a server at `localhost` or 127.0.0.1.
    #[must_use]
    pub fn server(&self) -> Certificate {
        self.issue(for_server(&["localhost", "127.0.0.1"]))
    }

    /// A certificate for a server at another host.
    #[must_use]
    pub fn server_for(&self, host: &str) -> Certificate {
        self.issue(for_server(&[host]))
    }

    /// A certificate as [`server`](Self::server), whose time is over.
    #[must_use]
    pub fn expired_server(&self) -> Certificate {
        let mut params = for_server(&["localhost", "127.0.0.1"]);
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(2001, 1, 1);
        self.issue(params)
    }

    /// A certificate for a client.
    #[must_use]
    pub fn client(&self) -> Certificate {
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.issue(params)
    }

    fn issue(&self, mut params: CertificateParams) -> Certificate {
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().expect("a key can be made");
        let signed = params.signed_by(&key, &self.issuer);
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        let file = |what| self.directory.path().join(format!("{number}-{what}.pem"));
        let issued = Certificate {
            certificate: file("certificate"),
            key: file("key"),
            authority: self.file(),
            _directory: Arc::clone(&self.directory),
        };
        let pem = signed.expect("the authority can sign").pem();
        std::fs::write(&issued.certificate, pem).expect("the file can be written");
        std::fs::write(&issued.key, key.serialize_pem()).expect("the file can be written");
        issued
    }
}

impl Default for TestAuthority {
    fn default() -> Self {
        Self::new()
    }
}

fn for_server(hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<_> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts).expect("the hosts are names or addresses");
    // The servers of a cluster are clients of one another, and show the same certificate as such.
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params
}
