//! Claims and stale values on real servers: all of it stands in the key, where others write too.

use std::collections::HashSet;
use std::num::NonZeroU64;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::join_all;
use maestro_cache_core::{
    Bytes, CacheBackend, CallContext, Claim, ClaimOver, ClaimRequest, ErrorKind, Expiry, Held,
    Keeping, LoadToken, LookFor, Lookup, Outcome, Pattern, Publication, SetWhen, TimeToLive,
};
use maestro_cache_redis::RedisCache;
use maestro_cache_testkit::{RedisCluster, RedisServer};
use tokio::time::sleep;

use crate::errors::cache_within;
use crate::gathering::calls;

const HOUR: Expiry = Expiry::AfterMillis(NonZeroU64::new(3_600_000).unwrap());

fn context() -> CallContext {
    CallContext::new(Duration::from_secs(30))
}

/// A server and a cache on it, whose keys are claimed, loaded and left to become stale.
struct Bench<'a> {
    servers: Vec<&'a RedisServer>,
    cache: RedisCache,
}

impl<'a> Bench<'a> {
    fn on(server: &'a RedisServer) -> Self {
        Self {
            servers: vec![server],
            cache: RedisCache::new(&server.url()).unwrap(),
        }
    }

    fn on_cluster(cluster: &'a RedisCluster) -> Self {
        let nodes = cluster.nodes().into_iter();
        Self {
            servers: nodes.map(|node| cluster.server(node)).collect(),
            cache: RedisCache::new(&cluster.url()).unwrap(),
        }
    }

    async fn claim(&self, key: &str, token: LoadToken, over: ClaimOver) -> Claim {
        self.cache.claim(context(), key, token, over).await.unwrap()
    }

    /// A claim that has to be granted.
    async fn claimed(&self, key: &str) -> LoadToken {
        let token = LoadToken::new();
        let claim = self.claim(key, token, ClaimOver::Gap).await;
        assert!(matches!(claim, Claim::Granted), "{key}: {claim:?}");
        token
    }

    async fn publish(&self, key: &str, token: LoadToken, value: &str, keeping: Keeping) -> bool {
        let value = Bytes::from(value.to_owned());
        let publish = self.cache.publish(context(), key, token, value, keeping);
        publish.await.unwrap()
    }

    async fn renew(&self, key: &str, token: LoadToken) -> bool {
        self.cache.renew(context(), key, token).await.unwrap()
    }

    async fn release(&self, key: &str, token: LoadToken, back_off: u64) -> bool {
        let back_off = NonZeroU64::new(back_off);
        let release = self.cache.release(context(), key, token, back_off);
        release.await.unwrap()
    }

    /// A value that is live for an hour and stale for another one.
    async fn loaded(&self, key: &str, value: &str) {
        let token = self.claimed(key).await;
        assert!(self.publish(key, token, value, keeping()).await);
    }

    /// One of those, half an hour after its expiry.
    async fn stale(&self, key: &str, value: &str) {
        self.loaded(key, value).await;
        for server in &self.servers {
            let _ = server.command(&["PEXPIRE", key, "1800000"]);
        }
    }

    async fn look_up(&self, key: &str) -> Lookup {
        let look_up = self.cache.look_up(context(), key, LookFor::FreshOrStale);
        look_up.await.unwrap()
    }

    async fn look_up_fresh(&self, key: &str) -> Lookup {
        let look_up = self.cache.look_up(context(), key, LookFor::Fresh);
        look_up.await.unwrap()
    }

    async fn set(&self, key: &str, value: &str) {
        let value = Bytes::from(value.to_owned());
        let set = self.cache.set(context(), key, value, HOUR, SetWhen::Always);
        assert!(set.await.unwrap());
    }

    async fn get(&self, key: &str) -> Option<String> {
        let value = self.cache.get(context(), key).await.unwrap();
        value.map(|value| text(value.bytes()))
    }

    async fn ttl(&self, key: &str) -> TimeToLive {
        self.cache.ttl(context(), key).await.unwrap()
    }

    async fn increment(&self, key: &str, by: i64, expiry: Expiry) -> Result<i64, ErrorKind> {
        let increment = self.cache.increment(context(), key, by, expiry);
        increment.await.map_err(|error| error.kind())
    }
}

fn keeping() -> Keeping {
    Keeping {
        expiry: HOUR,
        stale_millis: NonZeroU64::new(3_600_000),
        cost: None,
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// What the key holds, for somebody who knows nothing of marks.
fn raw(server: &RedisServer, key: &str) -> String {
    server.ask(&["GET", key]).text().to_owned()
}

fn pttl(server: &RedisServer, key: &str) -> i64 {
    server.ask(&["PTTL", key]).number()
}

fn without_white_space(json: &str) -> &str {
    json.trim_matches([' ', '\t', '\n', '\r'])
}

/// Ends the time of a claim over a value, as if it had passed.
fn end_time_of_holder(server: &RedisServer, key: &str) {
    let at = raw(server, key).len() - 128 + 41;
    let set = ["SETRANGE", key, &at.to_string(), &" ".repeat(24)];
    assert!(!server.ask(&set).is_error());
}

fn is_stale(lookup: &Lookup, expected: &str, expected_held: Option<Held>) -> bool {
    matches!(lookup, Lookup::Stale { value, held, .. }
        if value.bytes() == expected && *held == expected_held)
}

fn is_missing(lookup: &Lookup, expected: Option<Held>) -> bool {
    matches!(lookup, Lookup::Missing { held } if *held == expected)
}

fn is_fresh(lookup: &Lookup, expected: &str) -> bool {
    matches!(lookup, Lookup::Fresh { value, .. } if value.bytes() == expected)
}

#[tokio::test]
async fn a_claim_is_null_for_those_who_read_json_and_a_loaded_value_is_the_value() {
    let server = RedisServer::start();
    let bench = Bench::on(&server);
    let token = bench.claimed("key").await;
    assert_eq!(without_white_space(&raw(&server, "key")), "null");
    assert!((1..=3000).contains(&pttl(&server, "key")));
    let json = r#"{"a": [1, "b "]}"#;
    assert!(bench.publish("key", token, json, keeping()).await);
    let stored = raw(&server, "key");
    assert_eq!(stored.len(), json.len() + 128);
    assert_eq!(without_white_space(&stored), json);
    let left = pttl(&server, "key");
    assert!((7_190_000..=7_200_000).contains(&left), "{left}");
    assert_eq!(bench.get("key").await.unwrap(), json);
}

#[tokio::test]
async fn a_plain_value_is_stored_without_a_mark() {
    let server = RedisServer::start();
    let bench = Bench::on(&server);
    let token = bench.claimed("key").await;
    assert!(bench.publish("key", token, "5", Keeping::plain(HOUR)).await);
    assert_eq!(raw(&server, "key"), "5");
    assert!((3_590_000..=3_600_000).contains(&pttl(&server, "key")));
    let token = bench.claimed("for good").await;
    let keeping = Keeping::plain(Expiry::Never);
    assert!(bench.publish("for good", token, "5", keeping).await);
    assert_eq!(pttl(&server, "for good"), -1);
}

/// Whatever others write ends a claim, also if it is what was there before.
#[tokio::test]
async fn every_write_of_others_ends_a_claim() {
    let server = RedisServer::start();
    let bench = Bench::on(&server);
    let writes: &[&[&str]] = &[
        &["SET", "key", "old"],
        &["SET", "key", "new", "PX", "50000"],
        &["SET", "key", "old", "KEEPTTL"],
        &["SETEX", "key", "50", "old"],
        &["GETSET", "key", "old"],
        &["MSET", "key", "old"],
        &["DEL", "key"],
        &["UNLINK", "key"],
        &["GETDEL", "key"],
        &["FLUSHDB"],
        &["FLUSHALL", "SYNC"],
        &["RENAME", "key", "elsewhere"],
        &["APPEND", "key", "more"],
        &["SETRANGE", "key", "0", "other"],
        &["PEXPIRE", "key", "0"],
    ];
    for over_stale in [false, true] {
        for write in writes {
            if over_stale {
                bench.stale("key", "old").await;
            }
            let token = bench.claimed("key").await;
            assert!(bench.renew("key", token).await);
            assert!(!server.ask(write).is_error(), "{write:?}");
            let before = server.ask(&["GET", "key"]);
            assert!(!bench.renew("key", token).await, "{write:?}");
            assert!(!bench.release("key", token, 0).await, "{write:?}");
            assert!(!bench.release("key", token, 1000).await, "{write:?}");
            let published = bench.publish("key", token, "loaded", keeping()).await;
            assert!(!published, "{write:?}");
            assert_eq!(
                format!("{before:?}"),
                format!("{:?}", server.ask(&["GET", "key"])),
                "{write:?}: nothing changed"
            );
            let _ = server.ask(&["FLUSHALL"]);
        }
    }
}

/// Whatever comes first, what was loaded before a write is not what is there after it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_never_overtakes_a_write() {
    let server = RedisServer::start();
    let (loads, writes) = (Bench::on(&server), Bench::on(&server));
    let mut published = 0;
    for round in 0..300 {
        match round % 3 {
            0 => {}
            1 => loads.loaded("key", "live").await,
            _ => loads.stale("key", "stale").await,
        }
        let token = LoadToken::new();
        let claim = loads.claim("key", token, ClaimOver::Live).await;
        assert!(matches!(claim, Claim::Granted), "{claim:?}");
        let publish = loads.publish("key", token, "old", keeping());
        if round % 2 == 0 {
            let ((), was_published) = tokio::join!(writes.set("key", "new"), publish);
            published += u32::from(was_published);
            assert_eq!(writes.get("key").await.unwrap(), "new");
        } else {
            let delete = writes.cache.delete(context(), &["key"]);
            let (deleted, was_published) = tokio::join!(delete, publish);
            published += u32::from(was_published);
            deleted.unwrap();
            assert_eq!(writes.get("key").await, None);
            assert!(is_missing(&writes.look_up("key").await, None));
        }
        let _ = server.ask(&["DEL", "key"]);
    }
    assert!(published < 300, "the write was never first");
}

#[tokio::test]
async fn a_claim_whose_life_is_not_its_own_is_nobodys() {
    let server = RedisServer::start();
    let bench = Bench::on(&server);
    for meddling in [
        &["PERSIST", "key"][..],
        &["EXPIRE", "key", "3600"],
        &["PEXPIRE", "key", "3100"],
    ] {
        let token = bench.claimed("key").await;
        assert!(!server.ask(meddling).is_error());
        assert_eq!(bench.get("key").await, None);
        assert!(!bench.cache.exists(context(), "key").await.unwrap());
        assert_eq!(bench.ttl("key").await, TimeToLive::Missing);
        assert!(is_missing(&bench.look_up("key").await, None));
        assert!(is_missing(&bench.look_up_fresh("key").await, None));
        assert!(!bench.renew("key", token).await);
        assert!(!bench.publish("key", token, "5", keeping()).await);
        assert!(!bench.release("key", token, 0).await);
        bench.claimed("key").await;
        assert!((1..=3000).contains(&pttl(&server, "key")));
        let _ = server.ask(&["DEL", "key"]);
    }
}

#[tokio::test]
async fn a_claim_that_is_renewed_holds_and_one_that_is_not_is_lost() {
    let server = RedisServer::start();
    let bench = Bench::on(&server);
    let life = bench.cache.claim_life().unwrap();
    assert_eq!(life, Duration::from_secs(3));
    for key in ["stale kept", "stale lost"] {
        bench.stale(key, "old").await;
    }
    let kept = bench.claimed("kept").await;
    let lost = bench.claimed("lost").await;
    let stale_kept = bench.claimed("stale kept").await;
    let stale_lost = bench.claimed("stale lost").await;
    for _ in 0..4 {
        sleep(life / 3).await;
        assert!(bench.renew("kept", kept).await);
        assert!(bench.renew("stale kept", stale_kept).await);
    }
    for (key, token) in [("lost", lost), ("stale lost", stale_lost)] {
        assert!(!bench.renew(key, token).await, "{key}");
        assert!(!bench.release(key, token, 0).await, "{key}");
        assert!(!bench.publish(key, token, "late", keeping()).await, "{key}");
    }
    assert!(is_missing(&bench.look_up("lost").await, None));
    assert!(is_stale(&bench.look_up("stale lost").await, "old", None));
    for (key, token) in [("kept", kept), ("stale kept", stale_kept)] {
        let claim = bench.claim(key, LoadToken::new(), ClaimOver::Gap).await;
        assert!(matches!(claim, Claim::Refused(_)), "{key}: {claim:?}");
        assert!(bench.publish(key, token, "new", keeping()).await, "{key}");
        assert_eq!(bench.get(key).await.unwrap(), "new");
    }
}

#[tokio::test]
async fn a_claim_is_taken_over_when_its_time_is_over() {
    let server = RedisServer::start();
    let bench = Bench::on(&server);
    let first = bench.claimed("key").await;
    let _ = server.ask(&["PEXPIRE", "key", "1"]);
    while server.ask(&["EXISTS", "key"]).number() == 1 {
        sleep(Duration::from_millis(1)).await;
    }
    let second = bench.claimed("key").await;
    assert!(!bench.publish("key", first, "first", keeping()).await);
    assert!(bench.publish("key", second, "second", keeping()).await);

    bench.stale("stale", "old").await;
    let first = bench.claimed("stale").await;
    let held = Some(Held::Loading(first));
    assert!(is_stale(&bench.look_up("stale").await, "old", held));
    end_time_of_holder(&server, "stale");
    assert!(is_stale(&bench.look_up("stale").await, "old", None));
    assert!(!bench.renew("stale", first).await);
    let second = bench.claimed("stale").await;
    assert!(!bench.publish("stale", first, "first", keeping()).await);
    assert!(!bench.release("stale", first, 0).await);
    assert!(bench.publish("stale", second, "second", keeping()).await);
    assert_eq!(bench.get("stale").await.unwrap(), "second");
}

#[tokio::test]
async fn a_claim_over_a_value_leaves_it_and_its_expiry_as_they_are() {
    let server = RedisServer::start();
    let bench = Bench::on(&server);
    let value = "x".repeat(100_000);
    bench.stale("key", &value).await;
    let before = (raw(&server, "key"), pttl(&server, "key"));
    let token = bench.claimed("key").await;
    assert!(bench.renew("key", token).await);
    let claimed = raw(&server, "key");
    assert_eq!(claimed.len(), before.0.len());
    assert_ne!(claimed, before.0);
    assert!(bench.release("key", token, 0).await);
    assert_eq!(raw(&server, "key"), before.0);
    let left = pttl(&server, "key");
    assert!((before.1 - 10_000..=before.1).contains(&left), "{left}");
    assert!(is_stale(&bench.look_up("key").await, &value, None));
}

#[tokio::test]
async fn who_holds_a_key_may_claim_it_again_and_nobody_else() {
    let server = RedisServer::start();
    let bench = Bench::on(&server);
    bench.stale("stale", "old").await;
    for key in ["missing", "stale"] {
        let token = bench.claimed(key).await;
        let again = bench.claim(key, token, ClaimOver::Gap).await;
        assert!(matches!(again, Claim::Granted), "{again:?}");
        let other = bench.claim(key, LoadToken::new(), ClaimOver::Live).await;
        let Claim::Refused(found) = other else {
            panic!("{other:?}");
        };
        let held = Some(Held::Loading(token));
        assert!(
            is_missing(&found, held) || is_stale(&found, "old", held),
            "{found:?}"
        );
        assert!(bench.renew(key, token).await);
    }
}

#[tokio::test]
async fn a_back_off_ends_by_itself_and_with_every_write() {
    let server = RedisServer::start();
    let bench = Bench::on(&server);
    bench.stale("key", "old").await;
    let token = bench.claimed("key").await;
    assert!(bench.release("key", token, 60_000).await);
    let backing_off = Some(Held::BackingOff);
    assert!(is_stale(&bench.look_up("key").await, "old", backing_off));
    assert!(is_missing(&bench.look_up_fresh("key").await, backing_off));
    for over in [ClaimOver::Gap, ClaimOver::Live] {
        let claim = bench.claim("key", token, over).await;
        assert!(
            matches!(&claim, Claim::Refused(found) if is_stale(found, "old", backing_off)),
            "{claim:?}"
        );
    }
    assert!(!bench.renew("key", token).await);

    bench.stale("short", "old").await;
    let token = bench.claimed("short").await;
    assert!(bench.release("short", token, 20).await);
    while !is_stale(&bench.look_up("short").await, "old", None) {
        sleep(Duration::from_millis(1)).await;
    }
    bench.claimed("short").await;

    let _ = server.ask(&["DEL", "key"]);
    bench.stale("key", "old").await;
    let token = bench.claimed("key").await;
    assert!(bench.release("key", token, u64::MAX).await);
    assert!(is_stale(&bench.look_up("key").await, "old", backing_off));
    bench.set("key", "new").await;
    let found = bench.look_up("key").await;
    assert!(is_fresh(&found, "new"), "{found:?}");
    // Where there is nothing to be served, nobody is kept from it.
    let token = bench.claimed("missing").await;
    assert!(bench.release("missing", token, 60_000).await);
    assert_eq!(server.ask(&["EXISTS", "missing"]).number(), 0);
}

#[tokio::test]
async fn a_live_value_is_claimed_where_a_load_stored_it_and_by_one() {
    let server = RedisServer::start();
    let bench = Bench::on(&server);
    bench.set("plain", "5").await;
    let claim = bench
        .claim("plain", LoadToken::new(), ClaimOver::Live)
        .await;
    assert!(matches!(&claim, Claim::Refused(found) if is_fresh(found, "5")));
    for expiry in [HOUR, Expiry::Never] {
        let cost = Duration::from_millis(70);
        let keeping = Keeping {
            expiry,
            stale_millis: None,
            cost: Some(cost),
        };
        let token = bench.claimed("key").await;
        assert!(bench.publish("key", token, "5", keeping).await);
        let claim = bench.claim("key", token, ClaimOver::Gap).await;
        assert!(matches!(&claim, Claim::Refused(found) if is_fresh(found, "5")));
        match bench.look_up("key").await {
            Lookup::Fresh { age: Some(age), .. } => {
                assert_eq!(age.cost, cost);
                assert!(age.left > Duration::from_secs(3590), "{age:?}");
            }
            other => panic!("{other:?}"),
        }
        let fresh = bench.look_up_fresh("key").await;
        assert!(
            matches!(fresh, Lookup::Fresh { age: None, .. }),
            "{fresh:?}"
        );
        let token = LoadToken::new();
        let claim = bench.claim("key", token, ClaimOver::Live).await;
        assert!(matches!(claim, Claim::Granted), "{claim:?}");
        let other = bench.claim("key", LoadToken::new(), ClaimOver::Live).await;
        assert!(matches!(&other, Claim::Refused(found) if is_fresh(found, "5")));
        assert_eq!(bench.get("key").await.unwrap(), "5");
        assert!(bench.publish("key", token, "6", keeping).await);
        assert_eq!(bench.get("key").await.unwrap(), "6");
        let _ = server.ask(&["DEL", "key"]);
    }
}

#[tokio::test]
async fn what_cannot_be_read_gives_way_to_a_claim_if_it_is_still_there() {
    let server = RedisServer::start();
    let bench = Bench::on(&server);
    bench.set("plain", "odd").await;
    bench.loaded("loaded", "odd").await;
    for key in ["plain", "loaded"] {
        let token = LoadToken::new();
        for other in ["od", "odd ", "", "null"] {
            let claim = bench.claim(key, token, ClaimOver::Unreadable(other.into()));
            let claim = claim.await;
            assert!(matches!(&claim, Claim::Refused(found) if is_fresh(found, "odd")));
        }
        let over = ClaimOver::Unreadable("odd".into());
        let claim = bench.claim(key, token, over.clone()).await;
        assert!(matches!(claim, Claim::Granted), "{key}: {claim:?}");
        assert_eq!(without_white_space(&raw(&server, key)), "null");
        let other = bench.claim(key, LoadToken::new(), over).await;
        let held = Some(Held::Loading(token));
        assert!(matches!(&other, Claim::Refused(found) if is_missing(found, held)));
        assert!(bench.publish(key, token, "good", keeping()).await);
    }
    // A stale one stays: the claim is over what there is to be served.
    bench.stale("stale", "odd").await;
    let token = LoadToken::new();
    let over = ClaimOver::Unreadable("odd".into());
    let claim = bench.claim("stale", token, over).await;
    assert!(matches!(claim, Claim::Granted), "{claim:?}");
    let held = Some(Held::Loading(token));
    assert!(is_stale(&bench.look_up("stale").await, "odd", held));
}

#[tokio::test]
async fn empty_values_are_values() {
    let server = RedisServer::start();
    let bench = Bench::on(&server);
    bench.set("plain", "").await;
    bench.loaded("loaded", "").await;
    for key in ["plain", "loaded"] {
        assert_eq!(bench.get(key).await.as_deref(), Some(""), "{key}");
        assert!(bench.cache.exists(context(), key).await.unwrap(), "{key}");
        assert!(is_fresh(&bench.look_up(key).await, ""), "{key}");
        let claim = bench.claim(key, LoadToken::new(), ClaimOver::Gap).await;
        assert!(matches!(&claim, Claim::Refused(found) if is_fresh(found, "")));
        let add = bench
            .cache
            .set(context(), key, "x".into(), HOUR, SetWhen::Absent);
        assert!(!add.await.unwrap(), "{key}");
        let swap = bench
            .cache
            .compare_and_set(context(), key, b"", "".into(), HOUR);
        assert!(swap.await.unwrap(), "{key}");
        let taken = bench.cache.take(context(), key).await.unwrap();
        assert_eq!(taken.unwrap().bytes(), "", "{key}");
    }
}

#[tokio::test]
async fn it_takes_no_script_to_tell_whether_a_plain_value_is_there() {
    let server = RedisServer::start();
    let bench = Bench::on(&server);
    bench.set("plain", "5").await;
    assert!(bench.cache.exists(context(), "plain").await.unwrap());
    assert!(!bench.cache.exists(context(), "none").await.unwrap());
    assert_eq!(calls(&server, "evalsha"), 0);
}

#[tokio::test]
async fn it_takes_a_script_to_publish_and_none_to_claim_what_is_missing() {
    let server = RedisServer::start();
    let bench = Bench::on(&server);
    let token = bench.claimed("key").await;
    assert_eq!(calls(&server, "evalsha"), 0);
    assert!(bench.publish("key", token, "5", keeping()).await);
    assert_eq!(calls(&server, "evalsha"), 1);
    assert_eq!(bench.get("key").await.unwrap(), "5");
}

#[tokio::test]
async fn another_type_is_no_value_and_is_left_alone() {
    let server = RedisServer::start();
    let bench = Bench::on(&server);
    let cache = &bench.cache;
    let push = || assert!(!server.ask(&["RPUSH", "list", "1"]).is_error());
    push();
    let token = LoadToken::new();
    for over in [
        ClaimOver::Gap,
        ClaimOver::Live,
        ClaimOver::Unreadable("1".into()),
    ] {
        let claim = cache.claim(context(), "list", token, over).await;
        assert_eq!(claim.unwrap_err().kind(), ErrorKind::WrongType);
    }
    for look_for in [LookFor::Fresh, LookFor::FreshOrStale] {
        let look_up = cache.look_up(context(), "list", look_for).await;
        assert_eq!(look_up.unwrap_err().kind(), ErrorKind::WrongType);
    }
    assert!(!bench.renew("list", token).await);
    assert!(!bench.publish("list", token, "5", keeping()).await);
    assert!(!bench.release("list", token, 0).await);
    let add = cache.set(context(), "list", "5".into(), HOUR, SetWhen::Absent);
    assert!(!add.await.unwrap());
    assert!(cache.exists(context(), "list").await.unwrap());
    assert_eq!(bench.ttl("list").await, TimeToLive::NoExpiry);
    assert!(cache.set_expiry(context(), "list", HOUR).await.unwrap());
    assert!(matches!(bench.ttl("list").await, TimeToLive::Left(_)));
    let persisted = cache.set_expiry(context(), "list", Expiry::Never).await;
    assert!(persisted.unwrap());
    let values = cache.get_many(context(), &["list"]).await.unwrap();
    assert!(values.iter().all(Option::is_none));
    assert_eq!(server.ask(&["LLEN", "list"]).number(), 1);
    assert_eq!(cache.delete(context(), &["list"]).await.unwrap(), 1);
    for pattern in ["list", "l*"] {
        push();
        let pattern = Pattern::parse(pattern).unwrap();
        assert_eq!(cache.clear(context(), &pattern).await.unwrap(), 1);
    }
}

fn claim_of(key: &str, token: LoadToken) -> ClaimRequest {
    ClaimRequest {
        key: key.into(),
        token,
        over: ClaimOver::Gap,
    }
}

fn publication_of(key: &str, token: LoadToken) -> Publication {
    Publication {
        key: key.into(),
        token,
        value: "5".into(),
        keeping: keeping(),
    }
}

#[tokio::test]
async fn each_of_many_keys_has_an_error_of_its_own() {
    let server = RedisServer::start();
    let cache = Bench::on(&server).cache;
    assert!(!server.ask(&["RPUSH", "list", "1"]).is_error());
    let token = LoadToken::new();
    let keys = ["before", "list", "behind"];
    let found = cache.look_up_many(context(), &keys, LookFor::FreshOrStale);
    let kinds: Vec<_> = found.await.unwrap().into_iter().map(kind).collect();
    assert_eq!(kinds, [None, Some(ErrorKind::WrongType), None]);
    let claims = keys.map(|key| claim_of(key, token)).to_vec();
    let claimed = cache.claim_many(context(), claims);
    let kinds: Vec<_> = claimed.await.unwrap().into_iter().map(kind).collect();
    assert_eq!(kinds, [None, Some(ErrorKind::WrongType), None]);
    let publications = keys.map(|key| publication_of(key, token)).to_vec();
    let published = cache.publish_many(context(), publications).await.unwrap();
    let published: Vec<_> = published.into_iter().map(Result::unwrap).collect();
    assert_eq!(published, [true, false, true]);
}

/// Zeros are not touched, so this much memory is only asked for.
#[tokio::test]
async fn what_is_too_large_is_an_error_for_its_own_key_of_many() {
    let server = RedisServer::start();
    let cluster = RedisCluster::builder().replicas(0).start();
    let huge = Bytes::from(vec![0; (512 << 20) - 127]);
    let longer = Bytes::from(vec![0; (512 << 20) + 1]);
    for cache in [Bench::on(&server).cache, Bench::on_cluster(&cluster).cache] {
        let token = LoadToken::new();
        let keys = ["first", "before", "huge", "behind", "last"];
        let mut claims = keys.map(|key| claim_of(key, token));
        claims[2].over = ClaimOver::Unreadable(longer.clone());
        let claimed = cache.claim_many(context(), claims.to_vec()).await.unwrap();
        let kinds: Vec<_> = claimed.into_iter().map(kind).collect();
        let too_large = Some(ErrorKind::TooLarge);
        assert_eq!(kinds, [None, None, too_large, None, None]);
        let claim = cache.claim_many(context(), vec![claim_of("huge", token)]);
        assert_eq!(kind(claim.await.unwrap().remove(0)), None);
        let mut publications = keys.map(|key| publication_of(key, token));
        publications[2].value = huge.clone();
        let published = cache.publish_many(context(), publications.to_vec());
        let published = published.await.unwrap();
        assert!(published[2].as_ref().is_err_and(|error| {
            (error.kind(), error.outcome()) == (ErrorKind::TooLarge, Outcome::NotApplied)
        }));
        let kept = published.iter().map(|kept| kept.as_ref().ok());
        let yes = Some(&true);
        assert_eq!(kept.collect::<Vec<_>>(), [yes, yes, None, yes, yes]);
    }
}

fn kind<T>(answer: maestro_cache_core::Result<T>) -> Option<ErrorKind> {
    answer.err().map(|error| error.kind())
}

/// In parts, so that the server serves others in between.
#[tokio::test]
async fn many_keys_take_one_call_of_a_script_for_64_of_them() {
    let server = RedisServer::start();
    let cache = Bench::on(&server).cache;
    let keys: Vec<String> = (0..640).map(|number| number.to_string()).collect();
    let tokens: Vec<_> = keys.iter().map(|_| LoadToken::new()).collect();
    let each = || keys.iter().zip(&tokens);
    let claims = || each().map(|(key, token)| claim_of(key, *token)).collect();
    let is_granted = |claim| matches!(claim, Ok(Claim::Granted));
    let claimed = cache.claim_many(context(), claims()).await.unwrap();
    assert!(claimed.into_iter().all(is_granted));
    assert_eq!((calls(&server, "set"), calls(&server, "evalsha")), (640, 0));
    let claimed = cache.claim_many(context(), claims()).await.unwrap();
    assert!(claimed.into_iter().all(is_granted), "by the same tokens");
    assert_eq!(calls(&server, "evalsha"), 10);
    let publications = each().map(|(key, token)| publication_of(key, *token));
    let published = cache.publish_many(context(), publications.collect());
    assert!(
        published
            .await
            .unwrap()
            .into_iter()
            .all(|kept| kept.unwrap())
    );
    assert_eq!(calls(&server, "evalsha"), 20);
}

/// Plain values, loaded ones, stale ones, claims, lists and gaps, each several times in one batch.
async fn batches_see_live_values_only(bench: &Bench<'_>, plain: &str) {
    let mut keys = Vec::new();
    let mut expected = Vec::new();
    for number in 0..30 {
        let key = format!("{plain}{number}");
        let value = format!("value {number}");
        let is_live = match number % 5 {
            0 => {
                bench.set(&key, &value).await;
                true
            }
            1 => {
                bench.loaded(&key, &value).await;
                true
            }
            2 => {
                bench.stale(&key, &value).await;
                false
            }
            3 => {
                bench.claimed(&key).await;
                false
            }
            _ => false,
        };
        let value = is_live.then_some(value);
        for _ in 0..=number % 3 {
            keys.push(key.clone());
            expected.push(value.clone());
        }
    }
    keys.reverse();
    expected.reverse();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let cache = &bench.cache;
    let values = cache.get_many(context(), &keys).await.unwrap();
    let values = values.into_iter();
    let values: Vec<_> = values
        .map(|value| value.map(|value| text(value.bytes())))
        .collect();
    assert_eq!(values, expected);
    assert_eq!(cache.delete(context(), &keys).await.unwrap(), 12);
    let values = cache.get_many(context(), &keys).await.unwrap();
    assert!(values.iter().all(Option::is_none));
    for key in keys {
        assert!(is_missing(&bench.look_up(key).await, None), "{key}");
    }
}

#[tokio::test]
async fn batches_on_a_server_see_live_values_only() {
    let server = RedisServer::start();
    let bench = Bench::on(&server);
    batches_see_live_values_only(&bench, "key").await;
    assert_eq!(server.ask(&["DBSIZE"]).number(), 0);
}

#[tokio::test]
async fn batches_on_a_cluster_see_live_values_only_and_tell_each_node_its_scripts() {
    let cluster = RedisCluster::builder().replicas(0).start();
    let bench = Bench::on_cluster(&cluster);
    for _ in 0..3 {
        batches_see_live_values_only(&bench, "key").await;
        // The nodes know the scripts and lose them again.
        for server in &bench.servers {
            assert!(!server.ask(&["SCRIPT", "FLUSH"]).is_error());
        }
    }
    clear_counts_live_values(&bench).await;
    for server in &bench.servers {
        assert!(!server.ask(&["SCRIPT", "FLUSH"]).is_error());
    }
    clear_counts_live_values(&bench).await;
}

async fn clear_counts_live_values(bench: &Bench<'_>) {
    for number in 0..50 {
        bench.set(&format!("plain{number}"), "5").await;
        bench.loaded(&format!("loaded{number}"), "5").await;
        bench.stale(&format!("stale{number}"), "5").await;
        bench.claimed(&format!("claim{number}")).await;
    }
    let clear = async |pattern: &str| {
        let pattern = Pattern::parse(pattern).unwrap();
        bench.cache.clear(context(), &pattern).await.unwrap()
    };
    assert_eq!(clear("claim7").await, 0);
    assert_eq!(clear("stale7").await, 0);
    assert_eq!(clear("loaded7").await, 1);
    assert_eq!(clear("*").await, 99);
    for server in &bench.servers {
        assert_eq!(server.ask(&["DBSIZE"]).number(), 0);
    }
}

#[tokio::test]
async fn a_clear_removes_claims_and_stale_values_and_counts_the_others() {
    let server = RedisServer::start();
    let bench = Bench::on(&server);
    clear_counts_live_values(&bench).await;
    assert!(!server.ask(&["SCRIPT", "FLUSH"]).is_error());
    clear_counts_live_values(&bench).await;
}

#[tokio::test]
async fn more_keys_than_one_call_takes_are_removed_and_counted_once() {
    let server = RedisServer::start();
    let bench = Bench::on(&server);
    let numbers: Vec<String> = (0..2_500).map(|number| number.to_string()).collect();
    let entries = numbers.iter().map(|key| (key.as_str(), "5".into()));
    let entries: Vec<(&str, Bytes)> = entries.collect();
    let set = bench.cache.set_many(context(), &entries, HOUR);
    set.await.unwrap();
    bench.claimed("claim").await;
    bench.stale("stale", "5").await;
    let mut keys: Vec<&str> = numbers.iter().map(String::as_str).collect();
    keys.extend(["claim", "stale", "0", "1", "none"]);
    let delete = bench.cache.delete(context(), &keys);
    assert_eq!(delete.await.unwrap(), 2_500);
    assert_eq!(server.ask(&["DBSIZE"]).number(), 0);
}

#[tokio::test]
async fn loaded_counters_become_plain_ones_that_live_as_long() {
    let server = RedisServer::start();
    let bench = Bench::on(&server);
    let edges = [0, -1, 41, 1 << 53, -(1 << 53) - 1, i64::MAX - 1, i64::MIN];
    for expiry in [HOUR, Expiry::Never] {
        for start in edges {
            bench.loaded("key", &start.to_string()).await;
            let token = LoadToken::new();
            let claim = bench.claim("key", token, ClaimOver::Live).await;
            assert!(matches!(claim, Claim::Granted));
            let sum = bench.increment("key", 1, expiry).await.unwrap();
            assert_eq!(sum, start + 1);
            assert_eq!(raw(&server, "key"), sum.to_string());
            let left = pttl(&server, "key");
            assert!((3_590_000..=3_600_000).contains(&left), "{left}");
            assert!(!bench.renew("key", token).await, "the claim is over");
            let _ = server.ask(&["DEL", "key"]);
        }
        let token = bench.claimed("key").await;
        let for_good = Keeping {
            expiry: Expiry::Never,
            ..keeping()
        };
        assert!(bench.publish("key", token, "5", for_good).await);
        assert_eq!(bench.increment("key", -7, expiry).await, Ok(-2));
        assert_eq!(pttl(&server, "key"), -1);
        let _ = server.ask(&["DEL", "key"]);
    }
}

#[tokio::test]
async fn what_cannot_be_added_to_is_left_as_it_was_with_its_claim() {
    let server = RedisServer::start();
    let bench = Bench::on(&server);
    let most = i64::MAX.to_string();
    for (value, expected) in [
        (&*most, ErrorKind::Overflow),
        ("five", ErrorKind::NotAnInteger),
        ("", ErrorKind::NotAnInteger),
        (" 5", ErrorKind::NotAnInteger),
        ("5 ", ErrorKind::NotAnInteger),
        ("05", ErrorKind::NotAnInteger),
        ("9223372036854775808", ErrorKind::NotAnInteger),
        ("null and void for good", ErrorKind::NotAnInteger),
    ] {
        bench.loaded("key", value).await;
        let token = LoadToken::new();
        let claim = bench.claim("key", token, ClaimOver::Live).await;
        assert!(matches!(claim, Claim::Granted));
        let before = (raw(&server, "key"), pttl(&server, "key"));
        for expiry in [HOUR, Expiry::Never] {
            let sum = bench.increment("key", 1, expiry).await;
            assert_eq!(sum, Err(expected), "{value:?}");
        }
        assert_eq!(raw(&server, "key"), before.0);
        let left = pttl(&server, "key");
        assert!((before.1 - 10_000..=before.1).contains(&left), "{left}");
        assert!(bench.renew("key", token).await);
        let _ = server.ask(&["DEL", "key"]);
    }
}

/// A script that hands on a number of a server's may write it in another way than it was told.
#[tokio::test]
async fn loaded_values_may_have_the_longest_expiry() {
    let server = RedisServer::start();
    let bench = Bench::on(&server);
    let cache = &bench.cache;
    let longest = Expiry::AfterMillis(NonZeroU64::new(Expiry::MAX_MILLIS).unwrap());
    let load = async || {
        let _ = server.ask(&["DEL", "key"]);
        let token = bench.claimed("key").await;
        let keeping = Keeping {
            expiry: longest,
            ..keeping()
        };
        assert!(bench.publish("key", token, "5", keeping).await);
    };
    let lives_long = || pttl(&server, "key") > i64::MAX - (1 << 47);
    for expiry in [longest, Expiry::Never] {
        load().await;
        assert_eq!(bench.increment("key", 1, expiry).await, Ok(6));
        assert_eq!(raw(&server, "key"), "6");
        assert!(lives_long());
    }
    load().await;
    let token = LoadToken::new();
    let claim = bench.claim("key", token, ClaimOver::Live).await;
    assert!(matches!(claim, Claim::Granted));
    assert!(bench.renew("key", token).await);
    assert!(bench.release("key", token, u64::MAX).await);
    assert!(matches!(bench.ttl("key").await, TimeToLive::Left(_)));
    assert!(is_fresh(&bench.look_up("key").await, "5"));
    assert!(cache.exists(context(), "key").await.unwrap());
    assert!(cache.set_expiry(context(), "key", longest).await.unwrap());
    assert_eq!(raw(&server, "key"), "5");
    assert!(lives_long());
    load().await;
    let new = Bytes::from_static(b"7");
    let swap = cache.compare_and_set(context(), "key", b"5", new.clone(), longest);
    assert!(swap.await.unwrap());
    assert!(lives_long());
    let _ = server.ask(&["DEL", "key"]);
    bench.claimed("key").await;
    let add = cache.set(context(), "key", new, longest, SetWhen::Absent);
    assert!(add.await.unwrap());
    assert!(lives_long());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn increments_at_once_see_through_claims_each_for_itself() {
    let server = RedisServer::start();
    let bench = Bench::on(&server);
    for round in 0..20 {
        bench.loaded("loaded", "10").await;
        bench.stale("stale", "10").await;
        bench.claimed("claim").await;
        bench.loaded("word", "word").await;
        let sums = (0..64).map(|number| {
            let key = ["loaded", "stale", "claim", "word", "none"][number % 5];
            let bench = &bench;
            async move { (key, bench.increment(key, 1, HOUR).await) }
        });
        let sums = join_all(sums).await;
        let last = |wanted: &str| {
            let sums = sums.iter().filter(|(key, _)| *key == wanted);
            sums.map(|(_, sum)| *sum).collect::<Result<Vec<_>, _>>()
        };
        for (key, expected) in [("loaded", 23), ("stale", 13), ("claim", 13), ("none", 12)] {
            let highest = last(key).unwrap().into_iter().max();
            assert_eq!(highest, Some(expected), "round {round}: {key}");
        }
        assert_eq!(last("word"), Err(ErrorKind::NotAnInteger));
        let _ = server.ask(&["FLUSHALL"]);
    }
}

#[tokio::test]
async fn an_expiry_makes_a_plain_value_of_a_loaded_one() {
    let server = RedisServer::start();
    let bench = Bench::on(&server);
    for (expiry, left) in [(HOUR, 3_600_000), (Expiry::Never, -1)] {
        bench.loaded("key", "5").await;
        let token = LoadToken::new();
        let claim = bench.claim("key", token, ClaimOver::Live).await;
        assert!(matches!(claim, Claim::Granted));
        let set = bench.cache.set_expiry(context(), "key", expiry);
        assert!(set.await.unwrap());
        assert_eq!(raw(&server, "key"), "5");
        let now = pttl(&server, "key");
        assert!((left - 10_000..=left).contains(&now), "{now}");
        assert!(!bench.publish("key", token, "6", keeping()).await);
        let _ = server.ask(&["DEL", "key"]);
    }
    // One that has no expiry has none to lose.
    let token = bench.claimed("key").await;
    let for_good = Keeping {
        expiry: Expiry::Never,
        ..keeping()
    };
    assert!(bench.publish("key", token, "5", for_good).await);
    let persist = bench.cache.set_expiry(context(), "key", Expiry::Never);
    assert!(!persist.await.unwrap());
    assert_eq!(bench.get("key").await.unwrap(), "5");
}

#[tokio::test]
async fn a_value_that_is_taken_or_compared_is_the_value_alone() {
    let server = RedisServer::start();
    let bench = Bench::on(&server);
    let cache = &bench.cache;
    bench.loaded("key", "5").await;
    let marked = raw(&server, "key");
    for (expected, is_it) in [(&*marked, false), ("5 ", false), ("5", true)] {
        let expected = expected.as_bytes();
        let swap = cache.compare_and_set(context(), "key", expected, "6".into(), HOUR);
        assert_eq!(swap.await.unwrap(), is_it);
    }
    assert_eq!(raw(&server, "key"), "6");
    bench.loaded("other", "5").await;
    let taken = cache.take(context(), "other").await.unwrap().unwrap();
    assert_eq!(taken.bytes(), "5");
    for key in ["stale", "claim"] {
        match key {
            "stale" => bench.stale(key, "null").await,
            _ => drop(bench.claimed(key).await),
        }
        let swap = cache.compare_and_set(context(), key, b"null", "6".into(), HOUR);
        assert!(!swap.await.unwrap(), "{key}");
        assert!(cache.take(context(), key).await.unwrap().is_none());
    }
    assert_eq!(server.ask(&["DBSIZE"]).number(), 1, "what is taken is gone");
}

/// Claims and stale values are seen by no plain operation, and each that writes ends them.
#[tokio::test]
async fn no_other_operation_sees_a_claim_or_what_is_stale() {
    let server = RedisServer::start();
    let bench = Bench::on(&server);
    let cache = &bench.cache;
    for is_stale in [true, false] {
        let prepare = async || {
            let _ = server.ask(&["DEL", "key"]);
            if is_stale {
                bench.stale("key", "5").await;
            } else {
                bench.claimed("key").await;
            }
        };
        let is_gone = || server.ask(&["EXISTS", "key"]).number() == 0;
        prepare().await;
        let before = raw(&server, "key");
        assert_eq!(bench.get("key").await, None);
        let values = cache.get_many(context(), &["key", "key"]).await.unwrap();
        assert!(values.iter().all(Option::is_none));
        assert!(!cache.exists(context(), "key").await.unwrap());
        assert_eq!(bench.ttl("key").await, TimeToLive::Missing);
        for expected in ["5", "null"] {
            let expected = expected.as_bytes();
            let swap = cache.compare_and_set(context(), "key", expected, "6".into(), HOUR);
            assert!(!swap.await.unwrap());
        }
        assert_eq!(raw(&server, "key"), before, "to look is not to write");

        assert!(cache.take(context(), "key").await.unwrap().is_none());
        assert!(is_gone());
        prepare().await;
        assert_eq!(cache.delete(context(), &["key", "key"]).await.unwrap(), 0);
        assert!(is_gone());
        for expiry in [HOUR, Expiry::Never] {
            prepare().await;
            assert!(!cache.set_expiry(context(), "key", expiry).await.unwrap());
            assert!(is_gone());
        }
        for pattern in ["key", "k*"] {
            prepare().await;
            let pattern = Pattern::parse(pattern).unwrap();
            assert_eq!(cache.clear(context(), &pattern).await.unwrap(), 0);
            assert!(is_gone());
        }
        for (expiry, longest) in [(HOUR, 3_600_000), (Expiry::Never, -1)] {
            let lives = || (longest - 10_000..=longest).contains(&pttl(&server, "key"));
            prepare().await;
            let add = cache.set(context(), "key", "6".into(), expiry, SetWhen::Absent);
            assert!(add.await.unwrap());
            assert_eq!(raw(&server, "key"), "6");
            assert!(lives());
            prepare().await;
            assert_eq!(bench.increment("key", 7, expiry).await, Ok(7));
            assert_eq!(raw(&server, "key"), "7");
            assert!(lives());
            for when in [SetWhen::Always, SetWhen::Absent] {
                prepare().await;
                let set = cache.set(context(), "key", "8".into(), expiry, when);
                assert!(set.await.unwrap());
                assert_eq!(raw(&server, "key"), "8");
                assert!(lives());
            }
        }
    }
}

/// Reads of values that no load stored are what they were.
#[tokio::test]
async fn plain_values_are_read_without_a_script() {
    let server = RedisServer::start();
    let bench = Bench::on(&server);
    bench.set("key", "5").await;
    assert_eq!(bench.get("key").await.unwrap(), "5");
    assert_eq!(bench.get("none").await, None);
    let keys = ["key", "none"];
    bench.cache.get_many(context(), &keys).await.unwrap();
    assert!(is_fresh(&bench.look_up("key").await, "5"));
    assert!(is_fresh(&bench.look_up_fresh("key").await, "5"));
    assert!(is_missing(&bench.look_up("none").await, None));
    assert!(is_missing(&bench.look_up_fresh("none").await, None));
    assert_eq!(bench.increment("number", 1, Expiry::Never).await, Ok(1));
    let cache = &bench.cache;
    let add = || cache.set(context(), "new", "5".into(), HOUR, SetWhen::Absent);
    assert!(add().await.unwrap());
    assert!(!add().await.unwrap());
    assert!(cache.exists(context(), "key").await.unwrap());
    assert!(!cache.exists(context(), "none").await.unwrap());
    assert!(matches!(bench.ttl("new").await, TimeToLive::Left(_)));
    assert!(cache.set_expiry(context(), "key", HOUR).await.unwrap());
    assert!(
        cache
            .set_expiry(context(), "key", Expiry::Never)
            .await
            .unwrap()
    );
    assert_eq!(cache.delete(context(), &["new", "none"]).await.unwrap(), 1);
    bench.set("taken", "5").await;
    assert_eq!(
        cache
            .take(context(), "taken")
            .await
            .unwrap()
            .unwrap()
            .bytes(),
        "5"
    );
    assert_eq!(calls(&server, "evalsha"), 0);
    assert_eq!(calls(&server, "eval"), 0);
    // One that a load stored is looked up at once while it is live.
    bench.loaded("loaded", "5").await;
    let before = calls(&server, "evalsha");
    assert!(is_fresh(&bench.look_up("loaded").await, "5"));
    assert_eq!(calls(&server, "evalsha"), before);
}

/// Everything that runs a script, for one key after another. How many scripts there are.
async fn all_scripts(bench: &Bench<'_>, key: &str) -> u64 {
    let cache = &bench.cache;
    let token = bench.claimed(key).await;
    assert!(bench.renew(key, token).await);
    assert!(bench.release(key, token, 0).await);
    bench.loaded(key, "5").await;
    let claim = bench.claim(key, token, ClaimOver::Live).await;
    assert!(matches!(claim, Claim::Granted), "{claim:?}");
    assert_eq!(bench.get(key).await.unwrap(), "5");
    assert!(cache.exists(context(), key).await.unwrap());
    assert!(matches!(bench.ttl(key).await, TimeToLive::Left(_)));
    let add = cache.set(context(), key, "6".into(), HOUR, SetWhen::Absent);
    assert!(!add.await.unwrap());
    assert_eq!(bench.increment(key, 1, Expiry::Never).await, Ok(6));
    let swap = cache.compare_and_set(context(), key, b"6", "7".into(), HOUR);
    assert!(swap.await.unwrap());
    let taken = cache.take(context(), key).await.unwrap().unwrap();
    assert_eq!(taken.bytes(), "7");
    bench.loaded(key, "5").await;
    assert!(cache.set_expiry(context(), key, HOUR).await.unwrap());
    assert_eq!(cache.delete(context(), &[key]).await.unwrap(), 1);
    9
}

#[tokio::test]
async fn a_server_is_told_each_script_once() {
    let server = RedisServer::start();
    let bench = Bench::on(&server);
    for _ in 0..5 {
        let scripts = all_scripts(&bench, "key").await;
        assert_eq!(calls(&server, "eval"), scripts);
    }
}

#[tokio::test]
async fn a_server_that_forgets_its_scripts_all_the_time_is_told_them() {
    let server = RedisServer::start();
    let bench = Bench::on(&server);
    let forget = async {
        loop {
            let _ = server.ask(&["SCRIPT", "FLUSH"]);
            sleep(Duration::from_micros(300)).await;
        }
    };
    let work = async {
        for _ in 0..20 {
            all_scripts(&bench, "key").await;
        }
    };
    tokio::select! {
        () = work => {}
        () = forget => {}
    }
}

#[tokio::test]
async fn a_user_may_load_with_the_rights_that_are_named() {
    let server = RedisServer::builder().tcp().start();
    let mut rules = vec!["ACL", "SETUSER", "qf", "on", ">secret", "~*", "-@all"];
    rules.extend(
        "+get +getdel +getrange +mget +set +unlink +exists +incrby +pttl +pexpire +persist +scan +multi \
         +exec +evalsha +eval +setrange +strlen +time"
            .split(' '),
    );
    assert!(!server.ask(&rules).is_error());
    let url = server.url().replace("redis://", "redis://qf:secret@");
    let bench = Bench {
        servers: vec![&server],
        cache: RedisCache::new(&url).unwrap(),
    };
    all_scripts(&bench, "key").await;
    bench.stale("key", "5").await;
    let token = bench.claimed("key").await;
    assert!(bench.renew("key", token).await);
    assert!(bench.release("key", token, 1000).await);
    clear_counts_live_values(&bench).await;
    // Without them it is told so.
    for command in ["time", "pttl", "getrange", "set"] {
        let forbid = format!("-{command}");
        assert!(!server.ask(&["ACL", "SETUSER", "qf", &forbid]).is_error());
        let claim = bench.cache.claim(context(), "a", token, ClaimOver::Live);
        let claim = claim.await;
        if command != "time" {
            let error = claim.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{command}");
            assert_eq!(error.outcome(), Outcome::NotApplied, "{command}");
        }
        let _ = server.ask(&["FLUSHALL"]);
    }
}

#[tokio::test]
async fn where_nothing_can_be_written_a_claim_is_an_error_that_changed_nothing() {
    let server = RedisServer::start();
    let bench = Bench::on(&server);
    bench.loaded("key", "5").await;
    assert!(!server.ask(&["CONFIG", "SET", "maxmemory", "1"]).is_error());
    let token = LoadToken::new();
    for (key, over) in [("none", ClaimOver::Gap), ("key", ClaimOver::Live)] {
        let claim = bench.cache.claim(context(), key, token, over).await;
        let error = claim.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::OutOfMemory);
        assert_eq!(error.outcome(), Outcome::NotApplied);
    }
    all_fail_with(ErrorKind::OutOfMemory, &bench.cache).await;
    let sum = bench.increment("key", 1, HOUR).await;
    assert_eq!(sum, Err(ErrorKind::OutOfMemory));
    assert_eq!(bench.get("key").await.unwrap(), "5");
    assert!(!server.ask(&["CONFIG", "SET", "maxmemory", "0"]).is_error());
    // Nobody listens there, and a replica it is all the same.
    let replica = ["REPLICAOF", "127.0.0.1", "1"];
    assert!(!server.ask(&replica).is_error());
    for (key, over) in [("none", ClaimOver::Gap), ("key", ClaimOver::Live)] {
        let claim = bench.cache.claim(context(), key, token, over).await;
        let error = claim.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotWritable);
        assert_eq!(error.outcome(), Outcome::NotApplied);
    }
    all_fail_with(ErrorKind::NotWritable, &bench.cache).await;
    let delete = bench.cache.delete(context(), &["key"]).await;
    assert_eq!(delete.unwrap_err().kind(), ErrorKind::NotWritable);
    assert_eq!(bench.get("key").await.unwrap(), "5");
    assert!(bench.cache.exists(context(), "key").await.unwrap());
    assert!(matches!(bench.ttl("key").await, TimeToLive::Left(_)));
}

/// Many claims and publications at once, each with that error, which changed nothing.
async fn all_fail_with(expected: ErrorKind, cache: &RedisCache) {
    let token = LoadToken::new();
    let keys = ["none", "none either", "key"];
    let claims = keys.map(|key| claim_of(key, token));
    let live = ClaimRequest {
        over: ClaimOver::Live,
        ..claim_of("key", token)
    };
    let claims = claims.into_iter().take(2).chain([live]).collect();
    let claimed = cache.claim_many(context(), claims).await.unwrap();
    let publications = keys.map(|key| publication_of(key, token)).to_vec();
    let published = cache.publish_many(context(), publications).await.unwrap();
    let errors = claimed.into_iter().map(Result::err);
    let errors: Vec<_> = errors
        .chain(published.into_iter().map(Result::err))
        .flatten()
        .map(|error| (error.kind(), error.outcome()))
        .collect();
    let claims = [(expected, Outcome::NotApplied); 3];
    // What holds no claim is not published, which takes no right to write to find out.
    assert_eq!(errors, claims, "{errors:?}");
}

#[tokio::test]
async fn a_server_that_is_gone_is_an_error_for_each_of_many_keys() {
    let server = RedisServer::start();
    let cache = Bench::on(&server).cache;
    server.stop();
    let context = CallContext::new(Duration::from_millis(500));
    let keys: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    let token = LoadToken::new();
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    let found = cache.look_up_many(context, &names, LookFor::FreshOrStale);
    let found: Vec<_> = found.await.unwrap().into_iter().map(kind).collect();
    let fresh = cache.look_up_many(context, &names, LookFor::Fresh);
    let fresh: Vec<_> = fresh.await.unwrap().into_iter().map(kind).collect();
    let claims = names.iter().map(|key| claim_of(key, token)).collect();
    let claimed = cache.claim_many(context, claims).await.unwrap();
    let claimed: Vec<_> = claimed.into_iter().map(kind).collect();
    let publications = names.iter().map(|key| publication_of(key, token));
    let published = cache.publish_many(context, publications.collect());
    let published: Vec<_> = published.await.unwrap().into_iter().map(kind).collect();
    for errors in [found, fresh, claimed, published] {
        assert_eq!(errors.len(), keys.len());
        let expected = [Some(ErrorKind::Unavailable), Some(ErrorKind::Timeout)];
        assert!(errors.iter().all(|it| expected.contains(it)), "{errors:?}");
    }
}

#[tokio::test]
async fn a_node_that_is_silent_is_an_error_for_its_own_keys_of_many() {
    let cluster = RedisCluster::start();
    let cache = Bench::on_cluster(&cluster).cache;
    let keys: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    // So that the cluster is known.
    assert_eq!(cache.delete(context(), &names).await.unwrap(), 0);
    let silent = cluster.node_of_key("0");
    let is_silent: Vec<_> = names
        .iter()
        .map(|key| cluster.node_of_key(key) == silent)
        .collect();
    assert!(is_silent.contains(&false));
    let token = LoadToken::new();
    cluster.pause(silent);
    let context = CallContext::new(Duration::from_millis(500));
    let found = cache.look_up_many(context, &names, LookFor::FreshOrStale);
    let found: Vec<_> = found.await.unwrap().iter().map(Result::is_err).collect();
    let fresh = cache.look_up_many(context, &names, LookFor::Fresh);
    let fresh: Vec<_> = fresh.await.unwrap().iter().map(Result::is_err).collect();
    let claims = names.iter().map(|key| claim_of(key, token)).collect();
    let claimed = cache.claim_many(context, claims).await.unwrap();
    let claimed: Vec<_> = claimed.iter().map(Result::is_err).collect();
    let publications = names.iter().map(|key| publication_of(key, token));
    let published = cache.publish_many(context, publications.collect());
    let published: Vec<_> = published
        .await
        .unwrap()
        .iter()
        .map(Result::is_err)
        .collect();
    cluster.resume(silent);
    assert_eq!(found, is_silent);
    assert_eq!(fresh, is_silent);
    assert_eq!(claimed, is_silent);
    assert_eq!(published, is_silent);
}

/// Whether a load wants old values or not, and whether what is there was stored by one or not.
#[tokio::test]
async fn a_node_that_is_silent_has_no_values_of_others_loaded_again() {
    let cluster = RedisCluster::start();
    let cache = cache_within(&cluster.url(), Duration::from_millis(500));
    let patient = cache.with_timeout(Duration::from_secs(30));
    let keys: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    for (number, key) in keys.iter().enumerate() {
        if number % 2 == 0 {
            patient.set(key, &number).await.unwrap();
        } else {
            let load = async || Ok::<_, std::io::Error>(number);
            let load = patient.get_or_compute(key, load);
            let load = load.stale_if_error(Duration::from_secs(60));
            assert_eq!(load.await.unwrap(), number);
        }
    }
    let silent = cluster.node_of_key("0");
    let (of_silent, of_others): (HashSet<_>, HashSet<_>) = keys
        .iter()
        .cloned()
        .partition(|key| cluster.node_of_key(key) == silent);
    assert!(of_others.len() > 10);
    for stale in [Duration::ZERO, Duration::from_secs(60)] {
        let asked = Mutex::new(HashSet::new());
        let load = cache.get_or_compute_many(&keys, |missing| {
            asked.lock().unwrap().extend(missing.iter().cloned());
            async { Ok::<_, std::io::Error>(missing.into_iter().map(|key| (key, 1000))) }
        });
        cluster.pause(silent);
        let values = load.stale_if_error(stale).await;
        cluster.resume(silent);
        assert_eq!(asked.into_inner().unwrap(), of_silent);
        for ((number, key), value) in keys.iter().enumerate().zip(values.unwrap()) {
            let expected = if of_silent.contains(key) {
                1000
            } else {
                number
            };
            assert_eq!(value, Some(expected), "{key}");
        }
        for key in &of_silent {
            let _: Option<usize> = patient.get(key).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_node_that_is_gone_is_an_error_for_its_own_keys_of_many() {
    let cluster = RedisCluster::builder().replicas(0).start();
    let cache = Bench::on_cluster(&cluster).cache;
    let keys: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    // So that the cluster is known.
    assert_eq!(cache.delete(context(), &names).await.unwrap(), 0);
    let gone = cluster.node_of_key("0");
    let is_gone: Vec<_> = names
        .iter()
        .map(|key| cluster.node_of_key(key) == gone)
        .collect();
    cluster.kill(gone);
    let context = CallContext::new(Duration::from_millis(500));
    for look_for in [LookFor::Fresh, LookFor::FreshOrStale] {
        let found = cache.look_up_many(context, &names, look_for).await.unwrap();
        let found: Vec<_> = found.iter().map(Result::is_err).collect();
        assert_eq!(found, is_gone);
    }
}

#[tokio::test]
async fn fresh_values_of_many_keys_are_one_command() {
    let server = RedisServer::start();
    let bench = Bench::on(&server);
    let keys: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
    let names: Vec<&str> = keys.iter().map(String::as_str).collect();
    bench.set("7", "7").await;
    let found = bench.cache.look_up_many(context(), &names, LookFor::Fresh);
    let found = found.await.unwrap();
    let is_fresh = |found: &maestro_cache_core::Result<Lookup>| {
        found.as_ref().is_ok_and(|found| is_fresh(found, "7"))
    };
    assert_eq!(found.iter().position(is_fresh), Some(7));
    assert_eq!(found.len(), 1000);
    assert_eq!((calls(&server, "mget"), calls(&server, "evalsha")), (1, 0));
    let none = bench.cache.look_up_many(context(), &[], LookFor::Fresh);
    assert!(none.await.unwrap().is_empty());
}

/// Whether it is on no map, or the node that it was of does not serve it any more.
#[tokio::test]
async fn a_slot_of_nobody_is_an_error_for_its_own_keys_of_many() {
    let cluster = RedisCluster::builder().replicas(0).start();
    let slot = cluster.slot_of_key("0").to_string();
    let names = ["0", "1", "{0}other", "2", "3", "4", "5"];
    let early = Bench::on_cluster(&cluster).cache;
    assert_eq!(early.delete(context(), &names).await.unwrap(), 0);
    let owner = cluster.node_of_key("0");
    // The owner first, so that it tells nobody of the slot any more.
    let others = cluster.nodes().into_iter().filter(|node| *node != owner);
    for node in [owner].into_iter().chain(others) {
        let server = cluster.server(node);
        let partial = ["CONFIG", "SET", "cluster-require-full-coverage", "no"];
        assert!(!server.ask(&partial).is_error());
        let _ = server.ask(&["CLUSTER", "DELSLOTS", &slot]);
    }
    assert!(
        names[3..]
            .iter()
            .any(|key| cluster.node_of_key(key) == owner)
    );
    for cache in [early, Bench::on_cluster(&cluster).cache] {
        let found = cache.look_up_many(context(), &names, LookFor::Fresh);
        let kinds: Vec<_> = found.await.unwrap().into_iter().map(kind).collect();
        let nobody = Some(ErrorKind::Unavailable);
        assert_eq!(kinds, [nobody, None, nobody, None, None, None, None]);
        let values = cache.get_many(context(), &names).await;
        assert_eq!(kind(values), nobody);
    }
}
