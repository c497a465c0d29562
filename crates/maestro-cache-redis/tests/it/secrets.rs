//! Real faults, and whether anything that is shown of them holds a password, a user or a value.

use std::fmt::Debug;
use std::time::Duration;

use maestro_cache_core::{Cache, Error, ErrorKind, Ttl};
use maestro_cache_redis::{RedisCache, RedisCacheBuilder, RedisTls};
use maestro_cache_testkit::{RedisCluster, RedisSentinels, RedisServer, TestAuthority};

use crate::log::{Listening, Log};
use crate::urls::shown;

const USER: &str = "canary_user";
const PASSWORD: &str = "canary_password";
const VALUE: &str = "canary_value";

/// What each of these would look like: as text, as bytes, in hexadecimal digits and in base 64.
const TRACES: [&str; 4] = ["canary", "99, 97, 110, 97, 114", "63616e617279", "Y2FuYXJ5"];

/// Collects all that anybody could see.
struct Witness {
    log: Log,
    _listening: Listening,
    seen: String,
    kinds: Vec<ErrorKind>,
}

impl Witness {
    fn new() -> Self {
        let log = Log::default();
        Self {
            _listening: log.listen(),
            log,
            seen: String::new(),
            kinds: Vec::new(),
        }
    }

    fn sees(&mut self, thing: &dyn Debug) {
        self.seen += &format!("{thing:?} {thing:#?}\n");
    }

    fn builds(&mut self, builder: RedisCacheBuilder) -> Cache {
        self.sees(&builder);
        let backend = builder.build().unwrap();
        self.sees(&backend);
        let builder = Cache::builder(backend).timeout(Duration::from_secs(30));
        self.sees(&builder);
        let cache = builder.build().unwrap();
        self.sees(&cache);
        cache
    }

    fn cache(&mut self, url: &str) -> Cache {
        self.builds(RedisCache::builder(url))
    }

    /// Every operation that carries or returns a value, some of which fail even when all is well.
    async fn tries(&mut self, cache: &Cache) {
        let results = [
            cache.set("text", VALUE).await,
            cache.set("text", VALUE).ttl(Ttl::Never).await,
            cache.set_many([("text", VALUE), ("other", VALUE)]).await,
            cache.add("added", VALUE).await.map(drop),
            cache.get::<i64>("text").await.map(drop),
            cache.get::<String>("text").await.map(drop),
            cache.get_many::<i64>(["text", "other"]).await.map(drop),
            cache.increment("text", 1).await.map(drop),
            cache
                .compare_and_set("text", Some(VALUE), VALUE)
                .await
                .map(drop),
            cache.expire("text", Duration::from_secs(9)).await.map(drop),
            cache.ttl("text").await.map(drop),
            cache.take::<i64>("text").await.map(drop),
            cache.delete_many(["text", "other"]).await.map(drop),
            cache.clear("a*").await.map(drop),
        ];
        for error in results.into_iter().filter_map(Result::err) {
            self.fails(&error);
        }
        let health = cache.health_check().await;
        self.sees(&health);
    }

    fn fails(&mut self, error: &Error) {
        self.kinds.push(error.kind());
        self.seen += &shown(error);
    }

    /// It saw what it is about, and nothing that is nobody's business.
    fn saw_no_secret(self, kinds: &[ErrorKind], logged: &[&str]) {
        let log = self.log.text();
        for kind in kinds {
            assert!(
                self.kinds.contains(kind),
                "{kind:?} is not among {:?}",
                self.kinds
            );
        }
        for line in logged {
            assert!(log.contains(line), "{line:?} is missing in {log}");
        }
        for trace in TRACES {
            assert!(!self.seen.contains(trace), "{trace}: {}", self.seen);
            assert!(!log.contains(trace), "{trace}: {log}");
        }
    }
}

fn url_of(server: &RedisServer, user_info: &str) -> String {
    format!("redis://{user_info}@127.0.0.1:{}", server.port().unwrap())
}

#[tokio::test]
async fn values_that_do_not_decode_and_a_server_that_is_well() {
    let mut witness = Witness::new();
    let server = RedisServer::builder().password(PASSWORD).tcp().start();
    let cache = witness.cache(&server.url());
    witness.tries(&cache).await;
    assert_eq!(server.command(&["RPUSH", "list", VALUE]), ":1");
    for result in [
        cache.get::<String>("list").await.map(drop),
        cache.increment("list", 1).await.map(drop),
        cache
            .compare_and_set("list", Some(VALUE), VALUE)
            .await
            .map(drop),
    ] {
        witness.fails(&result.unwrap_err());
    }
    let kinds = [
        ErrorKind::Decode,
        ErrorKind::NotAnInteger,
        ErrorKind::WrongType,
    ];
    witness.saw_no_secret(&kinds, &["message=connected"]);
}

#[tokio::test]
async fn a_user_or_a_password_that_is_wrong() {
    let mut witness = Witness::new();
    let server = RedisServer::builder().password(PASSWORD).tcp().start();
    for user_info in [
        format!("{USER}:{PASSWORD}"),
        format!(":{PASSWORD}_not"),
        format!("{USER}_not:{PASSWORD}_not"),
    ] {
        let cache = witness.cache(&url_of(&server, &user_info));
        witness.tries(&cache).await;
    }
    witness.saw_no_secret(&[ErrorKind::Authentication], &["message=cannot connect"]);
}

#[tokio::test]
async fn a_user_who_may_do_nothing() {
    let mut witness = Witness::new();
    let server = RedisServer::builder().tcp().start();
    let password = format!(">{PASSWORD}");
    for rules in ["+hello", "+@all"] {
        let set = ["ACL", "SETUSER", USER, "reset", "on", &password, rules];
        assert_eq!(server.command(&set), "+OK");
        let cache = witness.cache(&url_of(&server, &format!("{USER}:{PASSWORD}")));
        witness.tries(&cache).await;
    }
    witness.saw_no_secret(&[ErrorKind::PermissionDenied], &["message=connected"]);
}

#[tokio::test]
async fn a_server_that_is_frozen_or_killed() {
    let mut witness = Witness::new();
    let server = RedisServer::builder().password(PASSWORD).tcp().start();
    let url = server.url() + "?connections=1&connect_timeout=200ms";
    let cache = witness.cache(&url);
    witness.tries(&cache).await;
    server.pause();
    witness
        .tries(&cache.with_timeout(Duration::from_millis(50)))
        .await;
    let late = witness.cache(&url);
    witness.tries(&late).await;
    server.stop();
    // Until the next attempt finds out, callers are told that the last one timed out. The supervisor says
    // a moment later what has become of the connection.
    let found_out = async {
        while !witness.kinds.contains(&ErrorKind::Unavailable)
            || !witness.log.text().contains("connection dropped")
        {
            witness.tries(&cache).await;
            witness.tries(&late).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), found_out)
        .await
        .expect("a server that is gone is found to be");
    let kinds = [ErrorKind::Timeout, ErrorKind::Unavailable];
    witness.saw_no_secret(
        &kinds,
        &["message=cannot connect", "message=connection dropped"],
    );
}

#[tokio::test]
async fn a_server_over_tls_that_is_not_trusted_or_does_not_trust() {
    let mut witness = Witness::new();
    let (authority, other) = (TestAuthority::new(), TestAuthority::new());
    let server = RedisServer::builder()
        .password(PASSWORD)
        .tls(&authority.server())
        .demand_client_certificates()
        .start();
    let client = other.client();
    let key = std::fs::read_to_string(client.key_file()).unwrap();
    let trusting = RedisTls::new().ca_file(authority.file());
    for tls in [
        RedisTls::new(),
        trusting.clone(),
        trusting.client_certificate(client.file(), client.key_file()),
    ] {
        witness.sees(&tls);
        let cache = witness.builds(RedisCache::builder(&server.url()).tls(tls));
        witness.tries(&cache).await;
    }
    let seen = witness.seen.clone() + &witness.log.text();
    for line in key.lines() {
        assert!(!seen.contains(line), "{line}: {seen}");
    }
    witness.saw_no_secret(&[ErrorKind::Tls], &["message=cannot connect"]);
}

#[tokio::test]
async fn sentinels_and_a_master_with_passwords_that_are_wrong() {
    let mut witness = Witness::new();
    let sentinels = RedisSentinels::builder()
        .password(PASSWORD)
        .sentinel_password(PASSWORD)
        .start();
    let url = sentinels.url();
    let wrong = format!("{PASSWORD}_not");
    // Without a login, with a wrong one, with one in the URL, and with a wrong one of the master.
    let right = format!("{url}?sentinel_password={PASSWORD}");
    for builder in [
        RedisCache::builder(&url),
        RedisCache::builder(&url).sentinel_login(USER, &wrong),
        RedisCache::builder(&format!(
            "{url}?sentinel_user={USER}&sentinel_password={wrong}"
        )),
        RedisCache::builder(&right.replacen(&format!(":{PASSWORD}@"), &format!(":{wrong}@"), 1)),
        RedisCache::builder(&url.replace("mymaster", "other")).sentinel_login("", PASSWORD),
        RedisCache::builder(&right),
    ] {
        let cache = witness.builds(builder);
        witness.tries(&cache).await;
    }
    let kinds = [
        ErrorKind::Authentication,
        ErrorKind::Config,
        ErrorKind::Decode,
    ];
    let logged = ["message=cannot connect", "message=connected"];
    witness.saw_no_secret(&kinds, &logged);
}

#[tokio::test]
async fn a_cluster_with_a_password_that_is_wrong_and_one_that_went_away() {
    let mut witness = Witness::new();
    let cluster = RedisCluster::builder()
        .replicas(0)
        .password(PASSWORD)
        .start();
    let url = cluster.url();
    let wrong = url.replacen(
        &format!(":{PASSWORD}@"),
        &format!("{USER}:{PASSWORD}_not@"),
        1,
    );
    let cache = witness.cache(&wrong);
    witness.tries(&cache).await;
    let cache = witness.cache(&url);
    witness.tries(&cache).await;
    for node in cluster.nodes() {
        cluster.kill(node);
    }
    witness.tries(&cache).await;
    let late = witness.cache(&url);
    witness.tries(&late).await;
    let kinds = [
        ErrorKind::Authentication,
        ErrorKind::Decode,
        ErrorKind::Unavailable,
    ];
    witness.saw_no_secret(&kinds, &["message=connected"]);
}
