//! URLs: what is taken, what is refused, and that no secret is shown in any of it.

use std::error::Error as _;
use std::time::Duration;

use maestro_cache_core::{Cache, Error, ErrorKind};
use maestro_cache_redis::{RedisCache, SCHEMES};

/// All that an error shows, its sources included.
pub(crate) fn shown(error: &Error) -> String {
    let mut text = format!("{error} {error:?} {error:#?}");
    let mut source = error.source();
    while let Some(error) = source {
        text += &format!(" {error} {error:?}");
        source = error.source();
    }
    text
}

fn refused(url: &str) -> Error {
    let error = RedisCache::new(url).expect_err(url);
    assert_eq!(error.kind(), ErrorKind::Config, "{url}");
    error
}

#[test]
fn debug_shows_where_it_connects_to() {
    let cases = [
        ("redis://localhost", "localhost:6379/0"),
        ("redis://localhost/", "localhost:6379/0"),
        ("REDIS://localhost:7000/3", "localhost:7000/3"),
        ("redis://10.0.0.1:7000/3/", "10.0.0.1:7000/3"),
        ("redis://[::1]:7000/15", "[::1]:7000/15"),
        ("redis://[::1]", "[::1]:6379/0"),
        (
            "redis://user:secret@cache.internal/1?connections=8",
            "cache.internal:6379/1",
        ),
        ("redis://:secret@cache.internal", "cache.internal:6379/0"),
        ("redis://:@cache.internal", "cache.internal:6379/0"),
        ("redis://@cache.internal", "cache.internal:6379/0"),
        ("redis-cluster://u:secret@a,b:1", "a:6379,b:1"),
        ("redis+cluster://a/0", "a:6379"),
        (
            "redis-sentinel://u:secret@a,[::1]:1/mymaster",
            "a:26379,[::1]:1/mymaster/0",
        ),
        ("redis+sentinel://a/mymaster/3", "a:26379/mymaster/3"),
        ("rediss://:secret@a", "a:6379/0"),
        ("rediss-cluster://a", "a:6379"),
        ("rediss+sentinel://a/s", "a:26379/s/0"),
        ("redis+unix:///run/redis.sock", "/run/redis.sock/0"),
        ("unix:///run/redis.sock?db=2", "/run/redis.sock/2"),
        (
            "unix:///run/my%20redis.sock?user=u&password=secret&connections=1",
            "/run/my redis.sock/0",
        ),
        (
            "redis+unix:///run/redis.sock?pass=secret",
            "/run/redis.sock/0",
        ),
    ];
    for (url, address) in cases {
        let shown = format!("{:?}", RedisCache::new(url).expect(url));
        assert!(shown.contains(&format!("{address:?}")), "{url}: {shown}");
    }
}

#[test]
fn wrong_settings_are_refused_when_building() {
    for url in [
        "",
        "localhost:6379",
        "redis:localhost",
        "redis:/localhost",
        "redis://",
        "redis:///0",
        "redis://:6379",
        "redis://:password@/0",
        "redis://localhost:port",
        "redis://localhost:66666",
        "redis://localhost/-1",
        "redis://localhost/+1",
        "redis://localhost/one",
        "redis://localhost/1/2",
        "redis://localhost/4294967296",
        "redis://lo cal",
        "redis://%6c",
        "redis://[::1",
        "redis://user@localhost",
        "redis://%ff:x@localhost",
        "redis://localhost#fragment",
        "redis://localhost?db=1",
        "redis://localhost?Connections=1",
        "redis://localhost?connections=0",
        "redis://localhost?connections=65",
        "redis://localhost?connections=-1",
        "redis://localhost?connections=many",
        "redis://localhost?connections",
        "redis://localhost?connections=1&connections=2",
        "redis+unix://",
        "redis+unix:///",
        "redis+unix:///run/",
        "redis+unix://run/redis.sock",
        "redis+unix:///run/redis.sock#x",
        "redis+unix:///run/redis.sock?db=x",
        "redis+unix:///run/redis.sock?db=1&db=1",
        "redis+unix:///run/redis.sock?user=u",
        "redis+unix:///run/redis.sock?password=a&pass=b",
        "redis+unix:///run/redis.sock?database=1",
        "redis://localhost:1,localhost:2",
        "redis://localhost?tls_ca=/ca.pem",
        "redis://localhost?sentinel_password=x",
        "redis://localhost?connect_timeout=1",
        "redis://localhost?connect_timeout=9ms",
        "redis://localhost?connect_timeout=61s",
        "redis://localhost?connect_timeout=-1s",
        "redis://localhost?max_in_flight=0",
        "redis://localhost?max_in_flight=+1",
        "redis-cluster://",
        "redis-cluster://a,",
        "redis-cluster://a,b:port",
        "redis-cluster://a,b/1",
        "redis-cluster://a?sentinel_password=x",
        "redis-sentinel://a,b",
        "redis-sentinel://a,b/",
        "redis-sentinel:///service",
        "redis-sentinel://a,b/service/x",
        "redis-sentinel://a,b/service/0/0",
        "redis-sentinel://a/service?sentinel_user=u",
        "rediss://localhost?tls_cert=/a",
        "rediss://localhost?tls_ca=/no/such/file",
        "rediss://localhost?tls_verify=no",
        "rediss://localhost?tls_verify=none",
        "rediss://localhost?tls_verify=none&tls_accept_any_server=no",
        "rediss://localhost?tls_accept_any_server=yes",
        "rediss+unix:///run/redis.sock",
        "redis-cluster+x://localhost",
        "redsi://localhost",
        "memcached://localhost",
        "http://localhost",
    ] {
        refused(url);
    }
    for connections in [0, 65, usize::MAX] {
        let error = RedisCache::builder("redis://localhost")
            .connections(connections)
            .build()
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
    }
}

#[test]
fn the_builder_goes_before_the_url() {
    let cache = RedisCache::builder("redis://localhost?connections=3").connections(5);
    let shown = format!("{:?}", cache.build().unwrap());
    assert!(shown.contains("connections: 5"), "{shown}");
    let shown = format!(
        "{:?}",
        RedisCache::new("redis://localhost?connections=3").unwrap()
    );
    assert!(shown.contains("connections: 3"), "{shown}");
}

#[test]
fn an_unknown_scheme_is_told_the_known_ones() {
    let text = refused("redsi://localhost").to_string();
    for scheme in SCHEMES {
        assert!(text.contains(&format!("`{scheme}://`")), "{text}");
    }
}

#[test]
fn an_unknown_setting_is_named_with_the_known_ones() {
    let text = refused("redis://localhost?conections=3").to_string();
    assert!(
        text.contains("`conections`") && text.contains("`connections`"),
        "{text}"
    );
    // Behind an unencoded `&` of a password its rest would look like a setting.
    let text = refused("unix:///s?user=u&password=a&canary=1").to_string();
    assert!(
        !text.contains("canary") && text.contains("`password`"),
        "{text}"
    );
}

#[test]
fn special_characters_of_a_password_that_are_not_encoded_are_told_of() {
    for url in [
        "redis://user:12/34@host",
        "redis://user:12?34@host",
        "redis://user:12#34@host",
        "redis://:12/0?connections=3@host",
    ] {
        let text = refused(url).to_string();
        assert!(text.contains("percent-encode"), "{url}: {text}");
    }
}

/// URLs with secrets that all contain `canary`, well formed and not.
const SECRETS: &[&str] = &[
    "redis://canary_user:canary_password@127.0.0.1:1/0",
    "redis://:canary@127.0.0.1:1",
    "redis://canary:canary@127.0.0.1:1?connections=1",
    "redis://u:can%61ry-canary@[::1]:1",
    "redis+unix:///nowhere/redis.sock?user=canary&password=canary",
    "redis+unix:///nowhere/redis.sock?pass=canary",
    "unix:///nowhere/redis.sock?password=canary+canary",
    "rediss://user:canary@host:1",
    "redis-cluster://user:canary@host:1,host:2",
    "redis-sentinel://user:canary@host:1/service/0",
    "rediss://canary_user:canary_password@127.0.0.1:1/0?connect_timeout=1s",
    "rediss://:canary@127.0.0.1:1?tls_verify=none&tls_accept_any_server=yes",
    "rediss://user:canary@127.0.0.1:1?tls_ca=/no/such/file",
    "rediss://user:canary@127.0.0.1:1?tls_cert=/no/such/file",
    "rediss://user:canary@127.0.0.1:1?tls_verify=canary",
    "rediss://user:canary@127.0.0.1:1?tls_verify=none&tls_accept_any_server=canary",
    "rediss://user:canary@127.0.0.1:1?tls_accept_any_server=canary",
    "rediss://user:canary@127.0.0.1:1?tls_canary=x",
    "rediss://user:canary@127.0.0.1:1?connect_timeout=canary&max_in_flight=canary",
    "rediss://user:canary/x@127.0.0.1:1?tls_verify=full",
    "redis-cluster://canary_user:canary@127.0.0.1:1,127.0.0.1:2",
    "redis+cluster://:canary@127.0.0.1:1/0?max_in_flight=5",
    "rediss-cluster://:canary@127.0.0.1:1,[::1]:2",
    "rediss+cluster://user:canary@127.0.0.1:1",
    "redis-cluster://user:canary@127.0.0.1:1,canary@127.0.0.1:2",
    "redis-cluster://user:canary@127.0.0.1:1,user:canary@127.0.0.1:2",
    "redis-cluster://user:canary@127.0.0.1:1/canary",
    "redis-cluster://user:canary@127.0.0.1:1?canary",
    "redis-sentinel://canary_user:canary@127.0.0.1:1,127.0.0.1:2/service/0",
    "redis+sentinel://127.0.0.1:1/service?sentinel_password=canary",
    "redis-sentinel://127.0.0.1:1/service?sentinel_user=canary&sentinel_password=canary",
    "redis-sentinel://:canary@127.0.0.1:1/service?sentinel_user=canary",
    "rediss-sentinel://:canary@127.0.0.1:1/service?sentinel_password=canary",
    "rediss+sentinel://user:canary@127.0.0.1:1/service/1?sentinel_password=%63anary",
    "redis-sentinel://127.0.0.1:1/service?sentinel_password=a&canary",
    "redis-sentinel://127.0.0.1:1/service?sentinel_password=canary&sentinel_password=canary",
    "redis-sentinel://127.0.0.1:1/service?sentinel_pasword=canary",
    "redis-sentinel://127.0.0.1:1/service?sentinel_pasword=hunter&canary",
    "redis-sentinel://127.0.0.1:1/service?sentinel_password=canary%ff",
    "redis-sentinel://127.0.0.1:1/service/canary?sentinel_password=canary",
    "redis-sentinel://127.0.0.1:1?sentinel_password=canary",
    "redis-sentinel://user:canary@127.0.0.1:1",
    "redis-sentinel://user:canary@/service",
    "redis://127.0.0.1:1?sentinel_password=canary",
    "rediss://127.0.0.1:1?sentinel_user=canary&sentinel_password=canary",
    "http://user:canary@host",
    "user:canary@host:6379",
    "canary@host:6379",
    ":canary@host",
    "redis:user:canary@host",
    "redis:/user:canary@host",
    "redis://canary@host",
    "redis://@?canary",
    "unix:///@?canary",
    "redis://user:canary",
    "redis://user:canary@",
    "redis://user:canary@:6379",
    "redis://user:canary@host:port",
    "redis://user:canary@host:canary",
    "redis://user:canary@host/canary",
    "redis://user:canary@host/0?canary",
    "redis://user:canary@host/0?canary=canary",
    "redis://user:canary@host/0?connections=canary",
    "redis://user:canary@host/0#canary",
    "redis://user:pa/canary@host",
    "redis://user:pa?canary@host",
    "redis://user:pa#canary@host",
    "redis://user:12/canary@host",
    "redis://user:12?canary@host",
    "redis://user:12?canary&canary=@host",
    "redis://user:12#canary@host",
    "redis://user:canary%@host:x",
    "redis://user:%ffcanary@host",
    "redis://user:canary@ho st",
    "redis://user:can ary:canary@[::1",
    "redis+unix://user:canary@/run/redis.sock",
    "redis+unix://canary/run/redis.sock",
    "redis+unix:///run/redis.sock?password=a&canary",
    "redis+unix:///run/redis.sock?password=a&canary=b",
    "redis+unix:///run/redis.sock?user=canary",
    "redis+unix:///run/redis.sock?password=canary&password=canary",
    "redis+unix:///run/redis.sock?password=canary#canary",
    "redis+unix:///run/redis.sock?password=canary&db=canary",
    "redis+unix:///run/redis.sock?pasword=canary",
    "redis+unix:///run/redis.sock?password=canary%ff",
    "redis://host:6379/0?password=hunter&canary",
    "redis://host:6379/0?PASSWORD=hunter&canary=x",
    "redis://host:6379/0?pass=hunter&canary",
    "redis://host:6379/0?pwd=hunter&canary",
    "redis://host:6379/0?username=hunter&canary",
    "redis://host:6379/0?Auth=hunter&canary",
    "redis://host:6379/0?canary&%70assword=hunter",
    "redis://host:6379/0?pw_canary=hunter",
    "redis://host:6379/0?secret=hunter&canary",
    "redis+unix:///run/redis.sock?Password=hunter&canary",
    "redis+unix:///run/redis.sock?passphrase=hunter&canary",
    "redis+unix:///run/redis.sock?pw=hunter&canary",
    "redis+unix:///run/redis.sock?username=hunter&canary",
    "redis+unix:///run/redis.sock?auth_token=hunter&canary",
    "unix:///run/redis.sock?canary&PWD=hunter",
    "unix:///run/redis.sock?pasword=hunter&canary",
];

#[tokio::test]
async fn no_secret_of_any_url_is_ever_shown() {
    for url in SECRETS {
        let builder = RedisCache::builder(url);
        let mut seen = format!("{builder:?} {builder:#?}");
        match builder.build() {
            Err(error) => seen += &shown(&error),
            Ok(backend) => {
                seen += &format!("{backend:?} {backend:#?}");
                let cache = Cache::builder(backend)
                    .timeout(Duration::from_secs(5))
                    .build()
                    .unwrap();
                seen += &format!("{cache:?}");
                seen += &shown(&cache.get::<String>("key").await.unwrap_err());
                seen += &shown(&cache.set("key", "value").await.unwrap_err());
                seen += &format!("{:?}", cache.health_check().await);
            }
        }
        assert!(!seen.contains("canary"), "{url}: {seen}");
    }
}

proptest::proptest! {
    #[test]
    fn any_url_is_read_or_refused_and_nothing_of_it_is_shown_that_may_be_secret(
        scheme in "redis|redis\\+unix|unix|rediss|rediss?[-+](cluster|sentinel)",
        before in "[a-z:/?#%&=@ ]{0,6}",
        after in "\\PC{0,12}",
    ) {
        let url = format!("{scheme}://{before}canary{after}");
        let builder = RedisCache::builder(&url);
        let mut seen = format!("{builder:?}");
        let secret = url.contains('@') || url.contains("password") || url.contains("user");
        match builder.build() {
            Err(error) => {
                proptest::prop_assert_eq!(error.kind(), ErrorKind::Config);
                // Where nothing hints at a secret, a setting that is not known is named.
                let names_a_setting = !secret && error.to_string().contains("the setting `");
                let is_shown = shown(&error).contains("canary");
                proptest::prop_assert!(names_a_setting || !is_shown, "{}", url);
            }
            // A host, a path or a database may be shown; what stands before an `@` may not.
            Ok(backend) => seen += &format!("{backend:?}"),
        }
        if secret && url.find("canary") < url.find('@') && !scheme.contains("unix") {
            proptest::prop_assert!(!seen.contains("canary"), "{}: {}", url, seen);
        }
    }
}
