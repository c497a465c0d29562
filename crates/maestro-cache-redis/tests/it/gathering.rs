//! Concurrent reads go out together, and each caller sees only its own.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use maestro_cache_core::{Cache, ErrorKind};
use maestro_cache_testkit::RedisServer;

use crate::errors::{cache, cache_within};
use crate::fakes::slowly;
use crate::servers::ask;

/// How often the server ran a command.
pub(crate) fn calls(server: &RedisServer, command: &str) -> u64 {
    let stats = ask(server, &["INFO", "commandstats"]);
    let line = format!("cmdstat_{command}:calls=");
    stats
        .lines()
        .find_map(|found| found.strip_prefix(&line)?.split(',').next()?.parse().ok())
        .unwrap_or(0)
}

/// How many keys were looked for and not found.
fn missed(server: &RedisServer) -> u64 {
    let stats = ask(server, &["INFO", "stats"]);
    let mut lines = stats.lines();
    let count = lines.find_map(|line| line.strip_prefix("keyspace_misses:")?.trim().parse().ok());
    count.expect("the server counts them")
}

async fn with_numbers(cache: &Cache, count: i64) {
    let numbers = (0..count).map(|number| (number.to_string(), number));
    cache.set_many(numbers).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_reads_at_once_are_few_requests_and_each_gets_its_own_value() {
    let server = RedisServer::builder().tcp().start();
    let cache = cache(&server.url());
    with_numbers(&cache, 300).await;
    let read_all = async |numbers: std::ops::Range<i64>| {
        for _ in 0..20 {
            let reads = numbers.clone().map(|number| {
                let cache = &cache;
                async move { (number, cache.get::<i64>(&number.to_string()).await.unwrap()) }
            });
            for (number, value) in join_all(reads).await {
                assert_eq!(value, (number < 300).then_some(number));
            }
        }
    };
    read_all(0..300).await;
    let (alone, together) = (calls(&server, "get"), calls(&server, "mget"));
    assert!(alone < 600, "{alone} GET for 6 000 reads");
    assert!((1..750).contains(&together), "{together} MGET");

    // What is missing has to be asked for alone. Once many keys are, they are not asked for together first.
    read_all(300..600).await;
    let missed = missed(&server);
    assert!(
        missed < 7_500,
        "{missed} keys were not found in 6 000 reads"
    );
}

#[tokio::test]
async fn few_reads_at_once_go_out_on_their_own() {
    let server = RedisServer::builder().tcp().start();
    let cache = cache(&server.url());
    with_numbers(&cache, 10).await;
    for _ in 0..50 {
        let reads = (0..4_i64).map(|number| cache.get_owned(number));
        join_all(reads).await;
    }
    assert_eq!(calls(&server, "get"), 200);
    assert_eq!(calls(&server, "mget"), 0);
}

trait GetOwned {
    async fn get_owned(&self, number: i64);
}

impl GetOwned for Cache {
    async fn get_owned(&self, number: i64) {
        let value = self.get::<i64>(&number.to_string()).await.unwrap();
        assert_eq!(value, Some(number));
    }
}

#[tokio::test]
async fn what_is_wrong_with_one_key_is_wrong_for_its_caller_alone() {
    let server = RedisServer::builder().tcp().start();
    let rules = [
        "ACL", "SETUSER", "u", "on", ">p", "~[0-9]*", "~list", "+@all",
    ];
    assert!(!server.ask(&rules).is_error());
    let cache = cache(&server.url().replace("redis://", "redis://u:p@"));
    with_numbers(&cache, 100).await;
    ask(&server, &["LPUSH", "list", "element"]);
    for other in ["list", "forbidden"] {
        let kind = match other {
            "list" => ErrorKind::WrongType,
            _ => ErrorKind::PermissionDenied,
        };
        let reads = (0..200_i64).map(|number| {
            let cache = &cache;
            async move {
                let key = match number % 2 {
                    0 => (number / 2).to_string(),
                    _ => other.to_owned(),
                };
                (number, cache.get::<i64>(&key).await)
            }
        });
        for (number, value) in join_all(reads).await {
            match number % 2 {
                0 => assert_eq!(value.unwrap(), Some(number / 2)),
                _ => assert_eq!(value.unwrap_err().kind(), kind),
            }
        }
    }
    assert!(calls(&server, "mget") > 0);
}

#[tokio::test]
async fn each_call_of_a_batch_has_its_own_deadline() {
    let server = RedisServer::builder().tcp().start();
    with_numbers(&cache(&server.url()), 100).await;
    let url = slowly(server.port().unwrap(), |_| Some(Duration::from_millis(200))).await;
    let patient = cache(&url);
    let hasty = patient.with_timeout(Duration::from_millis(40));
    let reads = (0..100_i64).map(|number| {
        let cache = if number % 2 == 0 { &patient } else { &hasty };
        async move { (number, cache.get::<i64>(&number.to_string()).await) }
    });
    for (number, value) in join_all(reads).await {
        match number % 2 {
            0 => assert_eq!(value.unwrap(), Some(number)),
            _ => assert_eq!(value.unwrap_err().kind(), ErrorKind::Timeout),
        }
    }
}

#[tokio::test]
async fn callers_who_leave_disturb_no_others() {
    let server = RedisServer::builder().tcp().start();
    let cache = cache(&server.url());
    with_numbers(&cache, 100).await;
    for _ in 0..50 {
        let mut stay = Vec::new();
        let mut leave = Vec::new();
        for number in 0..100_i64 {
            let mut read = cache.get_owned(number).boxed_local();
            assert!((&mut read).now_or_never().is_none());
            if number % 3 == 0 {
                &mut stay
            } else {
                &mut leave
            }
            .push(read);
        }
        drop(leave);
        join_all(stay).await;
    }
}

#[tokio::test]
async fn reads_are_asked_again_when_the_connection_of_their_batch_breaks() {
    let server = RedisServer::builder().tcp().start();
    let cache = cache(&format!("{}?connections=1", server.url()));
    with_numbers(&cache, 100).await;
    for _ in 0..10 {
        // The connection may have been cut while nothing was under way; the next one is not to be cut
        // while it is made.
        cache.get_owned(0).await;
        let reads = join_all((0..100_i64).map(|number| cache.get_owned(number)));
        let kill = async {
            tokio::task::yield_now().await;
            let _ = server.command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
        };
        tokio::join!(reads, kill);
    }
}

#[tokio::test]
async fn keys_with_large_values_go_out_on_their_own_once_they_are_known() {
    let server = RedisServer::builder().tcp().start();
    let cache = cache(&server.url());
    let large = vec![7; 100_000];
    for number in 0..20 {
        let key = number.to_string();
        cache.set_bytes(&key, large.clone()).await.unwrap();
        cache.get_bytes(&key).await.unwrap();
    }
    let before = calls(&server, "get");
    for _ in 0..10 {
        let keys: Vec<_> = (0..20).map(|number| number.to_string()).collect();
        let reads = keys.iter().map(|key| cache.get_bytes(key));
        for value in join_all(reads).await {
            assert_eq!(value.unwrap().unwrap().len(), large.len());
        }
    }
    assert_eq!(calls(&server, "get") - before, 200);
    assert_eq!(calls(&server, "mget"), 0);
}

#[tokio::test]
async fn small_answers_do_not_wait_behind_a_large_value_that_is_known() {
    let server = RedisServer::builder().tcp().start();
    let cache = cache(&server.url());
    cache.set_bytes("large", vec![7; 100_000]).await.unwrap();
    let last = |command: &str| {
        let clients = ask(&server, &["CLIENT", "LIST"]);
        clients.matches(&format!(" cmd={command} ")).count()
    };
    // The second connection is there a moment after the first.
    let apart = async {
        while (last("get"), last("getrange")) != (1, 1) {
            cache.get_bytes("large").await.unwrap();
            assert!(cache.exists("large").await.unwrap());
        }
    };
    let apart = tokio::time::timeout(Duration::from_secs(30), apart);
    apart.await.expect("each goes over a connection of its own");
}

#[test]
fn after_a_runtime_that_ended_reads_are_gathered_on_the_next_one() {
    let server = RedisServer::builder().tcp().start();
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let other = runtime();
    let cache = cache_within(&server.url(), Duration::from_secs(30));
    other.block_on(with_numbers(&cache, 100));
    for _ in 0..10 {
        let first = runtime();
        // They have begun, and some wait for a batch that this runtime will not run any more.
        let mut reads: Vec<_> = (0..100_i64)
            .map(|number| cache.get_owned(number).boxed_local())
            .collect();
        {
            let _inside = first.enter();
            for read in &mut reads {
                let _ = read.now_or_never();
            }
        }
        drop(first);
        drop(reads);
        let before = calls(&server, "mget");
        other.block_on(async {
            join_all((0..100_i64).map(|number| cache.get_owned(number))).await;
        });
        assert!(calls(&server, "mget") > before, "reads are gathered again");
    }
}

/// Sixty-four callers, each with a counter of its own and all with one, beside one that holds a word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn increments_at_once_are_few_calls_and_each_caller_gets_its_own_sum() {
    const CALLERS: i64 = 64;
    const ROUNDS: i64 = 50;
    const HOUR: Duration = Duration::from_secs(3600);
    let server = RedisServer::builder().tcp().start();
    let cache = cache(&server.url());
    cache.set("word", &"word").await.unwrap();
    let callers = (1..=CALLERS).map(|caller| {
        let cache = cache.clone();
        tokio::spawn(async move {
            let own = format!("own:{caller}");
            let mut seen = Vec::new();
            for round in 1..=ROUNDS {
                let own = cache.increment(&own, caller);
                let all = cache.increment("all", 1);
                let word = cache.increment("word", 1);
                let (own, all, word) = tokio::join!(own.ttl(HOUR), all.ttl(HOUR), word.ttl(HOUR),);
                assert_eq!(own.unwrap(), caller * round);
                assert_eq!(word.unwrap_err().kind(), ErrorKind::NotAnInteger);
                seen.push(all.unwrap());
            }
            seen
        })
    });
    let seen = join_all(callers.collect::<Vec<_>>()).await;
    let mut seen: Vec<i64> = seen.into_iter().flat_map(Result::unwrap).collect();
    seen.sort_unstable();
    assert_eq!(seen, (1..=CALLERS * ROUNDS).collect::<Vec<_>>());
    let increments = calls(&server, "incrby");
    let scripts = calls(&server, "evalsha");
    assert!(scripts * 2 < increments, "{scripts} calls for {increments}");
}
