//! The same random calls through handles, on a backend and on the reference model.
//!
//! What only a handle does occurs here: default times to live, prefixes in each other, values that
//! are decoded, shared and refused one by one.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use maestro_cache_core::{Cache, CacheBackend, Result, Ttl};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestCaseError;

use super::explore;
use crate::coarse::{coarse, steps};
use crate::conformance::runtime;
use crate::subject::fresh_prefix;
use crate::{Fixture, ModelBackend};

/// The prefixes of the handles; each has a default time to live of its own.
const PREFIXES: [&str; 3] = ["", "a", "a*"];

/// Few keys, so that calls meet; some are what others are with their prefix.
const KEYS: [&str; 4] = ["a", "b", "*a", "aa"];

/// A call on one handle: those that `Operation` lacks, and what they need to meet something.
#[derive(Clone, Debug)]
enum Call {
    Get(&'static str),
    GetShared(&'static str),
    GetManyEach(Vec<&'static str>),
    Set(&'static str, i64, Ttl),
    SetText(&'static str, Ttl),
    SetMany(Vec<(&'static str, i64)>, Ttl),
    Decrement(&'static str, i64, Ttl),
    TimeToLive(&'static str),
    /// After so many steps; zero removes the entry.
    Expire(&'static str, u32),
    ClearAll,
    /// So many steps of time pass.
    Advance(u32),
}

/// Makes random calls on several handles of a backend and on the same handles of the reference
/// model, until `operations` are done, and compares every answer.
///
/// [`check_histories`](crate::check_histories) asks the backend itself; this asks what services
/// ask. It reads the same variables.
///
/// # Examples
///
/// ```
/// use maestro_cache_testkit::{ModelBackend, check_handles};
///
/// check_handles(ModelBackend::new, 2000);
/// ```
///
/// # Panics
///
/// If an answer differs; the text holds the shortest history found that shows it.
pub fn check_handles<F: Fixture>(fixture: impl Fn() -> F, operations: usize) {
    let runtime = runtime();
    let (fixture, backend) = runtime.block_on(async {
        let fixture = fixture();
        let backend = fixture.backend();
        (fixture, backend)
    });
    let calls = (0..PREFIXES.len(), call());
    explore("handles", backend.name(), calls, operations, |history| {
        runtime.block_on(side_by_side(history, &fixture, &backend))
    });
}

async fn side_by_side(
    history: &[(usize, Call)],
    fixture: &impl Fixture,
    backend: &Arc<dyn CacheBackend>,
) -> Result<(), TestCaseError> {
    let prefix = fresh_prefix();
    let model = ModelBackend::new();
    let tested = handles(backend, &prefix);
    let reference = handles(&model.backend(), &prefix);
    for (number, (handle, call)) in history.iter().enumerate() {
        if let Call::Advance(count) = call {
            fixture.advance(&prefix, steps(*count)).await;
            model.advance_clock(steps(*count));
        }
        let answer = answer(call, &tested[*handle]).await;
        let expected = self::answer(call, &reference[*handle]).await;
        if answer != expected {
            return Err(TestCaseError::fail(format!(
                "call {number}, {call:?} behind {:?}: the backend answers {answer}, the contract \
                 is {expected}",
                PREFIXES[*handle]
            )));
        }
    }
    // Whatever is left goes here, or expires where nobody looks.
    let left = answer(&Call::ClearAll, &tested[0]).await;
    let expected = answer(&Call::ClearAll, &reference[0]).await;
    prop_assert_eq!(left, expected, "the number of entries that are left");
    Ok(())
}

fn handles(backend: &Arc<dyn CacheBackend>, prefix: &str) -> Vec<Cache> {
    let ttls = [Ttl::Never, steps(1).into(), steps(3).into()];
    let handles = PREFIXES.iter().zip(ttls).map(|(own_prefix, ttl)| {
        let builder = Cache::builder(Arc::clone(backend))
            .key_prefix([prefix, own_prefix].concat())
            .default_ttl(ttl)
            // Much time, so that a slow machine fails no history.
            .timeout(Duration::from_secs(30));
        builder.build().expect("the settings are right")
    });
    handles.collect()
}

/// What a handle answers, as text, so that answers of all types can be compared.
async fn answer(call: &Call, cache: &Cache) -> String {
    match call {
        Call::Get(key) => shown(cache.get::<i64>(key).await),
        Call::GetShared(key) => shown(cache.get_shared::<i64>(key).await),
        Call::GetManyEach(keys) => {
            let values = cache.get_many_each::<i64>(keys).await;
            shown(values.map(|values| values.into_iter().map(shown).collect::<Vec<_>>()))
        }
        Call::Set(key, value, ttl) => shown(cache.set(key, value).ttl(*ttl).await),
        Call::SetText(key, ttl) => shown(cache.set(key, "text").ttl(*ttl).await),
        Call::SetMany(entries, ttl) => {
            shown(cache.set_many(entries.iter().copied()).ttl(*ttl).await)
        }
        Call::Decrement(key, by, ttl) => shown(cache.decrement(key, *by).ttl(*ttl).await),
        Call::TimeToLive(key) => shown(cache.ttl(key).await.map(coarse)),
        Call::Expire(key, count) => shown(cache.expire(key, steps(*count)).await),
        Call::ClearAll => shown(cache.clear_all().await),
        Call::Advance(_) => String::new(),
    }
}

fn shown<T: Debug>(result: Result<T>) -> String {
    match result {
        Ok(answer) => format!("{answer:?}"),
        Err(error) => format!("{:?}, {:?}", error.kind(), error.outcome()),
    }
}

fn call() -> impl Strategy<Value = Call> {
    let key = || select(&KEYS[..]);
    let value = || select(vec![0, 0, 1, -1, i64::MAX, i64::MIN]);
    let ttl = || {
        prop_oneof![
            2 => Just(Ttl::Default),
            1 => Just(Ttl::Never),
            1 => (1..=3_u32).prop_map(|count| steps(count).into()),
        ]
    };
    prop_oneof![
        3 => key().prop_map(Call::Get),
        3 => key().prop_map(Call::GetShared),
        2 => vec(key(), 0..5).prop_map(Call::GetManyEach),
        3 => (key(), value(), ttl()).prop_map(|(key, value, ttl)| Call::Set(key, value, ttl)),
        2 => (key(), ttl()).prop_map(|(key, ttl)| Call::SetText(key, ttl)),
        2 => (vec((key(), value()), 0..4), ttl())
            .prop_map(|(entries, ttl)| Call::SetMany(entries, ttl)),
        3 => (key(), value(), ttl()).prop_map(|(key, by, ttl)| Call::Decrement(key, by, ttl)),
        3 => key().prop_map(Call::TimeToLive),
        3 => (key(), 0..=3_u32).prop_map(|(key, count)| Call::Expire(key, count)),
        1 => Just(Call::ClearAll),
        3 => (1..=2_u32).prop_map(Call::Advance),
    ]
}
