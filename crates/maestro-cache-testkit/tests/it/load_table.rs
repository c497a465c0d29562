//! The table of `docs/loads.md`: one test a row, which asks under each policy.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use maestro_cache_core::{Cache, Error, ErrorKind, LoadError, LoadPolicy};
use maestro_cache_testkit::{FaultyBackend, ModelBackend};
use tokio::time::{Instant, sleep};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// What is in the cache: the value 1, or nothing.
#[derive(Clone, Copy, PartialEq)]
enum Stored {
    Fresh,
    Stale,
    Missing,
}

/// How the loader, which returns 2, behaves.
#[derive(Clone, Copy, PartialEq)]
enum Loading {
    Ok,
    Slow,
    Failing,
}

#[derive(Clone, Copy, PartialEq)]
enum Redis {
    Fine,
    Down,
}

/// What the caller gets, and when.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Gets {
    /// The stored value at once, live or not.
    Stored,
    /// The stored value after the soft time-out.
    StoredSoon,
    /// The new value, once it is loaded.
    New,
    Error,
}

use Gets::{Error as Fails, New, Stored as Old, StoredSoon as OldSoon};

const SOFT: Duration = Duration::from_millis(10);

/// The policies in the order of the table: none, stale while revalidate, stale if error, and that with a
/// soft timeout.
fn policies() -> [LoadPolicy; 4] {
    let plain = LoadPolicy::new().ttl(MINUTE);
    let if_error = plain.stale_if_error(HOUR);
    [
        plain,
        plain.stale_while_revalidate(HOUR),
        if_error,
        if_error.soft_timeout(SOFT),
    ]
}

async fn row(stored: Stored, loading: Loading, redis: Redis, expected: [Gets; 4]) {
    for (policy, expected) in policies().into_iter().zip(expected) {
        let model = ModelBackend::new();
        let faulty = FaultyBackend::new(Arc::new(model.clone()));
        let cache = Cache::new(faulty.clone());
        if stored != Stored::Missing {
            let load = cache.get_or_compute("key", || async { Ok::<_, io::Error>(1) });
            // By somebody who would have served it stale.
            load.policy(policies()[2]).await.unwrap();
        }
        if stored == Stored::Stale {
            model.advance_clock(2 * MINUTE);
        }
        if redis == Redis::Down {
            faulty.fail_with(Error::new(ErrorKind::Unavailable, "the server is down"));
        }
        let gets = ask(&cache, policy, loading).await;
        assert_eq!(gets, expected, "under {policy:?}");
        // A value that was live is not loaded; one that was served in place of another is loaded all the
        // same.
        sleep(2 * MINUTE).await;
        let loads = cache.load_counts().loads - u64::from(stored != Stored::Missing);
        let is_fresh = stored == Stored::Fresh && redis == Redis::Fine;
        assert_eq!(loads, u64::from(!is_fresh), "under {policy:?}");
    }
}

/// Asks, with a slow loader taking a minute of a clock that runs when nobody does.
async fn ask(cache: &Cache, policy: LoadPolicy, loading: Loading) -> Gets {
    let load = move || async move {
        match loading {
            Loading::Ok => Ok(2),
            Loading::Slow => {
                sleep(MINUTE).await;
                Ok(2)
            }
            Loading::Failing => Err(io::Error::other("the source is down")),
        }
    };
    let began = Instant::now();
    let value = cache.get_or_compute("key", load).policy(policy);
    let value = value.in_background().await;
    let took = began.elapsed();
    match value {
        Ok(1) if took < SOFT => Gets::Stored,
        Ok(1) if took < 2 * SOFT => Gets::StoredSoon,
        Ok(2) if (loading == Loading::Slow) == (took >= MINUTE) => New,
        Err(LoadError::Loader(_)) if took < SOFT => Gets::Error,
        other => panic!("{other:?} after {took:?}"),
    }
}

macro_rules! table {
    ($($row:ident: $stored:ident, $loading:ident, $redis:ident => $expected:expr;)*) => {$(
        #[tokio::test(start_paused = true)]
        async fn $row() {
            row(Stored::$stored, Loading::$loading, Redis::$redis, $expected).await;
        }
    )*};
}

table! {
    //                              policy: none, while revalidating, if error, with soft timeout
    fresh_ok: Fresh, Ok, Fine => [Old, Old, Old, Old];
    fresh_slow: Fresh, Slow, Fine => [Old, Old, Old, Old];
    fresh_failing: Fresh, Failing, Fine => [Old, Old, Old, Old];
    stale_ok: Stale, Ok, Fine => [New, Old, New, New];
    stale_slow: Stale, Slow, Fine => [New, Old, New, OldSoon];
    stale_failing: Stale, Failing, Fine => [Fails, Old, Old, Old];
    missing_ok: Missing, Ok, Fine => [New, New, New, New];
    missing_slow: Missing, Slow, Fine => [New, New, New, New];
    missing_failing: Missing, Failing, Fine => [Fails, Fails, Fails, Fails];
    // Whatever is stored, nobody can know.
    fresh_ok_without_redis: Fresh, Ok, Down => [New, New, New, New];
    fresh_slow_without_redis: Fresh, Slow, Down => [New, New, New, New];
    fresh_failing_without_redis: Fresh, Failing, Down => [Fails, Fails, Fails, Fails];
    stale_ok_without_redis: Stale, Ok, Down => [New, New, New, New];
    stale_slow_without_redis: Stale, Slow, Down => [New, New, New, New];
    stale_failing_without_redis: Stale, Failing, Down => [Fails, Fails, Fails, Fails];
    missing_ok_without_redis: Missing, Ok, Down => [New, New, New, New];
    missing_slow_without_redis: Missing, Slow, Down => [New, New, New, New];
    missing_failing_without_redis: Missing, Failing, Down => [Fails, Fails, Fails, Fails];
}
