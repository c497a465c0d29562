//! How many connections there are, when they are made, and that lost ones come back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use maestro_cache_core::{Cache, ErrorKind, Outcome};
use maestro_cache_redis::RedisCache;
use maestro_cache_testkit::{Fault, FaultProxy, RedisServer};

use crate::errors::{cache, cache_within};
use crate::fakes::{Act, fake, slowly};
use crate::servers::{ask, served};

/// The clients of the server, but for the one that asks.
fn clients(server: &RedisServer) -> usize {
    let list = ask(server, &["CLIENT", "LIST", "TYPE", "normal"]);
    list.matches("id=").count() - 1
}

/// The numbers that the server gave to the connections of a user.
fn clients_of(server: &RedisServer, user: &str) -> BTreeSet<String> {
    let list = server.ask(&["CLIENT", "LIST"]);
    list.text()
        .lines()
        .filter(|line| line.contains(&format!(" user={user} ")))
        .filter_map(|line| line.split(' ').next().map(str::to_owned))
        .collect()
}

/// Waits until the server has so many clients: it hears of the end of a connection a moment after
/// the fact, that of those who asked it before included.
async fn settles_at(server: &RedisServer, expected: usize) {
    let settled = tokio::time::timeout(Duration::from_secs(30), async {
        while clients(server) != expected {
            tokio::task::yield_now().await;
        }
    });
    if settled.await.is_err() {
        panic!("{} clients instead of {expected}", clients(server));
    }
}

fn connections_so_far(server: &RedisServer) -> u64 {
    let info = ask(server, &["INFO", "stats"]);
    let (_, behind) = info.split_once("total_connections_received:").unwrap();
    behind.split('\r').next().unwrap().parse().unwrap()
}

async fn burst(cache: &Cache, calls: usize) {
    let calls = (0..calls).map(|number| async move {
        cache.set(&format!("key {number}"), &number).await.unwrap();
    });
    join_all(calls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_number_of_callers_shares_a_few_connections() {
    for connections in [1, 2, 5] {
        let server = RedisServer::start();
        let backend = RedisCache::builder(&server.url()).connections(connections);
        let cache = Cache::builder(backend.build().unwrap())
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap();
        settles_at(&server, 0).await;
        burst(&cache, 1).await;
        settles_at(&server, connections).await;
        burst(&cache, 500).await;
        burst(&cache, 500).await;
        settles_at(&server, connections).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_connections_come_back_and_no_others() {
    let server = RedisServer::start();
    let cache = cache(&server.url());
    burst(&cache, 100).await;
    for _ in 0..20 {
        let _ = server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        // A read is asked again over a new connection, whenever the old one is found to be dead.
        for number in 0..4_usize {
            let value = cache.get::<usize>(&format!("key {number}")).await.unwrap();
            assert_eq!(value, Some(number));
        }
        burst(&cache, 20).await;
        settles_at(&server, 2).await;
    }
}

#[tokio::test]
async fn a_cache_that_was_built_while_the_server_was_down_works_once_it_is_up() {
    let server = RedisServer::builder().tcp().start();
    server.stop();
    let cache = cache(&server.url());
    server.restart();
    served(&cache).await;
}

#[tokio::test]
async fn those_who_wait_for_a_connection_share_the_failure_of_the_attempt() {
    let server = RedisServer::builder().password("secret").start();
    let url = format!("redis+unix://{}?connections=1", server.socket().display());
    let cache = cache(&url);
    let before = connections_so_far(&server);
    let answers = join_all((0..200).map(|_| cache.set("key", "value").into_future())).await;
    for answer in answers {
        assert_eq!(answer.unwrap_err().kind(), ErrorKind::Authentication);
    }
    let attempts = connections_so_far(&server) - before - 1;
    assert!(attempts <= 2, "{attempts} attempts for 200 calls at once");
}

#[tokio::test]
async fn a_caller_who_leaves_while_connecting_leaves_the_place_usable() {
    let server = RedisServer::builder().tcp().start();
    let patient = cache(&format!("{}?connections=1", server.url()));
    let hasty = patient.with_timeout(Duration::from_millis(30));
    server.pause();
    for _ in 0..5 {
        let error = hasty.set("key", "value").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
    }
    server.resume();
    served(&patient).await;
    patient.set("key", "value").await.unwrap();
    assert_eq!(patient.get("key").await.unwrap(), Some("value".to_owned()));
}

#[tokio::test]
async fn a_link_that_is_silent_gets_no_more_calls_after_three_timeouts() {
    let server = RedisServer::builder().tcp().start();
    let url = format!("{}?connections=1", server.url());
    let cache = cache_within(&url, Duration::from_millis(40));
    cache
        .with_timeout(Duration::from_secs(30))
        .set("key", "value")
        .await
        .unwrap();
    server.pause();
    // While it is doubted, calls wait for another connection and send nothing.
    let mut sent = 0;
    while cache.set("key", "other").await.unwrap_err().outcome() == Outcome::Unknown {
        sent += 1;
    }
    assert!(sent >= 3, "{sent}");
    server.resume();
    let patient = cache.with_timeout(Duration::from_secs(30));
    served(&patient).await;
    assert!(patient.get::<String>("key").await.unwrap().is_some());
}

#[tokio::test]
async fn a_link_that_swallows_all_is_replaced_for_the_hastiest_callers_too() {
    let (url, _told) = fake(|connection, _| match connection {
        0 => Act::Swallow,
        _ => Act::Say("+OK\r\n"),
    })
    .await;
    let hasty = cache_within(&url, Duration::from_millis(1));
    // The greeting has time; what follows has not.
    let connecting = hasty.with_timeout(Duration::from_millis(40));
    assert!(connecting.set("key", "value").await.is_err());
    let served = async { while hasty.set("key", "value").await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(60), served)
        .await
        .expect("a link that is dead is replaced");
}

#[tokio::test]
async fn hasty_callers_of_a_slow_server_do_not_drop_its_connection() {
    let server = RedisServer::builder().tcp().start();
    let url = slowly(server.port().unwrap(), |_| Some(Duration::from_millis(10))).await;
    let patient = cache(&url);
    let hasty = patient.with_timeout(Duration::from_millis(1));
    patient.set("key", "value").await.unwrap();
    let before = connections_so_far(&server);
    for _ in 0..300 {
        let error = hasty.get::<String>("key").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout);
    }
    assert_eq!(patient.get("key").await.unwrap(), Some("value".to_owned()));
    // The one who asks is one. A machine that stands still for a tenth of a second may cost one
    // more now and then, and callers that drop healthy links cost dozens.
    let connected = connections_so_far(&server) - before - 1;
    assert!(connected <= 3, "{connected} new connections");
}

#[tokio::test]
async fn an_attempt_to_connect_that_is_swallowed_holds_nobody_up_for_long() {
    let server = RedisServer::builder().tcp().start();
    let url = slowly(server.port().unwrap(), |connection| {
        (connection > 0).then_some(Duration::ZERO)
    })
    .await;
    let patient = cache_within(&url, Duration::from_secs(60));
    let hasty = patient.with_timeout(Duration::from_millis(50));
    let error = hasty.get::<i64>("key").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    // The attempt ends long before the deadline of those who wait, and the next one is soon.
    let calls = ["one", "two"].map(|key| patient.increment(key, 1).into_future());
    for answer in join_all(calls).await {
        assert_eq!(answer.unwrap(), 1);
    }
}

#[tokio::test]
async fn a_success_in_between_keeps_the_connection() {
    let server = RedisServer::builder().tcp().start();
    let url = format!("{}?connections=1", server.url());
    let cache = cache_within(&url, Duration::from_millis(40));
    let patient = cache.with_timeout(Duration::from_secs(30));
    patient.set("key", "value").await.unwrap();
    let id = ask(&server, &["CLIENT", "LIST", "TYPE", "normal"]);
    let id = id
        .split("id=")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .to_owned();
    for _ in 0..3 {
        server.pause();
        for _ in 0..2 {
            let error = cache.get::<String>("key").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout);
        }
        server.resume();
        assert!(patient.get::<String>("key").await.unwrap().is_some());
    }
    let list = ask(&server, &["CLIENT", "LIST", "TYPE", "normal"]);
    assert!(list.contains(&format!("id={id} ")), "{list}");
}

#[tokio::test]
async fn close_ends_the_connections_and_is_the_end_of_every_operation() {
    let server = RedisServer::start();
    let cache = cache(&server.url());
    burst(&cache, 10).await;
    settles_at(&server, 2).await;
    let other = cache.namespace("other:");
    cache.close().await.unwrap();
    cache.close().await.unwrap();
    settles_at(&server, 0).await;

    let nothing: [(&str, &str); 0] = [];
    let no_keys: [&str; 0] = [];
    for error in [
        other.get::<i64>("key").await.map(drop).unwrap_err(),
        other.get_many::<i64>(no_keys).await.map(drop).unwrap_err(),
        other.set("key", "value").await.unwrap_err(),
        other.set_many(nothing).await.unwrap_err(),
        other.delete_many(no_keys).await.map(drop).unwrap_err(),
        other.increment("key", 1).await.map(drop).unwrap_err(),
        other.clear("key").await.map(drop).unwrap_err(),
        other.clear("").await.map(drop).unwrap_err(),
        other.health_check().await.error.unwrap(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Closed, "{error:?}");
    }
}

#[tokio::test]
async fn closing_while_calls_are_under_way_lets_each_end_in_one_way_or_the_other() {
    let server = RedisServer::start();
    for _ in 0..50 {
        let cache = cache(&server.url());
        let calls = (0..20).map(|_| async { cache.increment("counter", 1).await.map(drop) });
        let close = async {
            tokio::task::yield_now().await;
            cache.close().await
        };
        let (answers, closed) = tokio::join!(join_all(calls), close);
        closed.unwrap();
        for error in answers.into_iter().filter_map(Result::err) {
            assert_eq!(error.kind(), ErrorKind::Closed, "{error:?}");
        }
    }
    drop(server);
}

/// Counts how often a future was woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn callers_who_wait_for_a_connection_are_left_alone_until_there_is_news() {
    // The system takes connections for it, and it never answers the greeting.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!(
        "redis://{}?connect_timeout=3s",
        silent.local_addr().unwrap()
    );
    let cache = cache(&url);
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut calls: Vec<_> = (0..50)
        .map(|_| cache.set("key", "value").into_future().boxed())
        .collect();
    for call in &mut calls {
        assert!(
            call.poll_unpin(&mut Context::from_waker(&waker))
                .is_pending()
        );
    }
    let (watched, mut seen) = (std::time::Instant::now(), 0);
    while watched.elapsed() < Duration::from_secs(1) {
        tokio::task::yield_now().await;
        let now = wakes.0.load(Ordering::Relaxed);
        if std::mem::replace(&mut seen, now) != now {
            for call in &mut calls {
                let context = &mut Context::from_waker(&waker);
                assert!(call.poll_unpin(context).is_pending());
            }
        }
    }
    let wakes = wakes.0.load(Ordering::Relaxed);
    assert!(
        wakes < 500,
        "50 calls that wait were woken {wakes} times in a second"
    );
}

#[tokio::test]
async fn a_connection_that_died_while_nobody_used_it_is_replaced_before_somebody_does() {
    let server = RedisServer::builder().tcp().start();
    let proxy = FaultProxy::start(server.port().unwrap());
    let cache = cache(&format!("{}?connections=1", proxy.url()));
    served(&cache).await;
    proxy.set_fault(Fault::SwallowOld);
    let replaced = async {
        while proxy.connections_accepted() < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), replaced)
        .await
        .expect("a heartbeat finds out");
    cache.set("key", "value").await.unwrap();
}

#[tokio::test]
async fn a_patient_call_outlasts_a_freeze() {
    let server = RedisServer::builder().tcp().start();
    let patient = cache(&server.url());
    let hasty = patient.with_timeout(Duration::from_millis(50));
    served(&patient).await;
    server.pause();
    let caller = patient.clone();
    let call = tokio::spawn(async move { caller.increment("counter", 1).await });
    // Until the breaker is open: then calls are refused at once, and nothing is sent.
    let refused = async {
        while hasty.set("key", "value").await.unwrap_err().outcome() == Outcome::Unknown {}
    };
    tokio::time::timeout(Duration::from_secs(60), refused)
        .await
        .unwrap();
    server.resume();
    assert_eq!(call.await.unwrap().unwrap(), 1);
    served(&patient).await;
}

#[tokio::test]
async fn a_server_that_greets_and_hangs_up_is_not_connected_to_without_a_pause() {
    let (url, told) = fake(|_, _| Act::HangUp).await;
    let cache = cache(&url);
    let began = tokio::time::Instant::now();
    let mut calls = 0;
    while began.elapsed() < Duration::from_secs(2) {
        let error = cache.set("key", "value").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        calls += 1;
    }
    // Each connection is told one request.
    let connects = told.all().len();
    assert!(connects <= 60, "{connects} connections for {calls} calls");
    assert!(calls > connects, "{calls} calls, {connects} connections");
}

#[tokio::test]
async fn a_user_without_ping_gets_no_more_connections_than_configured() {
    let server = RedisServer::builder().tcp().start();
    let mut rules = vec!["ACL", "SETUSER", "qf", "on", ">secret", "~qf:*", "-@all"];
    rules.extend(
        "+get +getrange +mget +set +unlink +exists +incrby +pttl +pexpire +persist".split(' '),
    );
    rules.extend("+scan +multi +exec +evalsha +eval".split(' '));
    assert!(!server.ask(&rules).is_error());
    let url = server.url().replace("redis://", "redis://qf:secret@");
    let backend = RedisCache::builder(&url).connections(3).build().unwrap();
    let cache = Cache::builder(backend)
        .key_prefix("qf:")
        .timeout(Duration::from_secs(30))
        .build()
        .unwrap();
    burst(&cache, 200).await;
    // One that is not greeted yet is nobody's.
    let greeted = async {
        while clients_of(&server, "qf").len() < 3 {
            tokio::task::yield_now().await;
        }
    };
    let greeted = tokio::time::timeout(Duration::from_secs(30), greeted);
    greeted.await.expect("three connections are made");
    settles_at(&server, 3).await;
    let made = clients_of(&server, "qf");
    assert_eq!(made.len(), 3);
    assert_eq!(cache.increment("counter", 1).await.unwrap(), 1);
    assert!(cache.health_check().await.is_healthy());
    // The heartbeat is refused, which is an answer.
    let is_refused = || {
        let info = server.ask(&["INFO", "commandstats"]);
        let refused =
            |line: &str| line.contains("cmdstat_ping") && !line.contains("rejected_calls=0");
        info.text().lines().any(refused)
    };
    let heard_a_beat = async {
        while !is_refused() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), heard_a_beat)
        .await
        .expect("idle connections are made to say something");
    burst(&cache, 200).await;
    assert_eq!(cache.clear_all().await.unwrap(), 201);
    assert_eq!(
        clients_of(&server, "qf"),
        made,
        "the same connections as before"
    );
}

#[tokio::test]
async fn calls_beyond_the_bound_are_rejected_and_those_under_way_are_not() {
    let server = RedisServer::builder().tcp().start();
    let cache = cache(&format!("{}?max_in_flight=10", server.url()));
    served(&cache).await;
    let answers = join_all((0..50).map(|_| cache.increment("counter", 1).into_future())).await;
    let (done, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!(done.len(), 10);
    for error in refused.into_iter().filter_map(Result::err) {
        assert_eq!(error.kind(), ErrorKind::Rejected, "{error:?}");
        assert_eq!(error.outcome(), Outcome::NotApplied, "{error:?}");
    }
    assert_eq!(cache.get("counter").await.unwrap(), Some(10_i64));
}

#[tokio::test]
async fn a_wrong_password_is_tried_less_than_twice_a_second_however_many_ask() {
    let server = RedisServer::builder().password("right").tcp().start();
    let cache = cache(&server.url().replace("right", "wrong"));
    let began = std::time::Instant::now();
    let before = connections_so_far(&server);
    while began.elapsed() < Duration::from_secs(3) {
        let error = cache.get::<i64>("key").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Authentication, "{error:?}");
    }
    let attempts = connections_so_far(&server) - before - 1;
    let most = 1 + (began.elapsed().as_secs_f64() * 2.0) as u64;
    assert!((1..=most).contains(&attempts), "{attempts} attempts");
    assert!(
        !server
            .ask(&["CONFIG", "SET", "requirepass", "wrong"])
            .is_error()
    );
    served(&cache).await;
}

/// As a Kubernetes Service or a virtual address does after a failover: new connections lead to the new
/// master, and those that are open stay with the old one, which is a replica now.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_moved_to_another_master_is_followed() {
    let (old, new) = (RedisServer::builder().tcp(), RedisServer::builder().tcp());
    let (old, new) = (old.start(), new.start());
    let proxy = FaultProxy::start(old.port().unwrap());
    let cache = cache(&proxy.url());
    cache.set("key", "value").await.unwrap();
    let port = new.port().unwrap().to_string();
    assert!(!old.ask(&["REPLICAOF", "127.0.0.1", &port]).is_error());
    // Nothing leads to the new master yet: reads go on, and the health says what is wrong.
    let error = cache.set("key", "value").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotWritable);
    // A replica that has just begun answers that it is loading, for a moment.
    while cache.get::<String>("key").await.is_err() {}
    let health = cache.health_check().await;
    assert_eq!(health.error.unwrap().kind(), ErrorKind::NotWritable);

    proxy.set_target(new.port().unwrap());
    served(&cache).await;
    assert_eq!(cache.get("served").await.unwrap(), Some("again".to_owned()));
    assert!(cache.health_check().await.is_healthy());
    settles_at(&old, 0).await;
}
