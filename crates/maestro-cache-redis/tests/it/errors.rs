//! Refusals of real servers, and their kinds.

use std::time::Duration;

use maestro_cache_core::{
    Bytes, Cache, CacheBackend, CallContext, Codec, ErrorKind, Expiry, Outcome, SetWhen, TimeToLive,
};
use maestro_cache_redis::RedisCache;
use maestro_cache_testkit::RedisServer;

use crate::urls::shown;

pub(crate) fn cache(url: &str) -> Cache {
    cache_within(url, Duration::from_secs(30))
}

pub(crate) fn cache_within(url: &str, timeout: Duration) -> Cache {
    Cache::builder(RedisCache::new(url).unwrap())
        .timeout(timeout)
        .build()
        .unwrap()
}

/// The URL of the server with this user info, if need be instead of another one.
fn url_with(server: &RedisServer, user: &str, password: &str) -> String {
    format!(
        "redis+unix://{}?user={user}&password={password}",
        server.socket().display()
    )
}

#[tokio::test]
async fn the_right_password_is_taken_and_a_wrong_or_missing_one_is_authentication() {
    let server = RedisServer::builder()
        .password("canary p+ss/wörd")
        .tcp()
        .start();
    let port = server.port().unwrap();
    let encoded = "canary%20p+ss%2Fw%C3%B6rd";
    let unix = format!("redis+unix://{}", server.socket().display());
    for url in [
        format!("redis://:{encoded}@127.0.0.1:{port}"),
        format!("redis://default:{encoded}@127.0.0.1:{port}/3"),
        format!("{unix}?password={encoded}"),
        format!("{unix}?user=default&pass={encoded}&db=3"),
    ] {
        let cache = cache(&url);
        cache.set("key", "value").await.unwrap();
        assert_eq!(cache.get("key").await.unwrap(), Some("value".to_owned()));
    }
    for url in [
        format!("redis://127.0.0.1:{port}"),
        format!("redis://:canary@127.0.0.1:{port}"),
        format!("redis://canary:{encoded}@127.0.0.1:{port}"),
        format!("{unix}?password=canary"),
    ] {
        let error = cache(&url).set("key", "value").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication, "{error:?}");
        assert_eq!(error.outcome(), Outcome::NotApplied);
        assert!(!shown(&error).contains("canary"), "{error:?}");
    }
}

#[tokio::test]
async fn what_the_rules_of_the_user_forbid_is_permission_denied() {
    let server = RedisServer::start();
    let mut rules = vec!["ACL", "SETUSER", "canary", "on", ">canary", "~mine:*"];
    rules.extend(["+get", "+set", "+evalsha", "+eval", "+ping"]);
    assert_eq!(server.command(&rules).trim(), "+OK");
    let cache = cache(&url_with(&server, "canary", "canary"));
    cache.set("mine:1", &1_i64).await.unwrap();
    assert_eq!(cache.get("mine:1").await.unwrap(), Some(1_i64));
    assert!(cache.health_check().await.is_healthy());

    let denied = [
        cache.set("other", "canary").await.unwrap_err(),
        cache.delete("mine:1").await.map(drop).unwrap_err(),
        cache.clear("mine:*").await.map(drop).unwrap_err(),
        cache.increment("mine:1", 1).await.map(drop).unwrap_err(),
        cache
            .compare_and_set("other", Some("canary"), "canary")
            .await
            .map(drop)
            .unwrap_err(),
    ];
    for error in denied {
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
        assert_eq!(error.outcome(), Outcome::NotApplied, "{error:?}");
        assert!(!shown(&error).contains("canary"), "{error:?}");
    }
    // Where `MULTI` is forbidden and `SET` is not, a batch is written one by one.
    let error = cache.set_many([("mine:2", "canary")]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
    assert_eq!(error.outcome(), Outcome::Unknown, "{error:?}");
    let error = cache.set_many([("other", "canary")]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
    assert_eq!(error.outcome(), Outcome::NotApplied, "{error:?}");
    // Where `EXEC` is, the server gives the batch up, and the connection is as it was.
    assert_eq!(
        server
            .command(&["ACL", "SETUSER", "canary", "+multi"])
            .trim(),
        "+OK"
    );
    let error = cache.set_many([("mine:3", "canary")]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
    assert_eq!(error.outcome(), Outcome::NotApplied, "{error:?}");
    assert_eq!(cache.get::<String>("mine:3").await.unwrap(), None);
    // One who may do nothing is told so.
    let rules = ["ACL", "SETUSER", "canary", "-ping", "-get"];
    assert!(!server.ask(&rules).is_error());
    let health = cache.health_check().await;
    assert_eq!(health.error.unwrap().kind(), ErrorKind::PermissionDenied);
    assert!(!server.ask(&["ACL", "SETUSER", "canary", "+get"]).is_error());
    assert!(cache.health_check().await.is_healthy());
    // A refusal takes no connection away.
    assert_eq!(cache.get("mine:1").await.unwrap(), Some(1_i64));
}

/// A key that no load has to do with takes no script.
#[tokio::test]
async fn a_user_without_scripts_runs_the_plain_operations() {
    const HOUR: Duration = Duration::from_secs(3600);
    let server = RedisServer::start();
    let mut rules = vec!["ACL", "SETUSER", "canary", "on", ">canary", "~mine:*"];
    rules.extend(["+@read", "+@write", "-@scripting"]);
    assert_eq!(server.command(&rules).trim(), "+OK");
    let cache = cache(&url_with(&server, "canary", "canary"));
    cache.set("mine:1", "value").await.unwrap();
    assert!(!cache.add("mine:1", "other").await.unwrap());
    assert!(cache.add("mine:2", "other").await.unwrap());
    assert!(cache.exists("mine:1").await.unwrap());
    assert!(cache.expire("mine:1", HOUR).await.unwrap());
    assert!(cache.persist("mine:1").await.unwrap());
    assert_eq!(cache.ttl("mine:1").await.unwrap(), TimeToLive::NoExpiry);
    assert_eq!(
        cache.take("mine:1").await.unwrap(),
        Some("value".to_owned())
    );
    assert!(cache.delete("mine:2").await.unwrap());
    assert!(!cache.delete("mine:2").await.unwrap());
    assert_eq!(cache.increment("mine:n", 2).ttl(HOUR).await.unwrap(), 2);
    assert_eq!(cache.increment("mine:n", 3).ttl(HOUR).await.unwrap(), 5);
    assert!(matches!(
        cache.ttl("mine:n").await.unwrap(),
        TimeToLive::Left(_)
    ));
    let swap = cache.compare_and_set("mine:n", Some(&5_i64), &6_i64).await;
    assert_eq!(swap.unwrap_err().kind(), ErrorKind::PermissionDenied);
}

#[tokio::test]
async fn a_database_that_is_not_there_or_not_allowed_is_told_apart() {
    let server = RedisServer::start();
    let url = format!("{}?db=99", server.url());
    let error = cache(&url).get::<i64>("key").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config, "{error:?}");

    let rules = ["ACL", "SETUSER", "u", "on", ">p", "~*", "+@all", "-select"];
    assert_eq!(server.command(&rules).trim(), "+OK");
    let url = url_with(&server, "u", "p") + "&db=1";
    let error = cache(&url).get::<i64>("key").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
}

#[tokio::test]
async fn a_full_server_is_out_of_memory_and_still_reads() {
    let server = RedisServer::builder()
        .arg("--maxmemory", "1")
        .arg("--maxmemory-policy", "noeviction")
        .start();
    let cache = cache(&server.url());
    let errors = [
        cache.set("key", "value").await.unwrap_err(),
        cache.set_many([("a", "1"), ("b", "2")]).await.unwrap_err(),
        cache.increment("counter", 1).await.map(drop).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::OutOfMemory, "{error:?}");
        assert_eq!(error.outcome(), Outcome::NotApplied, "{error:?}");
    }
    assert_eq!(cache.get::<String>("key").await.unwrap(), None);
    assert!(cache.health_check().await.is_healthy());
}

#[tokio::test]
async fn a_replica_is_not_writable_and_still_reads() {
    let server = RedisServer::start();
    let cache = cache(&server.url());
    cache.set("key", "value").await.unwrap();
    // Nobody listens there, and a replica it is all the same.
    assert_eq!(
        server.command(&["REPLICAOF", "127.0.0.1", "1"]).trim(),
        "+OK"
    );
    let errors = [
        cache.set("key", "other").await.unwrap_err(),
        cache.set_many([("key", "other")]).await.unwrap_err(),
        cache.increment("counter", 1).await.map(drop).unwrap_err(),
        cache
            .compare_and_set("key", Some("value"), "other")
            .await
            .map(drop)
            .unwrap_err(),
        cache.clear("k*").await.map(drop).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::NotWritable, "{error:?}");
        // The last one had asked to remove something, and was refused: nothing happened.
        assert_eq!(error.outcome(), Outcome::NotApplied, "{error:?}");
    }
    assert_eq!(cache.get("key").await.unwrap(), Some("value".to_owned()));
}

#[tokio::test]
async fn another_type_under_the_key_is_wrong_type_and_is_left_alone() {
    let server = RedisServer::start();
    assert_eq!(server.command(&["RPUSH", "list", "1"]).trim(), ":1");
    let cache = cache(&server.url());
    let errors = [
        cache.get::<i64>("list").await.map(drop).unwrap_err(),
        cache.take::<i64>("list").await.map(drop).unwrap_err(),
        cache.increment("list", 1).await.map(drop).unwrap_err(),
        cache
            .increment("list", 1)
            .ttl(maestro_cache_core::Ttl::Never)
            .await
            .map(drop)
            .unwrap_err(),
        cache
            .compare_and_set("list", Some(&1_i64), &2_i64)
            .await
            .map(drop)
            .unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::WrongType, "{error:?}");
        assert_eq!(error.outcome(), Outcome::NotApplied, "{error:?}");
    }
    assert_eq!(server.command(&["LLEN", "list"]).trim(), ":1");
}

#[tokio::test]
async fn a_cluster_is_told_from_a_single_server() {
    let server = RedisServer::builder()
        .tcp()
        .arg("--cluster-enabled", "yes")
        .start();
    let cache = cache(&server.url());
    // No slot has a node yet.
    let error = cache.set("key", "value").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Moved, "{error:?}");
    // All slots are here: keys of two slots are.
    assert_eq!(
        server
            .command(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"])
            .trim(),
        "+OK"
    );
    let mut error = cache.get_many::<String>(["a", "b"]).await.unwrap_err();
    // It takes the server a moment to find its cluster complete; both are a cluster's answers.
    assert_eq!(error.kind(), ErrorKind::Moved, "{error:?}");
    error = cache.set_many([("a", "1"), ("b", "2")]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Moved, "{error:?}");
    assert_eq!(error.outcome(), Outcome::NotApplied);
}

#[tokio::test]
async fn too_many_clients_are_unavailable() {
    let server = RedisServer::builder().password("secret").start();
    let first = cache(&format!("{}&connections=1", server.url()));
    first.set("key", "value").await.unwrap();
    assert_eq!(
        server.command(&["CONFIG", "SET", "maxclients", "1"]).trim(),
        "+OK"
    );
    let error = cache(&server.url()).set("key", "value").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert_eq!(error.outcome(), Outcome::NotApplied);
    assert_eq!(first.get("key").await.unwrap(), Some("value".to_owned()));
}

#[tokio::test]
async fn a_command_that_the_server_does_not_know_shows_no_argument() {
    let server = RedisServer::builder()
        .arg("--rename-command", "SET")
        .arg("HIDDEN", "--rename-command")
        .arg("UNLINK", "HIDDEN_TOO")
        .start();
    // In JSON the value is text, and the server quotes it; in MessagePack it is none, which the
    // driver takes for the end of the link.
    for codec in [Codec::Json, Codec::MessagePack] {
        let cache = Cache::builder(RedisCache::new(&server.url()).unwrap())
            .codec(codec)
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        let error = cache.set("key", "canary").await.unwrap_err();
        assert!(!shown(&error).contains("canary"), "{error:?}");
        assert!(
            codec != Codec::Json || error.kind() == ErrorKind::Backend,
            "{error:?}"
        );
        assert_eq!(cache.get::<String>("key").await.unwrap(), None);
    }
}

#[tokio::test]
async fn a_value_beyond_512_mib_is_refused_before_it_is_sent() {
    let backend = RedisCache::new(&RedisServer::shared().url()).unwrap();
    let context = CallContext::new(Duration::from_secs(30));
    // Zeros are not touched, so this much memory is only asked for.
    let value = Bytes::from(vec![0; (512 << 20) + 1]);
    let set = backend.set(
        context,
        "huge",
        value.clone(),
        Expiry::Never,
        SetWhen::Always,
    );
    assert_eq!(set.await.unwrap_err().kind(), ErrorKind::TooLarge);
    let set = backend.set_many(
        context,
        &[("small", Bytes::new()), ("huge", value)],
        Expiry::Never,
    );
    assert_eq!(set.await.unwrap_err().kind(), ErrorKind::TooLarge);
    assert!(!backend.exists(context, "small").await.unwrap());
}

/// It is stored with 128 bytes behind it, or it would be read as something else.
#[tokio::test]
async fn a_value_that_is_too_large_as_it_is_stored_is_refused_as_well() {
    let backend = RedisCache::new(&RedisServer::shared().url()).unwrap();
    let context = CallContext::new(Duration::from_secs(30));
    let end = b"\t\r \t \r\n\r\t\t\n\n\t\r\t\n\n \t \n  \n\n\r\n\n  \r";
    let mut value = vec![0; 512 << 20];
    let from = value.len() - 128;
    value[from..].fill(b' ');
    let from = value.len() - end.len();
    value[from..].copy_from_slice(end);
    let value = Bytes::from(value);
    for when in [SetWhen::Always, SetWhen::Absent] {
        let set = backend.set(context, "huge", value.clone(), Expiry::Never, when);
        assert_eq!(set.await.unwrap_err().kind(), ErrorKind::TooLarge);
    }
    let entries = [("huge", value.clone())];
    let set = backend.set_many(context, &entries, Expiry::Never);
    assert_eq!(set.await.unwrap_err().kind(), ErrorKind::TooLarge);
    let swap = backend.compare_and_set(context, "huge", b"", value, Expiry::Never);
    assert_eq!(swap.await.unwrap_err().kind(), ErrorKind::TooLarge);
}
