//! `redis-cli`, as somebody at a terminal uses it.

use std::process::Command;
use std::time::Duration;

use maestro_cache::{Codec, ErrorKind, TimeToLive};
use maestro_cache_testkit::RedisServer;

use super::cache;

/// What `redis-cli` prints for a command, without the line's end.
fn redis_cli(server: &RedisServer, arguments: &[&str]) -> String {
    let socket = server.socket();
    let output = Command::new("redis-cli")
        .arg("-s")
        .arg(socket)
        .args(arguments)
        .output()
        .expect("redis-cli comes with redis-server; scripts/install.sh installs both");
    assert!(output.status.success());
    String::from_utf8(output.stdout)
        .unwrap()
        .trim_end_matches('\n')
        .to_owned()
}

#[tokio::test]
async fn what_the_cache_writes_is_plain_to_redis_cli() {
    let server = RedisServer::start();
    let cache = cache(&server, Codec::Json);
    cache.set("text", "héllo").await.unwrap();
    assert_eq!(redis_cli(&server, &["GET", "text"]), "\"héllo\"");
    cache
        .set("n", &5)
        .ttl(Duration::from_secs(1000))
        .await
        .unwrap();
    assert_eq!(redis_cli(&server, &["GET", "n"]), "5");
    assert_eq!(redis_cli(&server, &["INCRBY", "n", "2"]), "7");
    let millis: u64 = redis_cli(&server, &["PTTL", "n"]).parse().unwrap();
    assert!((900_000..=1_000_000).contains(&millis), "{millis}");
    cache.namespace("qf:").set("n", &1).await.unwrap();
    assert_eq!(redis_cli(&server, &["EXISTS", "qf:n"]), "1");
    assert_eq!(redis_cli(&server, &["TYPE", "qf:n"]), "string");
}

#[tokio::test]
async fn what_redis_cli_writes_is_plain_to_the_cache() {
    let server = RedisServer::start();
    let cache = cache(&server, Codec::Json);
    redis_cli(&server, &["SET", "n", "41"]);
    assert_eq!(cache.increment("n", 1).await.unwrap(), 42);
    redis_cli(&server, &["SET", "list", "[1, 2]"]);
    assert_eq!(
        cache.get::<Vec<u8>>("list").await.unwrap(),
        Some(vec![1, 2])
    );
    redis_cli(&server, &["EXPIRE", "list", "1000"]);
    assert!(matches!(
        cache.ttl("list").await.unwrap(),
        TimeToLive::Left(_)
    ));
    redis_cli(&server, &["DEL", "list"]);
    assert_eq!(cache.get::<Vec<u8>>("list").await.unwrap(), None);
    // A Redis list is no value: never shown as a miss.
    redis_cli(&server, &["RPUSH", "queue", "a"]);
    let error = cache.get::<String>("queue").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WrongType);
    assert!(cache.exists("queue").await.unwrap());
    assert_eq!(cache.clear("queue*").await.unwrap(), 1);
}
