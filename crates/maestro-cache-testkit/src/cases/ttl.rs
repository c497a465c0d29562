//! Time to live: what writes give, what `ttl` says, how it is changed.

use std::time::{Duration, Instant};

use maestro_cache_core::{Expiry, TimeToLive, Ttl};

use super::until;
use crate::Subject;
use crate::coarse::{coarse, left, steps};

pub async fn ttl_has_three_answers(subject: &Subject) {
    let cache = subject.cache();
    cache.set("some", &1).ttl(steps(3)).await.unwrap();
    cache.set("for good", &1).ttl(Ttl::Never).await.unwrap();
    assert_eq!(coarse(cache.ttl("some").await.unwrap()), left(3));
    assert_eq!(cache.ttl("for good").await.unwrap(), TimeToLive::NoExpiry);
    assert_eq!(cache.ttl("missing").await.unwrap(), TimeToLive::Missing);
}

pub async fn every_write_without_a_ttl_takes_the_default_of_the_handle(subject: &Subject) {
    let cache = subject.cache_with(|builder| builder.default_ttl(steps(7)));
    cache.set("set", &1).await.unwrap();
    cache.set_bytes("set_bytes", "1").await.unwrap();
    cache.add("add", &1).await.unwrap();
    cache.increment("increment", 1).await.unwrap();
    cache.decrement("decrement", 1).await.unwrap();
    cache
        .set_many([("many-1", 1), ("many-2", 1)])
        .await
        .unwrap();
    cache.compare_and_set("cas-none", None, &1).await.unwrap();
    cache.set("cas", &1).ttl(steps(2)).await.unwrap();
    cache.compare_and_set("cas", Some(&1), &2).await.unwrap();
    for key in [
        "set",
        "set_bytes",
        "add",
        "increment",
        "decrement",
        "many-1",
        "many-2",
        "cas-none",
        "cas",
    ] {
        assert_eq!(coarse(cache.ttl(key).await.unwrap()), left(7), "{key}");
    }
}

pub async fn the_default_of_the_default_is_one_hour(subject: &Subject) {
    let cache = subject.cache();
    cache.set("key", &1).await.unwrap();
    subject.advance(Duration::from_secs(1800)).await;
    assert!(cache.exists("key").await.unwrap());
    subject.advance(Duration::from_secs(1800)).await;
    assert!(!cache.exists("key").await.unwrap());
}

pub async fn a_default_of_never_stores_for_good(subject: &Subject) {
    let cache = subject.cache_with(|builder| builder.default_ttl(Ttl::Never));
    cache.set("set", &1).await.unwrap();
    cache.add("add", &1).await.unwrap();
    cache.increment("increment", 1).await.unwrap();
    cache.set_many([("many", 1)]).await.unwrap();
    cache.compare_and_set("cas", None, &1).await.unwrap();
    for key in ["set", "add", "increment", "many", "cas"] {
        assert_eq!(cache.ttl(key).await.unwrap(), TimeToLive::NoExpiry, "{key}");
    }
}

pub async fn every_write_takes_a_ttl_of_its_own(subject: &Subject) {
    let cache = subject.cache();
    cache.set("set", &1).ttl(steps(5)).await.unwrap();
    cache
        .set_bytes("set_bytes", "1")
        .ttl(steps(5))
        .await
        .unwrap();
    cache.add("add", &1).ttl(steps(5)).await.unwrap();
    cache.increment("increment", 1).ttl(steps(5)).await.unwrap();
    cache.decrement("decrement", 1).ttl(steps(5)).await.unwrap();
    cache.set_many([("many", 1)]).ttl(steps(5)).await.unwrap();
    cache
        .compare_and_set("cas-none", None, &1)
        .ttl(steps(5))
        .await
        .unwrap();
    cache.set("cas", &1).await.unwrap();
    cache
        .compare_and_set("cas", Some(&1), &2)
        .ttl(steps(5))
        .await
        .unwrap();
    for key in [
        "set",
        "set_bytes",
        "add",
        "increment",
        "decrement",
        "many",
        "cas-none",
        "cas",
    ] {
        assert_eq!(coarse(cache.ttl(key).await.unwrap()), left(5), "{key}");
    }
}

pub async fn set_replaces_value_and_ttl(subject: &Subject) {
    let cache = subject.cache_with(|builder| builder.default_ttl(steps(7)));
    cache.set("key", &1).ttl(steps(2)).await.unwrap();
    cache.set("key", &2).ttl(steps(4)).await.unwrap();
    assert_eq!(
        coarse(cache.ttl("key").await.unwrap()),
        left(4),
        "a longer one"
    );
    cache.set("key", &3).ttl(steps(1)).await.unwrap();
    assert_eq!(
        coarse(cache.ttl("key").await.unwrap()),
        left(1),
        "a shorter one"
    );
    cache.set("key", &4).ttl(Ttl::Never).await.unwrap();
    assert_eq!(
        cache.ttl("key").await.unwrap(),
        TimeToLive::NoExpiry,
        "none"
    );
    cache.set("key", &5).await.unwrap();
    assert_eq!(
        coarse(cache.ttl("key").await.unwrap()),
        left(7),
        "the default again"
    );
    assert_eq!(cache.get::<i64>("key").await.unwrap(), Some(5));
}

pub async fn the_ttl_counts_down(subject: &Subject) {
    let cache = subject.cache();
    cache.set("key", &1).ttl(steps(3)).await.unwrap();
    for remaining in [3, 2, 1] {
        assert_eq!(coarse(cache.ttl("key").await.unwrap()), left(remaining));
        assert_eq!(cache.get::<i64>("key").await.unwrap(), Some(1));
        subject.advance(steps(1)).await;
    }
    assert_eq!(cache.ttl("key").await.unwrap(), TimeToLive::Missing);
}

pub async fn reading_does_not_prolong_an_entry(subject: &Subject) {
    let cache = subject.cache();
    cache.set("key", &1).ttl(steps(2)).await.unwrap();
    subject.advance(steps(1)).await;
    cache.get::<i64>("key").await.unwrap();
    cache.get_shared::<i64>("key").await.unwrap();
    cache.get_many::<i64>(["key"]).await.unwrap();
    cache.exists("key").await.unwrap();
    assert_eq!(coarse(cache.ttl("key").await.unwrap()), left(1));
}

pub async fn entries_expire_each_at_its_own_time(subject: &Subject) {
    let cache = subject.cache();
    cache.set("1", &1).ttl(steps(1)).await.unwrap();
    cache.set("2", &2).ttl(steps(2)).await.unwrap();
    cache.set("for good", &3).ttl(Ttl::Never).await.unwrap();
    let keys = ["1", "2", "for good"];
    subject.advance(steps(1)).await;
    assert_eq!(
        cache.get_many(keys).await.unwrap(),
        [None, Some(2), Some(3)]
    );
    subject.advance(steps(1)).await;
    assert_eq!(cache.get_many(keys).await.unwrap(), [None, None, Some(3)]);
    subject.advance(steps(1_000_000)).await;
    assert_eq!(cache.get_many(keys).await.unwrap(), [None, None, Some(3)]);
}

pub async fn a_ttl_is_kept_to_the_millisecond(subject: &Subject) {
    let cache = subject.cache();
    // A backend that cuts to seconds is off by 999 ms, one that rounds 499 down by as much.
    for millis in [1_000_999, 1_000_499, 1_000_001] {
        let given = Duration::from_millis(millis);
        let before = Instant::now();
        cache.set("key", &1).ttl(given).await.unwrap();
        let ttl = cache.ttl("key").await.unwrap();
        let passed = before.elapsed();
        let TimeToLive::Left(left) = ttl else {
            panic!("the entry expires, and is {ttl:?}");
        };
        // Clocks that count whole milliseconds are off by one at each reading.
        let slack = Duration::from_millis(2);
        assert!(left <= given + slack, "{left:?} are left of {given:?}");
        assert!(
            left + passed + slack >= given,
            "{left:?} are left of {given:?}"
        );
    }
}

pub async fn a_short_ttl_passes_by_itself(subject: &Subject) {
    let cache = subject.cache();
    let before = Instant::now();
    cache
        .set("key", &1)
        .ttl(Duration::from_millis(50))
        .await
        .unwrap();
    until(async || cache.get::<i64>("key").await.unwrap().is_none()).await;
    let lived = before.elapsed();
    assert!(
        lived >= Duration::from_millis(45),
        "the entry lived for {lived:?} only"
    );
    assert!(!cache.exists("key").await.unwrap());
    assert_eq!(cache.ttl("key").await.unwrap(), TimeToLive::Missing);
    assert!(!cache.delete("key").await.unwrap());
}

pub async fn what_the_ttl_calls_missing_is_missing_for_all(subject: &Subject) {
    let cache = subject.cache();
    // One look may miss the last millisecond of an entry; of many, some do not.
    for round in 0..30 {
        let ttl = Duration::from_millis(3);
        cache.set("key", &round).ttl(ttl).await.unwrap();
        // Without a sleep in between, since the first look that finds nothing is the one that counts.
        while cache.ttl("key").await.unwrap() != TimeToLive::Missing {
            tokio::task::yield_now().await;
        }
        assert!(!cache.exists("key").await.unwrap(), "round {round}");
        let value = cache.get::<i64>("key").await.unwrap();
        assert_eq!(value, None, "round {round}");
        assert!(cache.add("key", &round).await.unwrap(), "round {round}");
    }
}

pub async fn the_longest_ttl_is_accepted_by_every_write(subject: &Subject) {
    let longest = Duration::from_millis(Expiry::MAX_MILLIS);
    let cache = subject.cache_with(|builder| builder.default_ttl(longest));
    cache.set("set", &1).await.unwrap();
    cache.set("set-ttl", &1).ttl(longest).await.unwrap();
    cache.add("add", &1).await.unwrap();
    cache.increment("increment", 1).await.unwrap();
    cache.set_many([("many", 1)]).await.unwrap();
    cache.compare_and_set("cas-none", None, &1).await.unwrap();
    cache.set("cas", &0).ttl(steps(1)).await.unwrap();
    assert!(cache.compare_and_set("cas", Some(&0), &1).await.unwrap());
    cache.set("expire", &1).ttl(steps(1)).await.unwrap();
    assert!(cache.expire("expire", longest).await.unwrap());
    let a_million_years = Duration::from_secs(1_000_000 * 365 * 24 * 3600);
    for key in [
        "set",
        "set-ttl",
        "add",
        "increment",
        "many",
        "cas-none",
        "cas",
        "expire",
    ] {
        assert_eq!(cache.get::<i64>(key).await.unwrap(), Some(1), "{key}");
        let ttl = cache.ttl(key).await.unwrap();
        assert!(
            matches!(ttl, TimeToLive::Left(left) if left > a_million_years),
            "{key}: {ttl:?}"
        );
    }
}

pub async fn an_expired_entry_counts_for_no_operation(subject: &Subject) {
    let cache = subject.cache();
    let keys = [
        "get",
        "get_shared",
        "get_bytes",
        "get_many",
        "exists",
        "ttl",
        "take",
        "delete",
        "delete_many",
        "expire",
        "expire-zero",
        "persist",
    ];
    let entries = keys.map(|key| (key, 1));
    cache.set_many(entries).ttl(steps(1)).await.unwrap();
    subject.advance(steps(1)).await;
    assert_eq!(cache.get::<i64>("get").await.unwrap(), None);
    assert_eq!(cache.get_shared::<i64>("get_shared").await.unwrap(), None);
    assert_eq!(cache.get_bytes("get_bytes").await.unwrap(), None);
    assert_eq!(cache.get_many::<i64>(["get_many"]).await.unwrap(), [None]);
    assert!(!cache.exists("exists").await.unwrap());
    assert_eq!(cache.ttl("ttl").await.unwrap(), TimeToLive::Missing);
    assert_eq!(cache.take::<i64>("take").await.unwrap(), None);
    assert!(!cache.delete("delete").await.unwrap());
    assert_eq!(cache.delete_many(["delete_many"]).await.unwrap(), 0);
    assert!(!cache.expire("expire", steps(5)).await.unwrap());
    assert!(!cache.expire("expire-zero", Duration::ZERO).await.unwrap());
    assert!(!cache.persist("persist").await.unwrap());
    for key in keys {
        assert!(
            !cache.exists(key).await.unwrap(),
            "{key} is not brought back"
        );
    }
}

pub async fn an_expired_entry_stands_in_the_way_of_no_write(subject: &Subject) {
    let cache = subject.cache_with(|builder| builder.default_ttl(steps(7)));
    let keys = ["add", "increment", "cas", "cas-none", "set"];
    cache
        .set_many(keys.map(|key| (key, 40)))
        .ttl(steps(1))
        .await
        .unwrap();
    subject.advance(steps(1)).await;
    assert!(cache.add("add", &1).await.unwrap());
    assert_eq!(cache.increment("increment", 1).await.unwrap(), 1);
    assert!(!cache.compare_and_set("cas", Some(&40), &1).await.unwrap());
    assert!(!cache.exists("cas").await.unwrap());
    assert!(cache.compare_and_set("cas-none", None, &1).await.unwrap());
    cache.set("set", &1).await.unwrap();
    for key in ["add", "increment", "cas-none", "set"] {
        assert_eq!(cache.get::<i64>(key).await.unwrap(), Some(1), "{key}");
        assert_eq!(coarse(cache.ttl(key).await.unwrap()), left(7), "{key}");
    }
}
