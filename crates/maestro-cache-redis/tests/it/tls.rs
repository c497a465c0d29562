//! TLS, with real servers and certificates that are right, wrong, of another time, or of nobody.

use std::path::{Path, PathBuf};
use std::time::Duration;

use maestro_cache_core::{Cache, Error, ErrorKind, Outcome};
use maestro_cache_redis::{AcceptAnyServer, RedisCache, RedisTls};
use maestro_cache_testkit::{Certificate, RedisServer, TestAuthority};
use rustls::crypto::{CryptoProvider, ring};

use crate::errors::cache;
use crate::log::Log;
use crate::servers::served;
use crate::urls::shown;

pub(crate) fn cache_with(url: &str, tls: RedisTls) -> Cache {
    let backend = RedisCache::builder(url).tls(tls).build().unwrap();
    Cache::builder(backend)
        .timeout(Duration::from_secs(30))
        .build()
        .unwrap()
}

pub(crate) fn trusting(authority: &TestAuthority) -> RedisTls {
    RedisTls::new().ca_file(authority.file())
}

/// What says who the client is.
pub(crate) fn shows(tls: RedisTls, certificate: &Certificate) -> RedisTls {
    tls.client_certificate(certificate.file(), certificate.key_file())
}

pub(crate) async fn works(cache: &Cache) {
    cache.set("key", "value").await.unwrap();
    assert_eq!(cache.get("key").await.unwrap(), Some("value".to_owned()));
}

async fn refused(cache: &Cache) -> Error {
    let error = cache.set("key", "value").await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotApplied, "{error:?}");
    error
}

pub(crate) async fn distrusted(cache: &Cache) {
    let error = refused(cache).await;
    assert_eq!(error.kind(), ErrorKind::Tls, "{}", shown(&error));
}

#[tokio::test]
async fn an_authority_is_named_by_the_builder_or_by_the_url() {
    let authority = TestAuthority::new();
    let server = RedisServer::builder()
        .password("p")
        .tls(&authority.server())
        .start();
    let by_url = format!("{}?tls_ca={}", server.url(), authority.file().display());
    works(&cache(&by_url)).await;
    works(&cache(&by_url.replace("127.0.0.1", "localhost"))).await;
    works(&cache_with(&server.url(), trusting(&authority))).await;
    // All of the builder's word goes before all of the URL's.
    let other = TestAuthority::new();
    distrusted(&cache_with(&by_url, trusting(&other))).await;
}

#[tokio::test]
async fn the_authorities_of_the_system_vouch_for_none_of_ours() {
    let server = RedisServer::builder()
        .tls(&TestAuthority::new().server())
        .start();
    distrusted(&cache(&server.url())).await;
}

#[tokio::test]
async fn another_authority_another_host_and_a_time_that_is_over_are_not_trusted() {
    let authority = TestAuthority::new();
    for certificate in [
        TestAuthority::new().server(),
        authority.server_for("elsewhere.example"),
        authority.expired_server(),
    ] {
        let server = RedisServer::builder().tls(&certificate).start();
        distrusted(&cache_with(&server.url(), trusting(&authority))).await;
    }
}

#[tokio::test]
async fn a_server_that_asks_for_a_certificate_takes_one_of_its_authority_and_no_other() {
    let (authority, other) = (TestAuthority::new(), TestAuthority::new());
    let server = RedisServer::builder()
        .tls(&authority.server())
        .demand_client_certificates()
        .start();
    let client = authority.client();
    works(&cache_with(
        &server.url(),
        shows(trusting(&authority), &client),
    ))
    .await;
    let by_url = format!(
        "{}?tls_ca={}&tls_cert={}&tls_key={}",
        server.url(),
        authority.file().display(),
        client.file().display(),
        client.key_file().display()
    );
    works(&cache(&by_url)).await;
    distrusted(&cache_with(&server.url(), trusting(&authority))).await;
    distrusted(&cache_with(
        &server.url(),
        shows(trusting(&authority), &other.client()),
    ))
    .await;
}

#[tokio::test]
async fn a_plain_server_is_no_server_of_tls_and_the_reverse() {
    let authority = TestAuthority::new();
    let plain = RedisServer::builder().tcp().start();
    // It takes the greeting of TLS for a command that goes on, unless there is an end of line in it.
    let url = plain.url().replace("redis://", "rediss://") + "?connect_timeout=300ms";
    let error = refused(&cache_with(&url, trusting(&authority))).await;
    let kinds = [ErrorKind::Timeout, ErrorKind::Tls];
    assert!(kinds.contains(&error.kind()), "{}", shown(&error));
    let encrypted = RedisServer::builder().tls(&authority.server()).start();
    let error = refused(&cache(&encrypted.url().replace("rediss://", "redis://"))).await;
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{}", shown(&error));
}

/// Files that are not what they should be, each with a canary in it.
struct Spoilt {
    directory: tempfile::TempDir,
    certificate: Certificate,
    key_of_another: PathBuf,
}

impl Spoilt {
    fn new(authority: &TestAuthority) -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            certificate: authority.client(),
            key_of_another: authority.client().key_file().to_owned(),
        }
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

#[test]
fn wrong_files_are_found_when_building_and_nothing_of_them_is_shown() {
    let authority = TestAuthority::new();
    let spoilt = Spoilt::new(&authority);
    let empty = spoilt.file("empty.pem", "");
    let garbage = spoilt.file("garbage.pem", "canary \u{fffd} canary\n-----BEGIN canary");
    let broken = "-----BEGIN CERTIFICATE-----\ncanary!\n-----END CERTIFICATE-----\n";
    let broken = spoilt.file("broken.pem", broken);
    let no_certificate = "-----BEGIN CERTIFICATE-----\nY2FuYXJ5\n-----END CERTIFICATE-----\n";
    let no_certificate = spoilt.file("none.pem", no_certificate);
    let broken_key = "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----\n";
    let broken_key = spoilt.file("broken.key", broken_key);
    let no_utf8 = spoilt.directory.path().join("binary.pem");
    std::fs::write(&no_utf8, b"\xff\xfecanary\xff").unwrap();
    let (folder, missing) = (spoilt.directory.path(), Path::new("/no/such/file"));
    let (certificate, key) = (spoilt.certificate.file(), spoilt.certificate.key_file());

    let authorities = [
        &empty,
        &garbage,
        &broken,
        &no_certificate,
        &no_utf8,
        missing,
        folder,
        key,
    ]
    .map(|path: &Path| (path, "`tls_ca`", RedisTls::new().ca_file(path)));
    let certificates = [
        &empty,
        &garbage,
        &broken,
        &no_certificate,
        &no_utf8,
        missing,
        folder,
        key,
    ]
    .map(|path: &Path| {
        let tls = RedisTls::new().client_certificate(path, key);
        (path, "`tls_cert`", tls)
    });
    let keys = [
        &empty,
        &garbage,
        &broken,
        &broken_key,
        &no_utf8,
        missing,
        folder,
        certificate,
        &spoilt.key_of_another,
    ]
    .map(|path: &Path| {
        let tls = RedisTls::new().client_certificate(certificate, path);
        (path, "`tls_key`", tls)
    });
    let quoted = ["canary", "Y2FuYXJ5", "99, 97, 110", "BEGIN"];
    for (path, setting, tls) in authorities.into_iter().chain(certificates).chain(keys) {
        let error = RedisCache::builder("rediss://localhost")
            .tls(tls)
            .build()
            .expect_err(&format!("{setting} {}", path.display()));
        let seen = shown(&error);
        assert_eq!(error.kind(), ErrorKind::Config, "{seen}");
        assert!(seen.contains(setting), "{setting} is missing in {seen}");
        assert!(seen.contains(path.to_str().unwrap()), "{seen}");
        for quoted in quoted {
            assert!(!seen.contains(quoted), "{seen}");
        }
    }
}

#[tokio::test]
async fn any_server_is_taken_once_it_was_said_twice_and_a_warning_was_written() {
    let log = Log::default();
    let _listening = log.listen();
    let server = RedisServer::builder()
        .tls(&TestAuthority::new().expired_server())
        .start();
    let unsure = format!("{}?tls_verify=none", server.url());
    let error = RedisCache::new(&unsure).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("tls_accept_any_server=yes"));
    assert!(!log.text().contains("not verified"), "{}", log.text());
    works(&cache(&(unsure + "&tls_accept_any_server=yes"))).await;
    let warnings = || log.text().matches("are not verified").count();
    assert_eq!(warnings(), 1, "{}", log.text());
    let any = RedisTls::new().without_verification(AcceptAnyServer::IKnowTheRisk);
    works(&cache_with(&server.url(), any)).await;
    assert_eq!(warnings(), 2, "{}", log.text());
}

#[tokio::test]
async fn a_renewed_certificate_of_the_client_is_taken_without_building_anew() {
    let (authority, other) = (TestAuthority::new(), TestAuthority::new());
    let server = RedisServer::builder()
        .tls(&authority.server())
        .demand_client_certificates()
        .start();
    let directory = tempfile::tempdir().unwrap();
    let path = |name| directory.path().join(name);
    let put = |certificate: &Certificate| {
        std::fs::copy(certificate.file(), path("client.pem")).unwrap();
        std::fs::copy(certificate.key_file(), path("client.key")).unwrap();
    };
    put(&other.client());
    let tls = trusting(&authority).client_certificate(path("client.pem"), path("client.key"));
    let cache = cache_with(&server.url(), tls);
    distrusted(&cache).await;
    put(&authority.client());
    served(&cache).await;
    // Files that went bad leave the last good ones in use.
    std::fs::write(path("client.key"), "").unwrap();
    std::fs::remove_file(path("client.pem")).unwrap();
    server.restart();
    served(&cache).await;
    works(&cache).await;
}

#[tokio::test]
async fn a_renewed_certificate_of_the_server_is_taken_without_building_anew() {
    let authority = TestAuthority::new();
    let server = RedisServer::builder()
        .tls(&authority.expired_server())
        .start();
    let cache = cache_with(&server.url(), trusting(&authority));
    distrusted(&cache).await;
    server.restart_with(&authority.server());
    served(&cache).await;
    works(&cache).await;
}

/// The client takes what is installed for the process, and installs nothing.
#[tokio::test]
async fn a_process_need_not_install_any_cryptography() {
    let authority = TestAuthority::new();
    let server = RedisServer::builder().tls(&authority.server()).start();
    works(&cache_with(&server.url(), trusting(&authority))).await;
    let any = RedisTls::new().without_verification(AcceptAnyServer::IKnowTheRisk);
    works(&cache_with(&server.url(), any)).await;
    let installed = CryptoProvider::get_default().unwrap();
    let ours = ring::default_provider();
    assert_eq!(installed.cipher_suites.len(), ours.cipher_suites.len());
}
