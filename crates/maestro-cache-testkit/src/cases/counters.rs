//! Counters: decimal text under every codec, created with a time to live, never damaged.

use maestro_cache_core::{ErrorKind, Operation, Outcome, TimeToLive, Ttl};

use super::{each_codec, refused};
use crate::Subject;
use crate::coarse::{coarse, left, steps};

pub async fn increment_counts_from_zero(subject: &Subject) {
    let cache = subject.cache();
    assert_eq!(cache.increment("n", 1).await.unwrap(), 1);
    assert_eq!(cache.increment("n", 41).await.unwrap(), 42);
    assert_eq!(cache.increment("n", -50).await.unwrap(), -8);
    assert_eq!(cache.get::<i64>("n").await.unwrap(), Some(-8));
}

pub async fn decrement_counts_down_from_zero(subject: &Subject) {
    let cache = subject.cache();
    assert_eq!(cache.decrement("n", 3).await.unwrap(), -3);
    assert_eq!(cache.decrement("n", -5).await.unwrap(), 2);
    assert_eq!(cache.increment("n", 1).await.unwrap(), 3);
}

pub async fn an_increment_by_zero_creates_the_counter(subject: &Subject) {
    let cache = subject.cache();
    assert_eq!(cache.increment("n", 0).await.unwrap(), 0);
    assert_eq!(cache.get::<i64>("n").await.unwrap(), Some(0));
}

pub async fn set_increment_and_get_work_together(subject: &Subject) {
    each_codec(subject, async |cache| {
        cache.set("n", &5_i64).await.unwrap();
        assert_eq!(cache.increment("n", 1).await.unwrap(), 6);
        assert_eq!(cache.get::<i64>("n").await.unwrap(), Some(6));
        assert_eq!(cache.get::<u64>("n").await.unwrap(), Some(6));
        assert_eq!(cache.get::<i32>("n").await.unwrap(), Some(6));
        assert_eq!(cache.get::<u8>("n").await.unwrap(), Some(6));
        assert_eq!(cache.get::<Option<i64>>("n").await.unwrap(), Some(Some(6)));
        assert_eq!(cache.get_many::<i64>(["n"]).await.unwrap(), [Some(6)]);
        assert_eq!(cache.take::<i64>("n").await.unwrap(), Some(6));
    })
    .await;
}

pub async fn integers_of_every_width_are_counters(subject: &Subject) {
    each_codec(subject, async |cache| {
        cache.set("n", &7_u64).await.unwrap();
        assert_eq!(cache.increment("n", 1).await.unwrap(), 8);
        cache.set("n", &-7_i8).await.unwrap();
        assert_eq!(cache.increment("n", 1).await.unwrap(), -6);
        cache.set("n", &Some(7_i32)).await.unwrap();
        assert_eq!(cache.decrement("n", 1).await.unwrap(), 6);
        cache.set_many([("n", 7_u16)]).await.unwrap();
        assert_eq!(cache.increment("n", 1).await.unwrap(), 8);
        assert!(cache.add("added", &7).await.unwrap());
        assert_eq!(cache.increment("added", 1).await.unwrap(), 8);
    })
    .await;
}

pub async fn a_counter_is_compared_as_an_integer(subject: &Subject) {
    each_codec(subject, async |cache| {
        assert_eq!(cache.increment("n", 5).await.unwrap(), 5);
        assert!(!cache.compare_and_set("n", Some(&4), &9).await.unwrap());
        assert!(cache.compare_and_set("n", Some(&5), &9).await.unwrap());
        assert_eq!(cache.increment("n", 1).await.unwrap(), 10);
    })
    .await;
}

pub async fn increment_keeps_the_ttl(subject: &Subject) {
    let cache = subject.cache_with(|builder| builder.default_ttl(steps(7)));
    cache.set("n", &1).ttl(steps(3)).await.unwrap();
    cache.increment("n", 1).await.unwrap();
    assert_eq!(coarse(cache.ttl("n").await.unwrap()), left(3));
    subject.advance(steps(1)).await;
    cache.increment("n", 1).ttl(steps(9)).await.unwrap();
    cache.decrement("n", 1).ttl(Ttl::Never).await.unwrap();
    assert_eq!(
        coarse(cache.ttl("n").await.unwrap()),
        left(2),
        "whatever it is given"
    );
    subject.advance(steps(2)).await;
    assert!(!cache.exists("n").await.unwrap(), "and so it ends");
}

pub async fn increment_gives_no_expiry_to_a_counter_without_one(subject: &Subject) {
    let cache = subject.cache();
    cache.set("n", &1).ttl(Ttl::Never).await.unwrap();
    cache.increment("n", 1).ttl(steps(2)).await.unwrap();
    cache.decrement("n", 1).await.unwrap();
    assert_eq!(cache.ttl("n").await.unwrap(), TimeToLive::NoExpiry);
}

pub async fn a_ttl_holds_at_the_creation_of_a_counter(subject: &Subject) {
    let cache = subject.cache_with(|builder| builder.default_ttl(steps(7)));
    cache.increment("default", 1).await.unwrap();
    cache.increment("given", 1).ttl(steps(2)).await.unwrap();
    cache.increment("never", 1).ttl(Ttl::Never).await.unwrap();
    assert_eq!(coarse(cache.ttl("default").await.unwrap()), left(7));
    assert_eq!(coarse(cache.ttl("given").await.unwrap()), left(2));
    assert_eq!(cache.ttl("never").await.unwrap(), TimeToLive::NoExpiry);
}

pub async fn a_counter_that_expired_begins_anew(subject: &Subject) {
    let cache = subject.cache();
    cache.increment("n", 40).ttl(steps(1)).await.unwrap();
    subject.advance(steps(1)).await;
    assert_eq!(cache.increment("n", 1).ttl(steps(4)).await.unwrap(), 1);
    assert_eq!(coarse(cache.ttl("n").await.unwrap()), left(4));
}

pub async fn what_is_no_canonical_integer_is_refused_and_kept(subject: &Subject) {
    let cache = subject.cache();
    for bytes in [
        "",
        " ",
        " 1",
        "1 ",
        "1\n",
        "\n1",
        "1\0",
        "+1",
        "+0",
        "01",
        "007",
        "-0",
        "-",
        "--1",
        "-01",
        "- 1",
        "1.5",
        "1.0",
        "1e3",
        "0x1f",
        "1_000",
        "one",
        "\"5\"",
        "null",
        "true",
        "NaN",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551615",
        "99999999999999999999999999",
        "00000000000000000000000001",
        "١",
    ] {
        cache.set_bytes("n", bytes).ttl(steps(3)).await.unwrap();
        for result in [
            cache.increment("n", 1).await,
            cache.increment("n", 0).await,
            cache.decrement("n", 1).await,
        ] {
            assert_eq!(refused(result), ErrorKind::NotAnInteger, "{bytes:?}");
        }
        assert_eq!(cache.get_bytes("n").await.unwrap().unwrap(), bytes);
        assert_eq!(coarse(cache.ttl("n").await.unwrap()), left(3), "{bytes:?}");
    }
}

pub async fn bytes_that_are_no_text_are_no_counter(subject: &Subject) {
    let cache = subject.cache();
    for bytes in [&b"\xff"[..], b"\x05", b"1\xff", b"\xd3\0\0\0\0\0\0\0\x01"] {
        cache.set_bytes("n", bytes.to_vec()).await.unwrap();
        assert_eq!(
            refused(cache.increment("n", 1).await),
            ErrorKind::NotAnInteger
        );
        assert_eq!(cache.get_bytes("n").await.unwrap().unwrap(), bytes);
    }
}

pub async fn values_of_other_types_are_no_counters(subject: &Subject) {
    each_codec(subject, async |cache| {
        cache.set("text", "5").await.unwrap();
        cache.set("float", &5.0).await.unwrap();
        cache.set("bool", &true).await.unwrap();
        cache.set("null", &None::<i64>).await.unwrap();
        cache.set("list", &[5]).await.unwrap();
        for key in ["text", "float", "bool", "null", "list"] {
            let error = cache.increment(key, 1).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotAnInteger, "{key}");
            assert_eq!(error.key(), Some(key));
            assert_eq!(error.operation(), Some(Operation::Increment));
            assert_eq!(error.outcome(), Outcome::NotApplied);
        }
        assert_eq!(
            cache.get::<String>("text").await.unwrap().as_deref(),
            Some("5")
        );
        assert_eq!(cache.get::<f64>("float").await.unwrap(), Some(5.0));
    })
    .await;
}

pub async fn a_counter_reaches_both_ends_and_not_beyond(subject: &Subject) {
    let cache = subject.cache();
    cache
        .set("high", &(i64::MAX - 1))
        .ttl(steps(3))
        .await
        .unwrap();
    cache
        .set("low", &(i64::MIN + 1))
        .ttl(steps(3))
        .await
        .unwrap();
    assert_eq!(cache.increment("high", 1).await.unwrap(), i64::MAX);
    assert_eq!(cache.decrement("low", 1).await.unwrap(), i64::MIN);
    for by in [1, 2, i64::MAX] {
        assert_eq!(
            refused(cache.increment("high", by).await),
            ErrorKind::Overflow
        );
        assert_eq!(
            refused(cache.decrement("low", by).await),
            ErrorKind::Overflow
        );
    }
    assert_eq!(
        refused(cache.increment("low", i64::MIN).await),
        ErrorKind::Overflow
    );
    assert_eq!(cache.get::<i64>("high").await.unwrap(), Some(i64::MAX));
    assert_eq!(cache.get::<i64>("low").await.unwrap(), Some(i64::MIN));
    assert_eq!(coarse(cache.ttl("high").await.unwrap()), left(3));
    assert_eq!(
        cache.increment("high", i64::MIN).await.unwrap(),
        -1,
        "and all the way back"
    );
    assert_eq!(cache.increment("low", i64::MAX).await.unwrap(), -1);
}

pub async fn a_counter_may_start_at_either_end(subject: &Subject) {
    let cache = subject.cache();
    assert_eq!(cache.increment("high", i64::MAX).await.unwrap(), i64::MAX);
    assert_eq!(cache.increment("low", i64::MIN).await.unwrap(), i64::MIN);
    assert_eq!(cache.get::<i64>("low").await.unwrap(), Some(i64::MIN));
    assert_eq!(cache.decrement("other", i64::MAX).await.unwrap(), -i64::MAX);
}

pub async fn subtracting_the_least_integer_is_an_overflow(subject: &Subject) {
    let cache = subject.cache();
    let error = cache.decrement("missing", i64::MIN).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Overflow);
    assert_eq!(error.operation(), Some(Operation::Decrement));
    assert!(
        !cache.exists("missing").await.unwrap(),
        "nothing is created"
    );
    cache.set("n", &-1).await.unwrap();
    assert_eq!(
        refused(cache.decrement("n", i64::MIN).await),
        ErrorKind::Overflow
    );
    assert_eq!(cache.get::<i64>("n").await.unwrap(), Some(-1));
}
