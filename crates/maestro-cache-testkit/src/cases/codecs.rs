//! Codecs: what each refuses, what stands in the store, and handles that do not agree.

use std::collections::BTreeMap;

use maestro_cache_core::{Codec, ErrorKind, Outcome};

use super::{each_codec, refused};
use crate::Subject;
use crate::coarse::{coarse, left, steps};

/// Floats that JSON cannot hold.
const NOT_FINITE: [f64; 3] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];

pub async fn json_refuses_nan_and_infinities_and_changes_nothing(subject: &Subject) {
    for codec in [Codec::Json, Codec::JsonLegacyPythonStrings] {
        let cache = subject.cache_with(|builder| builder.codec(codec));
        cache.set("key", &1.5).ttl(steps(3)).await.unwrap();
        for float in NOT_FINITE {
            assert_eq!(refused(cache.set("key", &float).await), ErrorKind::Encode);
            assert_eq!(
                refused(cache.set("key", &[Some(float)]).await),
                ErrorKind::Encode
            );
            assert_eq!(refused(cache.add("new", &float).await), ErrorKind::Encode);
            let swapped = cache.compare_and_set("key", Some(&1.5), &float).await;
            assert_eq!(refused(swapped), ErrorKind::Encode);
            let swapped = cache.compare_and_set("key", Some(&float), &1.5).await;
            assert_eq!(refused(swapped), ErrorKind::Encode);
            let batch = cache.set_many([("key", 2.5), ("new", float)]).await;
            assert_eq!(refused(batch), ErrorKind::Encode);
        }
        assert_eq!(cache.get::<f64>("key").await.unwrap(), Some(1.5));
        assert_eq!(coarse(cache.ttl("key").await.unwrap()), left(3));
        assert!(!cache.exists("new").await.unwrap());
    }
}

pub async fn messagepack_takes_nan_and_infinities(subject: &Subject) {
    let cache = subject.cache();
    for float in NOT_FINITE {
        cache.set("key", &float).await.unwrap();
        let read = cache.get::<f64>("key").await.unwrap().unwrap();
        assert_eq!(read.to_bits(), float.to_bits());
    }
}

pub async fn a_value_that_cannot_be_written_names_key_and_outcome(subject: &Subject) {
    let cache = subject.cache_with(|builder| builder.codec(Codec::Json));
    let no_text_as_key = BTreeMap::from([((1, 2), 3)]);
    let error = cache.set("key", &no_text_as_key).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Encode);
    assert_eq!(error.key(), Some("key"));
    assert_eq!(error.outcome(), Outcome::NotApplied);
    assert!(!cache.exists("key").await.unwrap());
}

pub async fn a_top_level_integer_is_decimal_text_under_every_codec(subject: &Subject) {
    each_codec(subject, async |cache| {
        for integer in [0, 5, -1, i64::MAX, i64::MIN] {
            cache.set("key", &integer).await.unwrap();
            let stored = cache.get_bytes("key").await.unwrap().unwrap();
            assert_eq!(stored, integer.to_string());
        }
    })
    .await;
}

pub async fn json_is_stored_as_plain_json(subject: &Subject) {
    let cache = subject.cache_with(|builder| builder.codec(Codec::Json));
    cache.set("key", &("é", None::<i64>, 1.0)).await.unwrap();
    let stored = cache.get_bytes("key").await.unwrap().unwrap();
    assert_eq!(stored, "[\"é\",null,1.0]");
}

pub async fn bare_text_is_read_only_where_the_handle_allows_it(subject: &Subject) {
    let json = subject.cache_with(|builder| builder.codec(Codec::Json));
    let legacy = subject.cache_with(|builder| builder.codec(Codec::JsonLegacyPythonStrings));
    json.set_bytes("key", "bare text").await.unwrap();
    assert_eq!(refused(json.get::<String>("key").await), ErrorKind::Decode);
    assert_eq!(
        legacy.get::<String>("key").await.unwrap().as_deref(),
        Some("bare text")
    );
    assert_eq!(refused(legacy.get::<i64>("key").await), ErrorKind::Decode);
}

pub async fn handles_of_different_codecs_do_not_read_each_other_wrongly(subject: &Subject) {
    let json = subject.cache_with(|builder| builder.codec(Codec::Json));
    let messagepack = subject.cache();
    json.set("key", "text").await.unwrap();
    assert_eq!(
        refused(messagepack.get::<String>("key").await),
        ErrorKind::Decode
    );
    assert_eq!(
        refused(messagepack.get_shared::<String>("key").await),
        ErrorKind::Decode
    );
    messagepack.set("key", "text").await.unwrap();
    assert_eq!(refused(json.get::<String>("key").await), ErrorKind::Decode);
}
