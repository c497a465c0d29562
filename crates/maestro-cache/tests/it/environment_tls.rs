//! The variables of TLS, from literal pairs.

use maestro_cache::{Cache, ErrorKind, RedisTls};
use maestro_cache_testkit::{RedisServer, TestAuthority};

use crate::environment::{assert_names, from, refusal};

const URL: &str = "MAESTRO_CACHE_URL";
const CA: &str = "MAESTRO_CACHE_TLS_CA";
const CERT: &str = "MAESTRO_CACHE_TLS_CERT";
const KEY: &str = "MAESTRO_CACHE_TLS_KEY";
const VERIFY: &str = "MAESTRO_CACHE_TLS_VERIFY";
const ACCEPT: &str = "MAESTRO_CACHE_TLS_ACCEPT_ANY_SERVER";

const ENCRYPTED: (&str, &str) = (URL, "rediss://localhost");

async fn works(cache: &Cache) {
    cache.set("key", "value").await.unwrap();
    assert_eq!(cache.get("key").await.unwrap(), Some("value".to_owned()));
}

async fn distrusted(cache: &Cache) {
    let error = cache.set("key", "value").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tls, "{error:?}");
}

#[tokio::test]
async fn the_environment_says_whom_to_trust_and_who_one_is() {
    let authority = TestAuthority::new();
    let server = RedisServer::builder()
        .tls(&authority.server())
        .demand_client_certificates()
        .start();
    let (url, ca, client) = (server.url(), authority.file(), authority.client());
    let ca = (CA, ca.to_str().unwrap());
    let cert = (CERT, client.file().to_str().unwrap());
    let key = (KEY, client.key_file().to_str().unwrap());
    let url = (URL, &*url);
    works(&from([url, ca, cert, key]).unwrap()).await;
    works(&from([url, ca, cert, key, (VERIFY, "full")]).unwrap()).await;
    distrusted(&from([url, ca]).unwrap()).await;
    distrusted(&from([url, cert, key]).unwrap()).await;
    let any = [url, cert, key, (VERIFY, "none"), (ACCEPT, "yes")];
    works(&from(any).unwrap()).await;
}

#[tokio::test]
async fn the_url_goes_before_the_environment_with_all_of_it() {
    let (authority, other) = (TestAuthority::new(), TestAuthority::new());
    let server = RedisServer::builder().tls(&authority.server()).start();
    let trusts = |authority: &TestAuthority| {
        let file = authority.file();
        (format!("{}?tls_ca={}", server.url(), file.display()), file)
    };
    let ((url, right), (url_of_other, wrong)) = (trusts(&authority), trusts(&other));
    let (right, wrong) = (right.to_str().unwrap(), wrong.to_str().unwrap());
    works(&from([(URL, &url), (CA, wrong)]).unwrap()).await;
    distrusted(&from([(URL, &url_of_other), (CA, right)]).unwrap()).await;
    // No part of it is left over: not even who vouches for the server.
    let url = server.url() + "?tls_verify=full";
    distrusted(&from([(URL, &url), (CA, right)]).unwrap()).await;
}

#[test]
fn a_file_that_is_not_there_is_named_with_the_setting() {
    let file = "/no/such/file";
    assert_names(&refusal([ENCRYPTED, (CA, file)]), &["`tls_ca`", file]);
    let text = refusal([ENCRYPTED, (CERT, file), (KEY, "/no/such/key")]);
    assert_names(&text, &["`tls_cert`", file]);
    let client = TestAuthority::new().client();
    let text = refusal([
        ENCRYPTED,
        (CERT, client.file().to_str().unwrap()),
        (KEY, file),
    ]);
    assert_names(&text, &["`tls_key`", file]);
}

#[test]
fn half_a_pair_and_other_words_are_refused_and_the_variables_named() {
    let text = refusal([ENCRYPTED, (CERT, "/a")]);
    assert_names(&text, &["MAESTRO_CACHE_TLS_", "`tls_cert`", "`tls_key`"]);
    let text = refusal([ENCRYPTED, (KEY, "/a")]);
    assert_names(&text, &["MAESTRO_CACHE_TLS_", "`tls_cert`", "`tls_key`"]);
    for word in ["no", "None", "full ", "false"] {
        let text = refusal([ENCRYPTED, (VERIFY, word)]);
        assert_names(&text, &["MAESTRO_CACHE_TLS_", "`tls_verify`", "`full`"]);
    }
    let text = refusal([ENCRYPTED, (VERIFY, "none")]);
    assert_names(&text, &["MAESTRO_CACHE_TLS_", "tls_accept_any_server=yes"]);
    for word in ["no", "true", "Yes"] {
        let text = refusal([ENCRYPTED, (VERIFY, "none"), (ACCEPT, word)]);
        assert_names(&text, &["MAESTRO_CACHE_TLS_", "tls_accept_any_server=yes"]);
    }
    let texts = [
        refusal([ENCRYPTED, (ACCEPT, "yes")]),
        refusal([ENCRYPTED, (VERIFY, "full"), (ACCEPT, "yes")]),
    ];
    for text in texts {
        assert_names(&text, &["MAESTRO_CACHE_TLS_", "`tls_verify=none`"]);
    }
}

#[test]
fn a_url_that_is_not_encrypted_has_no_use_for_them() {
    for url in ["redis://localhost", "redis+unix:///run/redis.sock"] {
        from([(URL, url), (CA, "/no/such/file")]).unwrap();
        // What could never be meant is refused all the same.
        refusal([(URL, url), (CERT, "/a")]);
    }
}

#[test]
fn the_settings_of_a_backend_can_be_made_by_hand() {
    let tls = RedisTls::new().ca_file("/no/such/file");
    let backend = maestro_cache::RedisCache::builder("rediss://localhost").tls(tls);
    assert_eq!(backend.build().unwrap_err().kind(), ErrorKind::Config);
}
