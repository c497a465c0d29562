//! Values: all shapes come back, another type is an error that changes nothing.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};

use futures_util::FutureExt;
use maestro_cache_core::{Cache, ErrorKind, Operation, Outcome};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::each_codec;
use crate::Subject;
use crate::coarse::{coarse, left, steps};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
    age: u8,
    tags: Vec<String>,
    score: Option<f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Point,
    Circle(f64),
    Rectangle { width: u32, height: u32 },
}

#[derive(Serialize)]
struct Narrow {
    name: String,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Wide {
    name: String,
    #[serde(default)]
    tags: Vec<String>,
}

/// A value whose own code panics, both ways.
#[derive(Debug)]
struct Bomb;

impl Serialize for Bomb {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        panic!("the value's own code panics, as this case wants it")
    }
}

impl<'de> Deserialize<'de> for Bomb {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("the value's own code panics, as this case wants it")
    }
}

fn user() -> User {
    User {
        name: "Zoë \"the\" 🦀".to_owned(),
        age: 7,
        tags: vec![String::new(), "a\nb\0".to_owned()],
        score: None,
    }
}

async fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(cache: &Cache, value: T) {
    cache.set("value", &value).await.unwrap();
    let codec = cache.codec();
    assert_eq!(
        cache.get::<T>("value").await.unwrap().as_ref(),
        Some(&value),
        "{codec}"
    );
    assert_eq!(
        cache.take::<T>("value").await.unwrap(),
        Some(value),
        "{codec}"
    );
}

pub async fn values_of_all_shapes_come_back(subject: &Subject) {
    each_codec(subject, async |cache| {
        comes_back(&cache, user()).await;
        comes_back(&cache, Shape::Point).await;
        comes_back(&cache, Shape::Circle(0.1)).await;
        let (width, height) = (1, u32::MAX);
        comes_back(&cache, Shape::Rectangle { width, height }).await;
        comes_back(&cache, true).await;
        comes_back(&cache, 'é').await;
        comes_back(&cache, 1.5_f64).await;
        comes_back(&cache, -0.0_f64).await;
        comes_back(&cache, i64::MIN).await;
        comes_back(&cache, u64::MAX).await;
        comes_back(&cache, String::new()).await;
        comes_back(&cache, "5".to_owned()).await;
        comes_back(&cache, "null".to_owned()).await;
        comes_back(&cache, (1, "a".to_owned(), None::<i64>)).await;
        comes_back(&cache, vec![Some(user()), None]).await;
        comes_back(&cache, Vec::<i64>::new()).await;
        comes_back(&cache, HashMap::from([("é".to_owned(), vec![1])])).await;
        comes_back(&cache, BTreeMap::from([(1_u8, user())])).await;
    })
    .await;
}

pub async fn a_struct_may_gain_a_field(subject: &Subject) {
    each_codec(subject, async |cache| {
        let name = "a".to_owned();
        cache
            .set("old", &Narrow { name: name.clone() })
            .await
            .unwrap();
        let tags = vec![];
        assert_eq!(
            cache.get::<Wide>("old").await.unwrap(),
            Some(Wide { name, tags })
        );
    })
    .await;
}

pub async fn another_type_is_a_decode_error_and_the_entry_is_left_alone(subject: &Subject) {
    each_codec(subject, async |cache| {
        cache.set("user", &user()).ttl(steps(3)).await.unwrap();
        for error in [
            cache.get::<i64>("user").await.unwrap_err(),
            cache.get::<Vec<String>>("user").await.unwrap_err(),
            cache.get_shared::<i64>("user").await.map(drop).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Decode);
            assert_eq!(
                error.key(),
                Some("user"),
                "the key stands there without its prefix"
            );
            assert_eq!(error.operation(), Some(Operation::Get));
            assert_eq!(error.backend(), Some(cache.backend_name()));
            assert_eq!(error.outcome(), Outcome::NotApplied);
        }
        assert_eq!(cache.get::<User>("user").await.unwrap(), Some(user()));
        assert_eq!(coarse(cache.ttl("user").await.unwrap()), left(3));
    })
    .await;
}

pub async fn no_error_shows_a_value(subject: &Subject) {
    each_codec(subject, async |cache| {
        cache.set("key", "canary").await.unwrap();
        let error = cache.get::<i64>("key").await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"));
        let error = cache.increment("key", 1).await.unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"));
    })
    .await;
}

pub async fn taking_another_type_is_a_decode_error_and_the_entry_is_gone(subject: &Subject) {
    let cache = subject.cache();
    cache.set("key", "text").await.unwrap();
    let error = cache.take::<i64>("key").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert_eq!(error.outcome(), Outcome::Applied);
    assert!(
        !cache.exists("key").await.unwrap(),
        "what may be used once is not offered twice"
    );
}

pub async fn get_many_fails_as_a_whole_and_names_the_key(subject: &Subject) {
    each_codec(subject, async |cache| {
        cache.set("five", &5).await.unwrap();
        cache.set("text", "text").await.unwrap();
        let error = cache
            .get_many::<i64>(["five", "missing", "text"])
            .await
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Decode);
        assert_eq!(error.key(), Some("text"));
        assert_eq!(error.operation(), Some(Operation::GetMany));
    })
    .await;
}

pub async fn get_many_each_reports_every_key_by_itself(subject: &Subject) {
    each_codec(subject, async |cache| {
        cache.set("five", &5).await.unwrap();
        cache.set("text", "text").await.unwrap();
        let keys = ["text", "five", "missing", "text"];
        let each = cache.get_many_each::<i64>(keys).await.unwrap();
        assert_eq!(each.len(), keys.len());
        for number in [0, 3] {
            let error = each[number].as_ref().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Decode);
            assert_eq!(error.key(), Some("text"));
            assert_eq!(error.operation(), Some(Operation::GetMany));
        }
        assert_eq!(*each[1].as_ref().unwrap(), Some(5));
        assert_eq!(*each[2].as_ref().unwrap(), None);
    })
    .await;
}

pub async fn a_value_of_a_mebibyte_comes_back(subject: &Subject) {
    each_codec(subject, async |cache| {
        comes_back(&cache, "0123456789abcdef".repeat(1 << 16)).await;
    })
    .await;
}

pub async fn an_overwritten_value_is_wholly_replaced(subject: &Subject) {
    let cache = subject.cache();
    cache.set("key", &"long".repeat(1000)).await.unwrap();
    cache.set("key", "short").await.unwrap();
    assert_eq!(
        cache.get::<String>("key").await.unwrap().as_deref(),
        Some("short")
    );
    cache.set("key", &5).await.unwrap();
    assert_eq!(
        cache.get::<i64>("key").await.unwrap(),
        Some(5),
        "of another type"
    );
}

pub async fn a_panic_in_the_code_of_a_value_leaves_the_cache_as_it_was(subject: &Subject) {
    let cache = subject.cache();
    cache.set("key", &5).ttl(steps(3)).await.unwrap();
    for _ in 0..3 {
        let write = catch_unwind(AssertUnwindSafe(|| drop(cache.set("key", &Bomb))));
        assert!(write.is_err());
        let read = AssertUnwindSafe(cache.get::<Bomb>("key"))
            .catch_unwind()
            .await;
        assert!(read.is_err());
        let read = AssertUnwindSafe(cache.get_shared::<Bomb>("key"))
            .catch_unwind()
            .await;
        assert!(read.is_err());
        let read = AssertUnwindSafe(cache.get_many::<Bomb>(["key"]))
            .catch_unwind()
            .await;
        assert!(read.is_err());
    }
    assert_eq!(cache.get::<i64>("key").await.unwrap(), Some(5));
    assert_eq!(
        cache.get_shared::<i64>("key").await.unwrap().as_deref(),
        Some(&5)
    );
    assert_eq!(coarse(cache.ttl("key").await.unwrap()), left(3));
    assert_eq!(cache.increment("key", 1).await.unwrap(), 6);
}
