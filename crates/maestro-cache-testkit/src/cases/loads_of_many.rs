//! Loads of many keys: one call of the loader for those that are missing, and for each key what holds for
//! one alone.

use std::future::IntoFuture;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use maestro_cache_core::{ErrorKind, Expiry, Keeping, LoadError, LoadPolicy, TimeToLive, Ttl};

use super::loads::{Elsewhere, MINUTE, Source, ask, failing, joined, loading, stale};
use super::{each_codec, until};
use crate::Subject;

/// A source of many values, which notes what it was asked for.
#[derive(Default)]
struct Many {
    asked: std::sync::Mutex<Vec<Vec<String>>>,
}

impl Many {
    async fn read(&self, keys: Vec<String>) -> io::Result<Vec<(String, usize)>> {
        self.asked.lock().unwrap().push(keys.clone());
        tokio::task::yield_now().await;
        // In another order than asked for, and not all of them.
        let keys = keys.into_iter().rev().filter(|key| key != "nobody");
        Ok(keys.map(|key| (key.clone(), key.len())).collect())
    }

    fn asked(&self) -> Vec<Vec<String>> {
        self.asked.lock().unwrap().clone()
    }
}

pub async fn many_are_loaded_by_one_call_for_those_that_are_missing(subject: &Subject) {
    each_codec(subject, async |cache| {
        let source = Many::default();
        cache.set("there", &100_usize).await.unwrap();
        let keys = ["a", "there", "nobody", "bb", "a"];
        let load = cache.get_or_compute_many(keys, |keys| source.read(keys));
        let values = load.ttl(MINUTE).await.unwrap();
        assert_eq!(values, [Some(1), Some(100), None, Some(2), Some(1)]);
        let mut asked = source.asked();
        assert_eq!(asked.len(), 1);
        asked[0].sort();
        assert_eq!(asked[0], ["a", "bb", "nobody"]);
        let kept = cache
            .get_many::<usize>(["a", "bb", "nobody"])
            .await
            .unwrap();
        assert_eq!(kept, [Some(1), Some(2), None]);
        assert!(matches!(
            cache.ttl("bb").await.unwrap(),
            TimeToLive::Left(left) if left <= MINUTE
        ));
    })
    .await;
}

pub async fn no_key_needs_no_loader(subject: &Subject) {
    let cache = subject.cache();
    let source = Many::default();
    cache.set("a", &7_usize).await.unwrap();
    let none: [&str; 0] = [];
    let values = cache
        .get_or_compute_many(none, |keys| source.read(keys))
        .await;
    assert_eq!(values.unwrap(), []);
    let values = cache
        .get_or_compute_many(["a", "a"], |keys| source.read(keys))
        .await;
    assert_eq!(values.unwrap(), [Some(7), Some(7)]);
    assert!(source.asked().is_empty());
}

pub async fn thousands_are_loaded_by_one_call(subject: &Subject) {
    let cache = subject.cache();
    let source = Many::default();
    let keys: Vec<String> = (0..3000).map(|number| format!("key-{number}")).collect();
    let values = cache
        .get_or_compute_many(&keys, |keys| source.read(keys))
        .await;
    let expected: Vec<_> = keys.iter().map(|key| Some(key.len())).collect();
    assert_eq!(values.unwrap(), expected);
    assert_eq!(source.asked().len(), 1);
    assert_eq!(cache.get_many::<usize>(&keys).await.unwrap(), expected);
}

pub async fn what_others_load_is_not_loaded_by_a_call_for_many(subject: &Subject) {
    let cache = subject.cache();
    let single = Source::closed();
    let other = ask(&cache, &single);
    single.was_asked(1).await;
    let many = Arc::new(Many::default());
    let batch = {
        let (cache, many) = (cache.clone(), Arc::clone(&many));
        tokio::spawn(async move {
            let load = cache.get_or_compute_many(["a", "key"], |keys| {
                let many = Arc::clone(&many);
                async move {
                    let loaded = many.read(keys).await?;
                    Ok::<_, io::Error>(loaded.into_iter().map(|(key, value)| (key, value as u64)))
                }
            });
            load.await
        })
    };
    // Its own key is loaded, and can be had by others, while it waits for the other one.
    until(async || cache.get::<u64>("a").await.unwrap() == Some(1)).await;
    single.answer(1);
    assert_eq!(batch.await.unwrap().unwrap(), [Some(1), Some(1)]);
    assert_eq!(other.await.unwrap().unwrap(), 1);
    assert_eq!(many.asked(), [["a"]]);
    assert_eq!(cache.load_counts().joined, 1, "it was woken");
}

pub async fn a_key_that_is_left_out_is_loaded_by_whoever_waits_for_it_alone(subject: &Subject) {
    let cache = subject.cache();
    let source = Source::open();
    let load = cache.get_or_compute_many(["a", "key"], async |_: Vec<String>| {
        joined(&cache, 1).await;
        Ok::<_, io::Error>([("a", 7_u64)])
    });
    let alone = async {
        loading(&cache, 2).await;
        ask(&cache, &source).await.unwrap()
    };
    let (many, alone) = tokio::join!(load.into_future(), alone);
    assert_eq!((many.unwrap(), alone.unwrap()), (vec![Some(7), None], 1));
    let kept = cache.get::<u64>("key").await.unwrap();
    assert_eq!(kept, Some(1), "nothing is in its way");
    assert_eq!(cache.load_counts().failures, 0);
}

pub async fn the_rest_of_many_is_loaded_while_another_process_loads_some(subject: &Subject) {
    let cache = subject.cache();
    let other = Elsewhere::claims(subject, "key").await;
    let source = Many::default();
    let keys = ["a", "key"];
    let values = cache.get_or_compute_many(keys, async |keys| {
        let loaded = source.read(keys).await;
        other.publish("9", Keeping::plain(Expiry::Never)).await;
        loaded
    });
    assert_eq!(values.await.unwrap(), [Some(1), Some(9)]);
    assert_eq!(source.asked(), [["a"]]);
}

pub async fn what_is_said_of_many_holds_for_each(subject: &Subject) {
    let cache = subject.cache();
    let keys: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    let load = async |keys: Vec<String>| {
        Ok::<_, io::Error>(keys.into_iter().map(|key| (key, 1_u64)).collect::<Vec<_>>())
    };
    let many = cache.get_or_compute_many(&keys, load);
    let policy = LoadPolicy::new().ttl(60 * MINUTE);
    many.policy(policy).jitter(50 * MINUTE).await.unwrap();
    let mut left = Vec::new();
    for key in &keys {
        match cache.ttl(key).await.unwrap() {
            TimeToLive::Left(value) => left.push(value),
            other => panic!("{other:?}"),
        }
    }
    left.sort();
    assert!(left[19] - left[0] > 5 * MINUTE, "{left:?}");

    let policy = LoadPolicy::new().ttl(Ttl::Never);
    let many = cache.get_or_compute_many(["for good"], load);
    many.policy(policy).await.unwrap();
    let ttl = cache.ttl("for good").await.unwrap();
    assert_eq!(ttl, TimeToLive::NoExpiry);

    let never = async |_: Vec<String>| std::future::pending::<io::Result<[(&str, u64); 1]>>().await;
    let many = cache.get_or_compute_many(["slow"], never);
    let late = many.timeout(Duration::from_millis(20)).await;
    assert!(matches!(late, Err(LoadError::TimedOut)), "{late:?}");

    let source = Many::default();
    let many = cache.get_or_compute_many(["new", ""], |keys| source.read(keys));
    assert!(matches!(
        many.await,
        Err(LoadError::Cache(error)) if error.kind() == ErrorKind::InvalidKey
    ));
    assert!(source.asked().is_empty());
}

pub async fn calls_for_many_that_overlap_load_each_key_once(subject: &Subject) {
    let cache = subject.cache();
    let source = Many::default();
    let keys: Vec<String> = (0..50).map(|number| format!("key-{number}")).collect();
    let calls = (0..20).map(|call| {
        let keys: Vec<_> = keys.iter().cycle().skip(call * 7).take(30).collect();
        let load = cache.get_or_compute_many(keys.clone(), |keys| source.read(keys));
        async move { (keys, load.await) }
    });
    for (keys, values) in join_all(calls).await {
        let expected: Vec<_> = keys.iter().map(|key| Some(key.len())).collect();
        assert_eq!(values.unwrap(), expected);
    }
    let mut asked = source.asked().concat();
    asked.sort();
    let mut once = keys.clone();
    once.sort();
    assert_eq!(asked, once);
}

pub async fn an_error_is_that_of_the_keys_that_were_to_be_loaded(subject: &Subject) {
    let cache = subject.cache();
    cache.set("there", &1_u64).await.unwrap();
    let fail = async |_: Vec<String>| Err::<Vec<(String, u64)>, _>(failing());
    let each = cache
        .get_or_compute_many(["a", "there", "b"], fail)
        .each()
        .await;
    assert!(matches!(
        &each[..],
        [
            Err(LoadError::Loader(_)),
            Ok(Some(1)),
            Err(LoadError::Loader(_))
        ]
    ));
    let whole = cache.get_or_compute_many(["a", "there"], fail).await;
    assert!(whole.unwrap_err().downcast_ref::<io::Error>().is_some());
    let source = Many::default();
    let values = cache
        .get_or_compute_many(["a"], |keys| source.read(keys))
        .await;
    assert_eq!(values.unwrap(), [Some(1)], "it is not kept");
}

pub async fn a_panic_in_a_loader_of_many_leaves_all_keys_usable(subject: &Subject) {
    let cache = subject.cache();
    let panicking = cache.clone();
    let load = async move {
        let panics =
            async |_: Vec<String>| -> io::Result<Vec<(String, u64)>> { panic!("on purpose") };
        panicking.get_or_compute_many(["a", "b"], panics).await
    };
    assert!(tokio::spawn(load).await.unwrap_err().is_panic());
    let source = Many::default();
    let values = cache
        .get_or_compute_many(["a", "b"], |keys| source.read(keys))
        .await;
    assert_eq!(values.unwrap(), [Some(1), Some(1)]);
}

pub async fn what_is_changed_while_many_are_loaded_is_not_overwritten(subject: &Subject) {
    let cache = subject.cache();
    let load = cache.get_or_compute_many(["a", "b", "c"], async |keys: Vec<String>| {
        cache.delete("a").await.unwrap();
        cache.set("b", &200_u64).await.unwrap();
        Ok::<_, io::Error>(keys.into_iter().map(|key| (key, 1_u64)).collect::<Vec<_>>())
    });
    assert_eq!(load.await.unwrap(), [Some(1), Some(1), Some(1)]);
    let kept = cache.get_many::<u64>(["a", "b", "c"]).await.unwrap();
    assert_eq!(kept, [None, Some(200), Some(1)]);
}

pub async fn a_loader_of_many_that_asks_for_its_own_keys_is_told(subject: &Subject) {
    let cache = subject.cache();
    let load = cache.get_or_compute_many(["a", "b"], async |keys: Vec<String>| {
        let inner = cache.get_or_compute("b", || async { Ok::<_, io::Error>(1_u64) });
        assert!(matches!(inner.await, Err(LoadError::Circular)));
        let around_a_corner = async |others: Vec<String>| {
            let inner = cache.get_or_compute("a", || async { Ok::<_, io::Error>(1_u64) });
            assert!(matches!(inner.await, Err(LoadError::Circular)));
            Ok::<_, io::Error>(
                others
                    .into_iter()
                    .map(|key| (key, 2_u64))
                    .collect::<Vec<_>>(),
            )
        };
        let others = cache.get_or_compute_many(["c", "d"], around_a_corner);
        assert_eq!(others.await.unwrap(), [Some(2), Some(2)]);
        // Its load can be joined no more, and it would not end with another one either.
        cache.delete("b").await.unwrap();
        let inner = cache.get_or_compute("b", || async { Ok::<_, io::Error>(1_u64) });
        assert!(matches!(inner.await, Err(LoadError::Circular)));
        Ok::<_, io::Error>(keys.into_iter().map(|key| (key, 1_u64)).collect::<Vec<_>>())
    });
    assert_eq!(load.await.unwrap(), [Some(1), Some(1)]);
}

/// It joins a load of another caller, who goes away, so that it falls to the very call that waits for it.
pub async fn a_loader_of_many_may_ask_for_what_its_call_has_to_load_later(subject: &Subject) {
    let cache = subject.cache();
    let source = Source::closed();
    let other = ask(&cache, &source);
    source.was_asked(1).await;
    let one = || async { Ok::<_, io::Error>(1_u64) };
    let many = async |keys: Vec<String>| {
        let inner = match &*keys {
            [only] if only == "another" => cache.get_or_compute("key", one).await.unwrap(),
            _ => 1,
        };
        Ok::<_, io::Error>(keys.into_iter().map(|key| (key, inner)).collect::<Vec<_>>())
    };
    let leave = async {
        until(async || cache.load_counts().joined >= 2).await;
        other.abort();
    };
    let load = cache.get_or_compute_many(["key", "another"], many);
    let (values, ()) = tokio::join!(load.into_future(), leave);
    assert_eq!(values.unwrap(), [Some(1), Some(1)]);
}

/// What each of a thousand keys has to do with each of a thousand others is nothing that takes long.
pub async fn many_can_be_loaded_while_many_are(subject: &Subject) {
    let cache = subject.cache();
    let outer: Vec<String> = (0..1000).map(|number| format!("outer:{number}")).collect();
    let inner: Vec<String> = (0..1000).map(|number| format!("inner:{number}")).collect();
    let load = cache.get_or_compute_many(&outer, async |keys: Vec<String>| {
        let load = cache.get_or_compute_many(&inner, async |keys: Vec<String>| {
            Ok::<_, io::Error>(keys.into_iter().map(|key| (key, 1_u64)).collect::<Vec<_>>())
        });
        let sum: u64 = load.await.unwrap().into_iter().flatten().sum();
        Ok::<_, io::Error>(keys.into_iter().map(|key| (key, sum)).collect::<Vec<_>>())
    });
    let values = load.await.unwrap();
    assert!(values.iter().all(|value| *value == Some(1000)));
}

pub async fn stale_values_are_served_for_those_of_many_that_fail(subject: &Subject) {
    let cache = subject.cache();
    stale(subject, &cache, 7).await;
    let fail = async |_: Vec<String>| Err::<Vec<(String, u64)>, _>(failing());
    let load = cache.get_or_compute_many(["key", "other"], fail);
    let each = load.stale_if_error(60 * MINUTE).each().await;
    assert!(matches!(
        &each[..],
        [Ok(Some(7)), Err(LoadError::Loader(_))]
    ));
}

pub async fn duplicates_of_a_key_that_is_left_out_ask_once(subject: &Subject) {
    let cache = subject.cache();
    let source = Many::default();
    let keys = ["nobody", "nobody", "a", "nobody"];
    let values = cache
        .get_or_compute_many(keys, |keys| source.read(keys))
        .await;
    assert_eq!(values.unwrap(), [None, None, Some(1), None]);
    assert_eq!(source.asked().len(), 1);
}
