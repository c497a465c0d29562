//! Sentinels that are wrong, and masters that are none, as tests have them.

use std::net::TcpListener;
use std::time::Duration;

use futures_util::future::join_all;
use maestro_cache_core::{Cache, ErrorKind, Outcome};
use maestro_cache_testkit::RedisServer;
use tokio::time::{Instant, sleep};

use crate::errors::cache;
use crate::fakes::{Act, Told, fake, slowly};
use crate::servers::served;

/// A sentinel that names the server at this port. Returns its address and what it was told.
async fn sentinel(master: u16) -> (String, Told) {
    let port = master.to_string();
    let answer = format!("*2\r\n$9\r\n127.0.0.1\r\n${}\r\n{port}\r\n", port.len());
    let answer: &'static str = answer.leak();
    let (url, told) = fake(move |_, _| Act::Say(answer)).await;
    (host_of(&url), told)
}

fn host_of(url: &str) -> String {
    let url = url::Url::parse(url).unwrap();
    format!("127.0.0.1:{}", url.port().unwrap())
}

/// A replica, and a user of it who may not ask for its role.
fn replica() -> RedisServer {
    let server = RedisServer::builder()
        .tcp()
        .arg("--replicaof", "127.0.0.1 1")
        .start();
    let rules = ["ACL", "SETUSER", "u", "on", ">p", "~*", "+@all", "-role"];
    assert!(!server.ask(&rules).is_error());
    server
}

fn behind(sentinels: &[&str]) -> Cache {
    let sentinels = sentinels.join(",");
    cache(&format!(
        "redis-sentinel://u:p@{sentinels}/mymaster?connections=1"
    ))
}

#[tokio::test]
async fn a_replica_that_sentinels_call_the_master_is_not_connected_to_for_each_write() {
    let server = replica();
    let (address, told) = sentinel(server.port().unwrap()).await;
    let cache = behind(&[&address]);
    let began = Instant::now();
    let mut writes = 0;
    while began.elapsed() < Duration::from_secs(2) {
        let error = cache.set("key", "value").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotWritable, "{error:?}");
        assert_eq!(error.outcome(), Outcome::NotApplied, "{error:?}");
        writes += 1;
    }
    // Each connection asks the sentinel once, and there are 50 milliseconds in between.
    let connects = told.all().len();
    assert!(connects <= 45, "{connects} connections for {writes} writes");
    assert!(writes > connects, "{writes} writes, {connects} connections");

    // As soon as it is the master, it is served again.
    assert!(!server.ask(&["REPLICAOF", "NO", "ONE"]).is_error());
    served(&cache).await;
}

#[tokio::test]
async fn calls_under_way_to_a_master_that_was_demoted_get_their_answers() {
    let server = replica();
    let later = slowly(server.port().unwrap(), |_| Some(Duration::from_millis(200))).await;
    let port = url::Url::parse(&later).unwrap().port().unwrap();
    let (address, _told) = sentinel(port).await;
    let cache = behind(&[&address]);
    let _ = cache.get::<String>("key").await;
    let writes = (0..20).map(|number| {
        let cache = &cache;
        async move {
            sleep(Duration::from_millis(10 * number)).await;
            cache.set("key", "value").await.unwrap_err()
        }
    });
    for error in join_all(writes).await {
        assert_eq!(error.kind(), ErrorKind::NotWritable, "{error:?}");
        assert_eq!(error.outcome(), Outcome::NotApplied, "{error:?}");
    }
}

#[tokio::test]
async fn a_sentinel_that_names_a_dead_master_is_not_asked_first_again() {
    let server = RedisServer::builder().tcp().start();
    let rules = ["ACL", "SETUSER", "u", "on", ">p", "~*", "+@all"];
    assert!(!server.ask(&rules).is_error());
    // The system takes connections for it, and it never answers the greeting.
    let dead = TcpListener::bind("127.0.0.1:0").unwrap();
    let (wrong, _told) = sentinel(dead.local_addr().unwrap().port()).await;
    let (right, _told) = sentinel(server.port().unwrap()).await;
    for sentinels in [[&*wrong, &*right], [&*right, &*wrong]] {
        served(&behind(&sentinels)).await;
    }
}

#[tokio::test]
async fn a_sentinel_that_is_silent_or_slow_holds_nobody_up() {
    let server = RedisServer::builder().tcp().start();
    let rules = ["ACL", "SETUSER", "u", "on", ">p", "~*", "+@all"];
    assert!(!server.ask(&rules).is_error());
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = silent.local_addr().unwrap().to_string();
    let (right, _told) = sentinel(server.port().unwrap()).await;
    let port = url::Url::parse(&format!("redis://{right}"))
        .unwrap()
        .port()
        .unwrap();
    // Slower than its share of the time to connect, which is a second.
    let slow = slowly(port, |_| Some(Duration::from_millis(200))).await;
    let slow = host_of(&slow);
    for sentinels in [[&*silent, &*right, &*silent], [&*silent, &*silent, &*slow]] {
        served(&behind(&sentinels)).await;
    }
}
