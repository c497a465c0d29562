//! Servers that are down, frozen or gone in the middle.

use std::time::{Duration, Instant};

use maestro_cache_core::{ErrorKind, Outcome, Ttl};
use maestro_cache_testkit::RedisServer;

use crate::errors::{cache, cache_within};
use crate::fakes::{Act, fake};
use crate::servers::served;
use crate::urls::shown;

#[tokio::test]
async fn a_server_that_is_down_is_unavailable_and_nothing_was_applied() {
    let server = RedisServer::builder().tcp().start();
    server.stop();
    let cache = cache(&server.url());
    for error in [
        cache.set("key", "value").await.unwrap_err(),
        cache.get::<String>("key").await.map(drop).unwrap_err(),
        cache.increment("key", 1).await.map(drop).unwrap_err(),
        cache.clear("*").await.map(drop).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
        assert_eq!(error.outcome(), Outcome::NotApplied, "{error:?}");
    }
    assert!(!cache.health_check().await.is_healthy());

    server.restart();
    served(&cache).await;
    assert!(cache.health_check().await.is_healthy());
}

#[tokio::test]
async fn a_restart_while_nothing_is_under_way_costs_no_call() {
    let server = RedisServer::builder().tcp().start();
    let cache = cache(&format!("{}?connections=1", server.url()));
    for round in 0..5_i64 {
        cache.increment("warm", 1).await.unwrap();
        server.restart();
        // The link is closed, and this is time for the driver's task to see it.
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
        cache.set("round", &round).await.unwrap();
        assert_eq!(cache.get("round").await.unwrap(), Some(round));
    }
}

#[tokio::test]
async fn a_frozen_server_is_a_timeout_whose_outcome_is_unknown() {
    let server = RedisServer::builder().tcp().start();
    let patient = cache(&server.url());
    let hasty = patient.with_timeout(Duration::from_millis(50));
    patient.set("key", "old").await.unwrap();
    patient.set("key", "old").await.unwrap();

    server.pause();
    let began = Instant::now();
    let error = hasty.set("key", "new").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    assert_eq!(error.outcome(), Outcome::Unknown, "{error:?}");
    let error = hasty.get::<String>("key").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    assert_eq!(error.outcome(), Outcome::NotApplied, "{error:?}");
    let health = hasty.health_check().await;
    assert_eq!(health.error.unwrap().kind(), ErrorKind::Timeout);
    // Far above what three times the deadline is, and far below what hanging would be.
    assert!(began.elapsed() < Duration::from_secs(20));

    server.resume();
    served(&patient).await;
    assert!(patient.get::<String>("key").await.unwrap().is_some());
    patient.set("key", "newer").await.unwrap();
    assert_eq!(patient.get("key").await.unwrap(), Some("newer".to_owned()));
}

#[tokio::test]
async fn what_got_no_connection_in_time_was_not_applied() {
    // It takes connections, as the system does for it, and never answers the greeting.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", silent.local_addr().unwrap());
    let cache = cache_within(&url, Duration::from_millis(50));
    let (first, second) = tokio::join!(cache.set("key", "value"), cache.set("key", "value"));
    for error in [first.unwrap_err(), second.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
        assert_eq!(error.outcome(), Outcome::NotApplied, "{error:?}");
    }
}

#[tokio::test]
async fn without_time_nothing_is_sent() {
    let server = RedisServer::start();
    let cache = cache(&server.url());
    cache.set("key", "old").await.unwrap();
    let error = cache
        .with_timeout(Duration::ZERO)
        .set("key", "new")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    assert_eq!(error.outcome(), Outcome::NotApplied, "{error:?}");
    assert_eq!(cache.get("key").await.unwrap(), Some("old".to_owned()));
}

#[tokio::test]
async fn a_longer_deadline_than_any_clock_has_is_none() {
    let cache = cache_within(&RedisServer::shared().url(), Duration::MAX);
    assert_eq!(cache.get::<i64>("no such key").await.unwrap(), None);
}

#[tokio::test]
async fn a_write_whose_connection_breaks_is_unknown_and_never_sent_again() {
    let (url, told) = fake(|connection, _| match connection {
        0 => Act::HangUp,
        _ => Act::Say(":2\r\n"),
    })
    .await;
    let cache = cache(&url);
    let error = cache.increment("key", 1).ttl(Ttl::Never).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert_eq!(error.outcome(), Outcome::Unknown, "{error:?}");
    let told = told.all();
    assert_eq!(told.len(), 1, "{told:?}");
}

#[tokio::test]
async fn a_read_whose_connection_breaks_is_asked_again_once() {
    let (url, told) = fake(|connection, _| match connection {
        0 => Act::HangUp,
        _ => Act::Say("$1\r\n7\r\n"),
    })
    .await;
    assert_eq!(cache(&url).get("key").await.unwrap(), Some(7_i64));
    assert_eq!(told.all().len(), 2);

    let (url, told) = fake(|_, _| Act::HangUp).await;
    let error = cache(&url).get::<i64>("key").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error:?}");
    assert_eq!(error.outcome(), Outcome::NotApplied, "{error:?}");
    assert_eq!(told.all().len(), 2);
}

#[tokio::test]
async fn a_half_open_link_is_left_for_a_new_one() {
    let (url, _told) = fake(|connection, _| match connection {
        0 => Act::Swallow,
        _ => Act::Say("$1\r\n7\r\n"),
    })
    .await;
    let cache = cache(&url);
    let hasty = cache.with_timeout(Duration::from_millis(40));
    for _ in 0..3 {
        let error = hasty.get::<i64>("key").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    }
    // It does not even notice: once another connection was made, what waits for an answer of the old
    // one is asked again.
    assert_eq!(cache.get("key").await.unwrap(), Some(7_i64));
}

#[tokio::test]
async fn a_clear_that_is_refused_after_a_part_is_unknown_and_before_it_is_not() {
    const FOUND_ONE: &str = "*2\r\n$1\r\n5\r\n*1\r\n$3\r\nkey\r\n";
    let (url, _told) = fake(|_, request| match request {
        0 => Act::Say(FOUND_ONE),
        _ => Act::Say(":1\r\n-NOPERM no\r\n"),
    })
    .await;
    let error = cache(&url).clear("k*").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{error:?}");
    assert_eq!(error.outcome(), Outcome::Unknown, "{error:?}");

    let (url, _told) = fake(|_, request| match request {
        0 => Act::Say(FOUND_ONE),
        _ => Act::Say("-NOPERM no\r\n-NOPERM no\r\n"),
    })
    .await;
    let error = cache(&url).clear("k*").await.unwrap_err();
    assert_eq!(error.outcome(), Outcome::NotApplied, "{error:?}");
}

#[tokio::test]
async fn an_answer_that_is_none_of_redis_is_an_error_that_shows_nothing_of_it() {
    const ANSWERS: [fn(usize, usize) -> Act; 4] = [
        |_, _| Act::Say("canary\r\n"),
        |_, _| Act::Say("$6\r\ncanary\r\n"),
        |_, _| Act::Say("+canary\r\n"),
        |_, _| Act::Say("-canary canary\r\n"),
    ];
    for answer in ANSWERS {
        let (url, _told) = fake(answer).await;
        let error = cache(&url).increment("key", 1).await.unwrap_err();
        assert!(!shown(&error).contains("canary"), "{error:?}");
    }
}
