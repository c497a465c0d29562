//! Loads: one for all who ask, never stored over what came in between, old values where that is asked
//! for.

use std::future::IntoFuture;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use maestro_cache_core::{
    Cache, CacheBackend, CallContext, Claim, ClaimOver, Codec, ErrorKind, Expiry, Keeping, Load,
    LoadError, LoadPolicy, LoadToken, LookFor, Lookup, RefreshEarly, StaleIfError, TimeToLive, Ttl,
};
use tokio::sync::{Semaphore, watch};

use super::{each_codec, until};
use crate::Subject;

pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// A source of values: what it returns, how often it was asked, and when it answers.
pub(super) struct Source {
    value: AtomicU64,
    asked: watch::Sender<u64>,
    open: Semaphore,
}

impl Source {
    /// One that answers at once.
    pub(super) fn open() -> Arc<Self> {
        let source = Self::closed();
        source.open.add_permits(Semaphore::MAX_PERMITS / 2);
        source
    }

    /// One that answers nobody until it is let.
    pub(super) fn closed() -> Arc<Self> {
        Arc::new(Self {
            value: AtomicU64::new(1),
            asked: watch::Sender::new(0),
            open: Semaphore::new(0),
        })
    }

    /// Answers so many.
    pub(super) fn answer(&self, count: usize) {
        self.open.add_permits(count);
    }

    /// Reads, and only then takes its time: what it returns may be old by then.
    async fn read(&self) -> io::Result<u64> {
        let value = self.value.load(Ordering::SeqCst);
        self.asked.send_modify(|asked| *asked += 1);
        self.open.acquire().await.unwrap().forget();
        Ok(value)
    }

    fn asked(&self) -> u64 {
        *self.asked.borrow()
    }

    pub(super) async fn was_asked(&self, times: u64) {
        let mut asked = self.asked.subscribe();
        asked.wait_for(|asked| *asked >= times).await.unwrap();
    }
}

/// Somebody who asks, in a task.
pub(super) fn ask(
    cache: &Cache,
    source: &Arc<Source>,
) -> tokio::task::JoinHandle<Result<u64, LoadError>> {
    let (cache, source) = (cache.clone(), Arc::clone(source));
    tokio::spawn(async move { cache.get_or_compute("key", || source.read()).await })
}

/// A value that was loaded, is a minute old, and may be served for an hour yet.
pub(super) async fn stale(subject: &Subject, cache: &Cache, value: u64) {
    cache
        .get_or_compute("key", || async { Ok::<_, io::Error>(value) })
        .ttl(MINUTE)
        .stale_if_error(60 * MINUTE)
        .await
        .unwrap();
    subject.advance(2 * MINUTE).await;
}

/// A load in another process. All that is seen of it here is its claim.
pub(super) struct Elsewhere {
    backend: Arc<dyn CacheBackend>,
    key: String,
    token: LoadToken,
}

impl Elsewhere {
    pub(super) async fn claims(subject: &Subject, key: &str) -> Self {
        let it = Self {
            backend: subject.backend(),
            key: format!("{}{key}", subject.prefix()),
            token: LoadToken::new(),
        };
        let context = CallContext::new(MINUTE);
        let claim = it
            .backend
            .claim(context, &it.key, it.token, ClaimOver::Gap)
            .await;
        assert!(matches!(claim, Ok(Claim::Granted)), "{claim:?}");
        it
    }

    pub(super) async fn publish(&self, value: &'static str, keeping: Keeping) -> bool {
        let context = CallContext::new(MINUTE);
        let publish = self
            .backend
            .publish(context, &self.key, self.token, value.into(), keeping);
        publish.await.unwrap()
    }
}

/// Waits until so many callers have joined a load.
pub(super) async fn joined(cache: &Cache, calls: u64) {
    while cache.load_counts().joined != calls {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Waits until so many loaders were run.
pub(super) async fn loading(cache: &Cache, loads: u64) {
    while cache.load_counts().loads != loads {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

pub(super) fn failing() -> io::Error {
    io::Error::other("the source is down")
}

pub async fn what_is_missing_is_loaded_once_and_kept(subject: &Subject) {
    each_codec(subject, async |cache| {
        let source = Source::open();
        for _ in 0..3 {
            let value = cache.get_or_compute("key", || source.read()).await;
            assert_eq!(value.unwrap(), 1);
        }
        assert_eq!(source.asked(), 1);
        assert_eq!(cache.get::<u64>("key").await.unwrap(), Some(1));
    })
    .await;
}

pub async fn what_is_there_is_not_loaded(subject: &Subject) {
    let cache = subject.cache();
    cache.set("key", &7).await.unwrap();
    let source = Source::open();
    let value = cache.get_or_compute("key", || source.read()).await;
    assert_eq!((value.unwrap(), source.asked()), (7, 0));
}

pub async fn a_loader_may_borrow(subject: &Subject) {
    let cache = subject.cache();
    let name = String::from("Ada");
    let length = cache
        .get_or_compute("key", || async { Ok::<_, io::Error>(name.len()) })
        .await;
    assert_eq!((length.unwrap(), name.as_str()), (3, "Ada"));
}

pub async fn a_thousand_callers_are_one_load(subject: &Subject) {
    let cache = subject.cache();
    let source = Source::closed();
    let callers: Vec<_> = (0..1000).map(|_| ask(&cache, &source)).collect();
    source.was_asked(1).await;
    source.answer(1);
    for value in join_all(callers).await {
        assert_eq!(value.unwrap().unwrap(), 1);
    }
    assert_eq!(source.asked(), 1);
}

pub async fn an_error_goes_to_all_who_wait_and_is_not_kept(subject: &Subject) {
    let cache = subject.cache();
    let go = Arc::new(Semaphore::new(0));
    let asked = Arc::new(AtomicU64::new(0));
    let callers: Vec<_> = (0..20)
        .map(|_| {
            let (cache, go, asked) = (cache.clone(), Arc::clone(&go), Arc::clone(&asked));
            tokio::spawn(async move {
                let load = || async {
                    asked.fetch_add(1, Ordering::SeqCst);
                    go.acquire().await.unwrap().forget();
                    Err::<u64, _>(failing())
                };
                cache.get_or_compute("key", load).await
            })
        })
        .collect();
    joined(&cache, 19).await;
    go.add_permits(1);
    for value in join_all(callers).await {
        let error = value.unwrap().unwrap_err();
        let source: &io::Error = error.downcast_ref().expect("the loader's own error");
        assert_eq!(source.to_string(), "the source is down");
        assert!(matches!(error, LoadError::Loader(_)));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert_eq!(cache.load_counts().failures, 1);
    let source = Source::open();
    let value = cache.get_or_compute("key", || source.read()).await;
    assert_eq!(value.unwrap(), 1);
    assert_eq!(cache.load_counts().failures, 1);
}

pub async fn a_panic_reaches_its_caller_and_is_an_error_for_the_others(subject: &Subject) {
    let cache = subject.cache();
    let go = Arc::new(Semaphore::new(0));
    let panicking = {
        let (cache, go) = (cache.clone(), Arc::clone(&go));
        tokio::spawn(async move {
            let load = || async {
                go.acquire().await.unwrap().forget();
                panic!("on purpose");
                #[allow(unreachable_code)] // It says what the loader would return.
                Ok::<u64, io::Error>(0)
            };
            cache.get_or_compute("key", load).await
        })
    };
    loading(&cache, 1).await;
    let source = Source::open();
    let waiting = ask(&cache, &source);
    joined(&cache, 1).await;
    go.add_permits(1);
    assert!(panicking.await.unwrap_err().is_panic());
    let waited = waiting.await.unwrap();
    assert!(matches!(waited, Err(LoadError::Panicked)), "{waited:?}");
    assert_eq!(source.asked(), 0);
    assert_eq!(cache.load_counts().failures, 1);
    let value = cache.get_or_compute("key", || source.read()).await;
    assert_eq!(value.unwrap(), 1);
}

pub async fn a_loader_that_panics_at_once_leaves_the_key_usable(subject: &Subject) {
    let cache = subject.cache();
    let panicking = cache.clone();
    let load = async move {
        let load = || -> std::future::Ready<io::Result<u64>> { panic!("on purpose") };
        panicking.get_or_compute("key", load).await
    };
    assert!(tokio::spawn(load).await.unwrap_err().is_panic());
    let source = Source::open();
    let value = cache.get_or_compute("key", || source.read()).await;
    assert_eq!(value.unwrap(), 1);
    assert_eq!(
        cache.get::<u64>("key").await.unwrap(),
        Some(1),
        "it is kept"
    );
}

pub async fn whoever_waits_takes_over_from_a_caller_who_leaves(subject: &Subject) {
    let cache = subject.cache();
    let (first, second) = (Source::closed(), Source::closed());
    let leaving = ask(&cache, &first);
    first.was_asked(1).await;
    let waiting = [ask(&cache, &second), ask(&cache, &second)];
    joined(&cache, 2).await;
    assert_eq!(second.asked(), 0, "they wait");
    leaving.abort();
    second.was_asked(1).await;
    second.answer(1);
    for value in join_all(waiting).await {
        assert_eq!(value.unwrap().unwrap(), 1);
    }
    assert_eq!(second.asked(), 1);
    assert_eq!(
        cache.get::<u64>("key").await.unwrap(),
        Some(1),
        "it is kept"
    );
}

pub async fn a_caller_who_leaves_alone_leaves_nothing(subject: &Subject) {
    let cache = subject.cache();
    for _ in 0..3 {
        let source = Source::closed();
        let leaving = ask(&cache, &source);
        source.was_asked(1).await;
        leaving.abort();
        leaving.await.unwrap_err();
    }
    let source = Source::open();
    let value = cache.get_or_compute("key", || source.read()).await;
    assert_eq!(value.unwrap(), 1);
    assert_eq!(
        cache.get::<u64>("key").await.unwrap(),
        Some(1),
        "it is kept"
    );
}

pub async fn a_loader_that_asks_for_its_own_key_is_told(subject: &Subject) {
    let cache = subject.cache();
    let nested = cache.get_or_compute("key", || async {
        let inner = cache.get_or_compute("key", || async { Ok::<_, io::Error>(1) });
        Ok::<_, io::Error>(matches!(inner.await, Err(LoadError::Circular)))
    });
    assert!(nested.await.unwrap());
}

pub async fn loaders_that_ask_for_each_others_keys_are_told(subject: &Subject) {
    let cache = subject.cache();
    // Each asks for the key of the next one, and the last one for that of the first.
    for around in 2..=4 {
        let there = Arc::new(tokio::sync::Barrier::new(around));
        let loaders = (0..around).map(|number| {
            let (cache, there) = (cache.namespace(&around.to_string()), Arc::clone(&there));
            tokio::spawn(async move {
                let own = number.to_string();
                let other = ((number + 1) % around).to_string();
                let load = || async {
                    there.wait().await;
                    let inner = cache.get_or_compute(&other, || async { Ok::<_, io::Error>(1) });
                    match inner.await {
                        Ok(_) => Ok(0),
                        Err(LoadError::Circular) => Ok(1),
                        Err(error) => Err(error),
                    }
                };
                cache.get_or_compute(&own, load).await
            })
        });
        let loaders: Vec<_> = loaders.collect();
        let mut told = 0;
        for loaded in join_all(loaders).await {
            told += loaded.unwrap().unwrap();
        }
        assert_eq!(
            told, 1,
            "one of {around} is told, and the others have their values"
        );
    }
}

pub async fn a_loader_that_changes_its_own_key_is_told_as_well(subject: &Subject) {
    let cache = subject.cache();
    let nested = cache.get_or_compute("key", || async {
        // Nobody would join this load any more.
        cache.delete("key").await.unwrap();
        let inner = cache.get_or_compute("key", || async { Ok::<_, io::Error>(1) });
        Ok::<_, io::Error>(matches!(inner.await, Err(LoadError::Circular)))
    });
    assert!(nested.await.unwrap());
}

/// The loader of `a` has asked for `b`, and does so no more; the loader of `b` then asks for `a`.
pub async fn who_has_stopped_waiting_for_a_load_may_be_waited_for_by_it(subject: &Subject) {
    for leads in [false, true] {
        let cache = subject.cache();
        let cache = cache.namespace(&leads.to_string());
        let give_up = cache.load_counts().joined + 1;
        let left = Arc::new(Semaphore::new(0));
        let b = {
            let (cache, has_left) = (cache.clone(), Arc::clone(&left));
            async move {
                let load = || async {
                    has_left.acquire().await.unwrap().forget();
                    let a = cache.get_or_compute("a", || async { Ok::<_, io::Error>(1) });
                    a.await
                };
                cache.get_or_compute("b", load).await
            }
        };
        let loads = cache.load_counts().loads;
        let a = async {
            let load = || async {
                let never = std::future::pending::<io::Result<u64>>;
                let b = cache.get_or_compute("b", never).into_future();
                tokio::select! {
                    _ = b => panic!("it was to be left"),
                    () = joined(&cache, give_up) => {}
                }
                left.add_permits(1);
                joined(&cache, give_up + 1).await;
                Ok::<_, io::Error>(5)
            };
            if !leads {
                loading(&cache, loads + 1).await;
            }
            cache.get_or_compute("a", load).await
        };
        let b = async {
            if leads {
                loading(&cache, loads + 2).await;
            }
            b.await
        };
        let (a, b) = tokio::join!(a, b);
        assert_eq!((a.unwrap(), b.unwrap()), (5, 5), "{leads}");
    }
}

pub async fn who_asks_after_a_change_joins_a_load_that_began_after_it(subject: &Subject) {
    let cache = subject.cache();
    let (before, after) = (Source::closed(), Source::closed());
    let first = ask(&cache, &before);
    before.was_asked(1).await;
    cache.delete("key").await.unwrap();
    let second = ask(&cache, &after);
    after.was_asked(1).await;
    // That the first one ends is nothing to those who come now.
    before.answer(1);
    assert_eq!(first.await.unwrap().unwrap(), 1);
    let third = ask(&cache, &after);
    joined(&cache, 1).await;
    after.answer(1);
    assert_eq!(second.await.unwrap().unwrap(), 1);
    assert_eq!(third.await.unwrap().unwrap(), 1);
    assert_eq!(after.asked(), 1);
}

pub async fn a_load_that_is_waited_for_may_be_polled_from_elsewhere(subject: &Subject) {
    let cache = subject.cache();
    let source = Source::closed();
    let first = ask(&cache, &source);
    source.was_asked(1).await;
    let mut waiting = cache.get_or_compute("key", || source.read()).into_future();
    while cache.load_counts().joined == 0 {
        // By a waker that wakes nobody.
        assert!((&mut waiting).now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    let (value, ()) = tokio::join!(waiting, async { source.answer(1) });
    assert_eq!(value.unwrap(), 1);
    assert_eq!(first.await.unwrap().unwrap(), 1);
}

pub async fn callers_who_leave_together_leave_nothing_at_any_point(subject: &Subject) {
    let cache = subject.cache();
    for turns in 0..12 {
        let key = turns.to_string();
        let never = std::future::pending::<io::Result<u64>>;
        let mut leading = cache.get_or_compute(&key, never).into_future();
        let mut waiting = cache.get_or_compute(&key, never).into_future();
        for _ in 0..turns {
            assert!((&mut leading).now_or_never().is_none());
            assert!((&mut waiting).now_or_never().is_none());
            tokio::task::yield_now().await;
        }
        drop(leading);
        drop(waiting);
        assert_eq!(cache.load_counts().under_way, 0);
        let load = cache.get_or_compute(&key, || async { Ok::<_, io::Error>(1) });
        assert_eq!(load.await.unwrap(), 1);
        let kept = cache.get::<u64>(&key).await.unwrap();
        assert_eq!(kept, Some(1), "after {turns} turns");
    }
}

pub async fn who_takes_over_after_a_change_has_its_value_kept(subject: &Subject) {
    let cache = subject.cache();
    let (first, second) = (Source::closed(), Source::open());
    let leaving = ask(&cache, &first);
    first.was_asked(1).await;
    let waiting = ask(&cache, &second);
    joined(&cache, 1).await;
    cache.delete("key").await.unwrap();
    leaving.abort();
    assert_eq!(waiting.await.unwrap().unwrap(), 1);
    // It began after the change.
    assert_eq!(cache.get::<u64>("key").await.unwrap(), Some(1));
}

pub async fn a_loader_may_ask_for_other_keys(subject: &Subject) {
    let cache = subject.cache();
    let sum = cache.get_or_compute("sum", || async {
        let one = cache.get_or_compute("one", || async { Ok::<_, io::Error>(1) });
        let two = cache.get_or_compute("two", || async { Ok::<_, io::Error>(2) });
        let (one, two) = tokio::try_join!(one.into_future(), two.into_future())?;
        Ok::<_, LoadError>(one + two)
    });
    assert_eq!(sum.await.unwrap(), 3);
}

pub async fn what_is_changed_while_it_is_loaded_is_not_overwritten(subject: &Subject) {
    let cache = subject.cache();
    for how in 0..9 {
        cache.delete("key").await.unwrap();
        let source = Source::closed();
        let asking = ask(&cache, &source);
        source.was_asked(1).await;
        match how {
            0 => cache.set("key", &2).await.unwrap(),
            1 => drop(cache.delete("key").await.unwrap()),
            2 => drop(cache.clear("k*").await.unwrap()),
            3 => drop(cache.take::<u64>("key").await.unwrap()),
            4 => drop(cache.increment("key", 2).await.unwrap()),
            5 => drop(cache.expire("key", MINUTE).await.unwrap()),
            6 => drop(cache.add("key", &2).await.unwrap()),
            7 => cache.set_many([("key", 2)]).await.unwrap(),
            _ => drop(cache.clear_all().await.unwrap()),
        }
        let before = cache.get::<u64>("key").await.unwrap();
        source.answer(1);
        assert_eq!(
            asking.await.unwrap().unwrap(),
            1,
            "the caller has its value"
        );
        assert_eq!(
            cache.get::<u64>("key").await.unwrap(),
            before,
            "change {how}"
        );
    }
    assert_eq!(cache.load_counts().not_kept, 9);
}

pub async fn who_asks_after_a_change_gets_nothing_from_before_it(subject: &Subject) {
    let cache = subject.cache();
    for round in 1..=20 {
        let source = Source::closed();
        source.value.store(round, Ordering::SeqCst);
        let early = ask(&cache, &source);
        source.was_asked(1).await;
        let beside = ask(&cache, &source);
        source.value.store(round + 100, Ordering::SeqCst);
        cache.delete("key").await.unwrap();
        let late = [ask(&cache, &source), ask(&cache, &source)];
        source.was_asked(2).await;
        source.answer(1000);
        assert_eq!(early.await.unwrap().unwrap(), round);
        let beside = beside.await.unwrap().unwrap();
        assert!([round, round + 100].contains(&beside), "{beside}");
        for late in join_all(late).await {
            assert_eq!(late.unwrap().unwrap(), round + 100);
        }
        assert_eq!(cache.get::<u64>("key").await.unwrap(), Some(round + 100));
        cache.delete("key").await.unwrap();
    }
}

pub async fn a_load_takes_the_ttl_of_the_call_of_the_loader_or_of_the_handle(subject: &Subject) {
    let cache = subject.cache();
    let left = async |key: &str| match cache.ttl(key).await.unwrap() {
        TimeToLive::Left(left) => left,
        other => panic!("{other:?}"),
    };
    let one = || async { Ok::<_, io::Error>(1) };
    cache.get_or_compute("default", one).await.unwrap();
    assert!(left("default").await > 59 * MINUTE);
    cache.get_or_compute("call", one).ttl(MINUTE).await.unwrap();
    assert!((MINUTE / 2..=MINUTE).contains(&left("call").await));
    let said = || async { Ok::<_, io::Error>(Load::store(1).ttl(2 * MINUTE)) };
    cache
        .get_or_compute("loader", said)
        .ttl(9 * MINUTE)
        .await
        .unwrap();
    assert!((MINUTE..=2 * MINUTE).contains(&left("loader").await));
    cache
        .get_or_compute("never", one)
        .ttl(Ttl::Never)
        .await
        .unwrap();
    assert_eq!(cache.ttl("never").await.unwrap(), TimeToLive::NoExpiry);
    let policy = LoadPolicy::new().ttl(3 * MINUTE);
    let handle = cache.with_load_policy(policy);
    handle.get_or_compute("handle", one).await.unwrap();
    assert!((2 * MINUTE..=3 * MINUTE).contains(&left("handle").await));
    for number in 0..20 {
        let key = format!("jitter-{number}");
        let load = cache.get_or_compute(&key, one).ttl(10 * MINUTE);
        load.jitter(5 * MINUTE).await.unwrap();
        assert!((4 * MINUTE..=10 * MINUTE).contains(&left(&key).await));
    }
}

pub async fn jitter_sets_what_was_loaded_together_apart(subject: &Subject) {
    let cache = subject.cache();
    let one = || async { Ok::<_, io::Error>(1) };
    let mut left = Vec::new();
    for number in 0..20 {
        let key = number.to_string();
        let load = cache.get_or_compute(&key, one).ttl(60 * MINUTE);
        load.jitter(50 * MINUTE).await.unwrap();
        match cache.ttl(&key).await.unwrap() {
            TimeToLive::Left(value) => left.push(value),
            other => panic!("{other:?}"),
        }
    }
    left.sort();
    assert!(left[19] - left[0] > 5 * MINUTE, "{left:?}");
    // There is an end also for what it would have end before it begins.
    for number in 0..20 {
        let key = format!("short-{number}");
        let load = cache.get_or_compute(&key, one).ttl(MINUTE);
        load.jitter(60 * MINUTE).await.unwrap();
        assert_ne!(cache.ttl(&key).await.unwrap(), TimeToLive::NoExpiry);
    }
}

pub async fn nothing_is_known_for_a_time_of_its_own(subject: &Subject) {
    let cache = subject.cache();
    let source = Source::open();
    let find = async |is_there: bool| {
        let load = || async {
            let value = source.read().await?;
            Ok::<_, io::Error>(is_there.then_some(value))
        };
        let value = cache.get_or_compute("key", load);
        value.ttl(60 * MINUTE).negative_ttl(MINUTE).await.unwrap()
    };
    assert_eq!(find(false).await, None);
    assert_eq!(find(true).await, None, "that there is nothing is known");
    assert_eq!(source.asked(), 1);
    assert!(matches!(
        cache.ttl("key").await.unwrap(),
        TimeToLive::Left(left) if left <= MINUTE
    ));
    subject.advance(MINUTE).await;
    assert_eq!(find(true).await, Some(1));
    assert!(matches!(
        cache.ttl("key").await.unwrap(),
        TimeToLive::Left(left) if left > 59 * MINUTE
    ));
}

pub async fn nothing_is_known_for_the_time_that_the_handle_says(subject: &Subject) {
    each_codec(subject, async |cache| {
        let policy = LoadPolicy::new().ttl(60 * MINUTE).negative_ttl(MINUTE);
        let cache = cache.with_load_policy(policy);
        let find = async |key: &str, found: Option<u64>| {
            let load = || async { Ok::<_, io::Error>(found) };
            cache.get_or_compute(key, load).await.unwrap()
        };
        assert_eq!(find("none", None).await, None);
        assert_eq!(find("some", Some(7)).await, Some(7));
        // What the loader says of its value goes before.
        let said = || async { Ok::<_, io::Error>(Load::store(None::<u64>).ttl(30 * MINUTE)) };
        assert_eq!(cache.get_or_compute("said", said).await.unwrap(), None);
        let left = async |key: &str| match cache.ttl(key).await.unwrap() {
            TimeToLive::Left(left) => left,
            other => panic!("{other:?}"),
        };
        assert!(left("none").await <= MINUTE);
        assert!(left("some").await > MINUTE);
        assert!(left("said").await > MINUTE);
    })
    .await;
}

pub async fn what_a_loader_calls_transient_is_not_kept(subject: &Subject) {
    let cache = subject.cache();
    for load in [Load::transient(7), Load::store(7).ttl(Duration::ZERO)] {
        let value = cache.get_or_compute("key", || async { Ok::<_, io::Error>(load.clone()) });
        assert_eq!(value.await.unwrap(), 7);
        assert!(!cache.exists("key").await.unwrap());
    }
    assert_eq!(cache.load_counts().cache_troubles, 0, "it was not asked to");
    let source = Source::open();
    let value = cache.get_or_compute("key", || source.read()).await;
    assert_eq!(value.unwrap(), 1, "nobody is in the way");
    assert_eq!(cache.get::<u64>("key").await.unwrap(), Some(1));
}

pub async fn what_is_not_kept_goes_to_all_who_wait(subject: &Subject) {
    let cache = subject.cache();
    let source = Source::open();
    let waiting = async {
        loading(&cache, 1).await;
        ask(&cache, &source).await.unwrap()
    };
    let load = cache.get_or_compute("key", || async {
        joined(&cache, 1).await;
        Ok::<_, io::Error>(Load::transient(7_u64))
    });
    let (loaded, waited) = tokio::join!(load.into_future(), waiting);
    assert_eq!((loaded.unwrap(), waited.unwrap()), (7, 7));
    assert_eq!(source.asked(), 0);
}

pub async fn what_cannot_be_stored_is_returned_and_leaves_no_claim(subject: &Subject) {
    let cache = subject.cache_with(|builder| builder.codec(Codec::Json));
    let not_a_number = cache.get_or_compute("key", || async { Ok::<_, io::Error>(f64::NAN) });
    assert!(not_a_number.await.unwrap().is_nan());
    let for_too_long = || async { Ok::<_, io::Error>(Load::store(7.5).ttl(Duration::MAX)) };
    let value = cache.get_or_compute("key", for_too_long).await;
    assert_eq!(value.unwrap(), 7.5);
    assert_eq!(cache.get::<f64>("key").await.unwrap(), None);
    // Nobody is in the way.
    let value = cache.get_or_compute("key", || async { Ok::<_, io::Error>(8.5) });
    assert_eq!(value.await.unwrap(), 8.5);
    assert_eq!(cache.get::<f64>("key").await.unwrap(), Some(8.5));
}

pub async fn what_is_not_modified_is_kept_for_another_time(subject: &Subject) {
    let cache = subject.cache();
    stale(subject, &cache, 7).await;
    let same = || async { Ok::<_, io::Error>(Load::<u64>::not_modified()) };
    let call = || {
        cache
            .get_or_compute("key", same)
            .stale_if_error(60 * MINUTE)
            .ttl(MINUTE)
    };
    assert_eq!(call().await.unwrap(), 7);
    assert_eq!(cache.get::<u64>("key").await.unwrap(), Some(7));
    cache.delete("key").await.unwrap();
    assert!(matches!(call().await, Err(LoadError::NothingToKeep)));

    stale(subject, &cache, 7).await;
    let over = || async { Ok::<_, io::Error>(Load::<u64>::not_modified().ttl(Duration::ZERO)) };
    let troubles = cache.load_counts().cache_troubles;
    let call = cache.get_or_compute("key", over);
    assert_eq!(call.stale_if_error(60 * MINUTE).await.unwrap(), 7);
    assert_eq!(
        cache.get::<u64>("key").await.unwrap(),
        None,
        "zero keeps nothing"
    );
    assert_eq!(cache.load_counts().cache_troubles, troubles);
}

pub async fn a_value_that_cannot_be_read_is_replaced(subject: &Subject) {
    each_codec(subject, async |cache| {
        cache
            .set_bytes("key", "{no value of any codec")
            .await
            .unwrap();
        let source = Source::open();
        let callers = (0..5).map(|_| cache.get_or_compute("key", || source.read()).into_future());
        for value in join_all(callers).await {
            assert_eq!(value.unwrap(), 1);
        }
        assert_eq!(source.asked(), 1);
        assert_eq!(cache.get::<u64>("key").await.unwrap(), Some(1));
    })
    .await;
}

pub async fn one_key_may_be_loaded_as_two_types(subject: &Subject) {
    let cache = subject.cache();
    for _ in 0..10 {
        let text = cache.get_or_compute("key", || async {
            tokio::task::yield_now().await;
            Ok::<_, io::Error>("text".to_owned())
        });
        let number = cache.get_or_compute("key", || async {
            tokio::task::yield_now().await;
            Ok::<_, io::Error>(7_u64)
        });
        let (text, number) = tokio::join!(text.into_future(), number.into_future());
        assert_eq!((text.unwrap().as_str(), number.unwrap()), ("text", 7));
    }
}

pub async fn a_stale_value_is_served_while_one_caller_loads_it_anew(subject: &Subject) {
    let cache = subject.cache();
    stale(subject, &cache, 7).await;
    let source = Source::closed();
    source.value.store(8, Ordering::SeqCst);
    let get = || {
        let source = Arc::clone(&source);
        cache
            .get_or_compute("key", move || async move { source.read().await })
            .stale_while_revalidate(60 * MINUTE)
    };
    for _ in 0..20 {
        assert_eq!(get().await.unwrap(), 7, "at once");
    }
    source.was_asked(1).await;
    assert_eq!(get().await.unwrap(), 7);
    source.answer(1);
    until(async || get().await.unwrap() == 8).await;
    assert_eq!(source.asked(), 1);
}

pub async fn a_stale_value_is_not_served_at_once_where_nothing_goes_on_in_the_background(
    subject: &Subject,
) {
    let policy = LoadPolicy::new().stale_while_revalidate(60 * MINUTE);
    let cache = subject.cache().with_load_policy(policy);
    stale(subject, &cache, 7).await;
    let load = || async { Ok::<_, io::Error>(8) };
    let value = cache.get_or_compute("key", load).await;
    assert_eq!(value.unwrap(), 8, "the call does not say that it may");
    cache.delete("key").await.unwrap();
    stale(subject, &cache, 9).await;
    let value = cache.get_or_compute("key", load).in_background().await;
    assert_eq!(value.unwrap(), 9);
    until(async || cache.get::<u64>("key").await.unwrap() == Some(8)).await;
}

pub async fn what_goes_on_in_the_background_may_ask_for_who_began_it(subject: &Subject) {
    let cache = subject.cache();
    stale(subject, &cache, 7).await;
    let background = cache.clone();
    let outer = cache.get_or_compute("outer", || async {
        // Its loader asks for `outer`, which does not wait for it.
        let load = move || async move {
            let outer = background.get_or_compute("outer", || async { Ok::<_, io::Error>(0) });
            outer.await
        };
        let inner = cache.get_or_compute("key", load);
        let inner = inner.stale_while_revalidate(60 * MINUTE).await?;
        joined(&cache, 1).await;
        Ok::<_, LoadError>(inner + 1)
    });
    assert_eq!(outer.await.unwrap(), 8);
    until(async || cache.get::<u64>("key").await.unwrap() == Some(8)).await;
}

pub async fn a_load_that_is_waited_for_no_longer_may_ask_for_who_waited(subject: &Subject) {
    let cache = subject.cache();
    stale(subject, &cache, 7).await;
    let background = cache.clone();
    let go = Arc::new(Semaphore::new(0));
    let outer = cache.get_or_compute("outer", || async {
        let waits_no_longer = Arc::clone(&go);
        let load = move || async move {
            waits_no_longer.acquire().await.unwrap().forget();
            let outer = background.get_or_compute("outer", || async { Ok::<_, io::Error>(0) });
            outer.await
        };
        let inner = cache
            .get_or_compute("key", load)
            .stale_if_error(60 * MINUTE)
            .soft_timeout(Duration::from_millis(20));
        let inner = inner.await?;
        go.add_permits(1);
        joined(&cache, 1).await;
        Ok::<_, LoadError>(inner + 1)
    });
    assert_eq!(outer.await.unwrap(), 8);
    until(async || cache.get::<u64>("key").await.unwrap() == Some(8)).await;
}

pub async fn a_value_that_is_too_old_is_not_served(subject: &Subject) {
    let cache = subject.cache();
    stale(subject, &cache, 7).await;
    let load = || async { Ok::<_, io::Error>(8) };
    let value = cache
        .get_or_compute("key", load)
        .stale_while_revalidate(Duration::from_secs(30))
        .await;
    assert_eq!(value.unwrap(), 8);
    stale(subject, &cache, 9).await;
    let fail = || async { Err::<u64, _>(failing()) };
    let value = cache.get_or_compute("other", fail).stale_if_error(MINUTE);
    assert!(value.await.is_err());
}

pub async fn a_stale_value_is_served_in_place_of_an_error(subject: &Subject) {
    let cache = subject.cache();
    stale(subject, &cache, 7).await;
    let asked = AtomicU64::new(0);
    let get = async |stale: StaleIfError| {
        let fail = || async {
            asked.fetch_add(1, Ordering::SeqCst);
            Err::<u64, _>(failing())
        };
        cache
            .get_or_compute("key", fail)
            .stale_if_error(stale)
            .await
    };
    let stale = StaleIfError::within(60 * MINUTE);
    for _ in 0..10 {
        let value = get(stale.back_off(10 * MINUTE)).await;
        assert_eq!(value.unwrap(), 7);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1, "the source is left alone");
    let error = get(StaleIfError::within(Duration::from_secs(1))).await;
    assert!(error.is_err(), "that is too old for this caller");
    assert_eq!(cache.get::<u64>("key").await.unwrap(), None);
}

pub async fn a_stale_value_is_served_to_all_who_wait_for_a_load_that_fails(subject: &Subject) {
    let cache = subject.cache();
    stale(subject, &cache, 7).await;
    let all = cache.load_counts().joined + 4;
    let calls = (0..5).map(|_| {
        let fail = || async {
            joined(&cache, all).await;
            Err::<u64, _>(failing())
        };
        let call = cache.get_or_compute("key", fail);
        call.stale_if_error(60 * MINUTE).into_future()
    });
    for value in join_all(calls).await {
        assert_eq!(value.unwrap(), 7);
    }
}

pub async fn who_is_served_nothing_keeps_nobody_from_loading(subject: &Subject) {
    let cache = subject.cache();
    stale(subject, &cache, 7).await;
    let fail = || async { Err::<u64, _>(failing()) };
    let for_nothing = StaleIfError::within(Duration::from_secs(1)).back_off(60 * MINUTE);
    let value = cache.get_or_compute("key", fail);
    assert!(value.stale_if_error(for_nothing).await.is_err());
    let value = cache.get_or_compute("key", || async { Ok::<_, io::Error>(8) });
    assert_eq!(value.stale_if_error(60 * MINUTE).await.unwrap(), 8);
    assert_eq!(cache.get::<u64>("key").await.unwrap(), Some(8));
}

pub async fn what_was_invalidated_is_not_served_in_place_of_an_error(subject: &Subject) {
    let cache = subject.cache();
    stale(subject, &cache, 7).await;
    cache.delete("key").await.unwrap();
    let fail = || async { Err::<u64, _>(failing()) };
    let value = cache
        .get_or_compute("key", fail)
        .stale_if_error(60 * MINUTE);
    assert!(value.await.is_err());

    stale(subject, &cache, 7).await;
    let fail = || async {
        cache.delete("key").await.unwrap();
        Err::<u64, _>(failing())
    };
    let value = cache
        .get_or_compute("key", fail)
        .stale_if_error(60 * MINUTE);
    assert!(value.await.is_err(), "not if it was meanwhile either");

    stale(subject, &cache, 7).await;
    let joined_before = cache.load_counts().joined;
    let (reading, go) = (Semaphore::new(0), Semaphore::new(0));
    let fail = || async {
        reading.add_permits(1);
        go.acquire().await.unwrap().forget();
        Err::<u64, _>(failing())
    };
    let ask = || {
        cache
            .get_or_compute("key", fail)
            .stale_if_error(60 * MINUTE)
            .into_future()
    };
    let invalidate = async {
        reading.acquire().await.unwrap().forget();
        until(async || cache.load_counts().joined > joined_before).await;
        cache.delete("key").await.unwrap();
        go.add_permits(2);
    };
    let (first, second, ()) = tokio::join!(ask(), ask(), invalidate);
    assert!(
        first.is_err() && second.is_err(),
        "neither by those who waited"
    );
}

pub async fn who_has_a_stale_value_waits_no_longer_than_it_likes(subject: &Subject) {
    let cache = subject.cache();
    stale(subject, &cache, 7).await;
    let source = Source::closed();
    source.value.store(8, Ordering::SeqCst);
    let get = || {
        let source = Arc::clone(&source);
        cache
            .get_or_compute("key", move || async move { source.read().await })
            .stale_if_error(60 * MINUTE)
            .soft_timeout(Duration::from_millis(20))
    };
    let values = join_all((0..5).map(|_| get().into_future())).await;
    assert!(values.into_iter().all(|value| value.unwrap() == 7));
    assert_eq!(source.asked(), 1, "the load goes on");
    source.answer(1);
    until(async || cache.get::<u64>("key").await.unwrap() == Some(8)).await;
    cache.delete("key").await.unwrap();
    let missing = async {
        source.was_asked(2).await;
        source.answer(1);
    };
    let (value, ()) = tokio::join!(get().into_future(), missing);
    assert_eq!(
        value.unwrap(),
        8,
        "there is nothing else that could be served"
    );
}

pub async fn nobody_waits_longer_than_the_timeout(subject: &Subject) {
    let cache = subject.cache();
    let source = Source::closed();
    let call = || cache.get_or_compute("key", || source.read());
    // Where a machine is busy, the lookup may take all that time.
    let time_out_while_loading = async |loads: u64| {
        while source.asked() < loads {
            let short = call().timeout(Duration::from_millis(20)).await;
            assert!(matches!(short, Err(LoadError::TimedOut)), "{short:?}");
        }
    };
    time_out_while_loading(1).await;
    let asked = source.asked();
    let waits_on = async {
        source.was_asked(asked + 1).await;
        let answer = async {
            source.was_asked(asked + 2).await;
            source.answer(1);
        };
        tokio::join!(call().into_future(), answer).0
    };
    let ((), long) = tokio::join!(time_out_while_loading(asked + 1), waits_on);
    assert_eq!(long.unwrap(), 1, "who waits on takes over");
}

pub async fn a_value_is_loaded_early_by_chance(subject: &Subject) {
    let cache = subject.cache();
    let source = Source::open();
    let get = |eagerness: f64| {
        let source = Arc::clone(&source);
        let load = move || async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            source.read().await
        };
        let call = cache.get_or_compute("key", load).ttl(60 * MINUTE);
        call.refresh_early(RefreshEarly::eagerness(eagerness))
    };
    get(1.0).await.unwrap();
    source.value.store(2, Ordering::SeqCst);
    for _ in 0..100 {
        assert_eq!(get(1e-9).await.unwrap(), 1, "it is far from its end");
        assert_eq!(cache.load_counts().under_way, 0);
    }
    assert_eq!(source.asked(), 1);
    // As good as certain.
    assert_eq!(get(1e15).await.unwrap(), 1, "it is served meanwhile");
    until(async || cache.get::<u64>("key").await.unwrap() == Some(2)).await;
    assert_eq!(source.asked(), 2);
}

pub async fn the_longer_a_load_took_the_earlier_is_the_next_one(subject: &Subject) {
    let cache = subject.cache();
    let quick_and_slow = [
        ("quick", Duration::from_millis(1)),
        ("slow", Duration::from_secs(1_000_000)),
    ];
    for (key, cost) in quick_and_slow {
        let keeping = Keeping {
            cost: Some(cost),
            ..Keeping::plain(Expiry::after(60 * MINUTE).unwrap())
        };
        let other = Elsewhere::claims(subject, key).await;
        assert!(other.publish("1", keeping).await);
    }
    let get = async |key: &str| {
        let load = cache.get_or_compute(key, || async { Ok::<_, io::Error>(2_u64) });
        load.refresh_early(RefreshEarly::default()).await.unwrap()
    };
    for _ in 0..100 {
        assert_eq!(get("quick").await, 1);
        assert_eq!(cache.load_counts().under_way, 0);
    }
    assert_eq!(cache.load_counts().loads, 0);
    until(async || get("slow").await == 2).await;
}

pub async fn without_a_policy_for_it_nothing_but_the_value_is_kept(subject: &Subject) {
    let cache = subject.cache();
    let age = async |key: &str| {
        let context = CallContext::new(MINUTE);
        let (backend, key) = (subject.backend(), format!("{}{key}", subject.prefix()));
        let look_up = backend.look_up(context, &key, LookFor::FreshOrStale);
        match look_up.await.unwrap() {
            Lookup::Fresh { age, .. } => age,
            other => panic!("{other:?}"),
        }
    };
    let load = || async { Ok::<_, io::Error>(7_u64) };
    cache.get_or_compute("plain", load).await.unwrap();
    assert_eq!(age("plain").await, None);
    let early = cache.get_or_compute("early", load);
    early.refresh_early(RefreshEarly::default()).await.unwrap();
    assert!(age("early").await.is_some());
}

pub async fn a_load_that_cannot_be_is_an_error_that_says_so(subject: &Subject) {
    let cache = subject.cache();
    let source = Source::open();
    let call = |key| cache.get_or_compute(key, || source.read());
    let kind = |error: Result<u64, LoadError>| match error {
        Err(LoadError::Cache(error)) => error.kind(),
        other => panic!("{other:?}"),
    };
    assert_eq!(kind(call("").await), ErrorKind::InvalidKey);
    assert_eq!(
        kind(call("key").ttl(Duration::ZERO).await),
        ErrorKind::InvalidTtl
    );
    assert_eq!(
        kind(call("key").ttl(Duration::MAX).await),
        ErrorKind::InvalidTtl
    );
    assert_eq!(
        kind(call("key").timeout(Duration::ZERO).await),
        ErrorKind::Config
    );
    assert_eq!(
        kind(call("key").negative_ttl(Duration::ZERO).await),
        ErrorKind::Config
    );
    assert_eq!(
        kind(call("key").negative_ttl(Duration::MAX).await),
        ErrorKind::InvalidTtl
    );
    for beta in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let policy = LoadPolicy::new().refresh_early(RefreshEarly::eagerness(beta));
        assert_eq!(kind(call("key").policy(policy).await), ErrorKind::Config);
    }
    assert_eq!(source.asked(), 0);
}

pub async fn a_closed_cache_is_not_in_the_way_of_a_value(subject: &Subject) {
    let cache = subject.cache();
    cache.close().await.unwrap();
    let source = Source::open();
    let value = cache.get_or_compute("key", || source.read()).await;
    assert_eq!(value.unwrap(), 1);
}

pub async fn a_load_does_nothing_before_it_is_polled(subject: &Subject) {
    let cache = subject.cache();
    let source = Source::open();
    drop(cache.get_or_compute("key", || source.read()));
    drop(cache.get_or_compute("key", || source.read()).into_future());
    assert_eq!(source.asked(), 0);
    let load = cache.get_or_compute("key", || source.read()).into_future();
    drop(load.now_or_never());
    let value = cache.get_or_compute("key", || source.read()).await;
    assert_eq!(value.unwrap(), 1);
}

pub async fn what_is_not_modified_is_what_is_there_now(subject: &Subject) {
    let cache = subject.cache();
    // The old value is removed between the lookup and the loader's word on it.
    stale(subject, &cache, 7).await;
    let same = || async {
        cache.delete("key").await.unwrap();
        Ok::<_, io::Error>(Load::<u64>::not_modified())
    };
    let value = cache
        .get_or_compute("key", same)
        .stale_if_error(60 * MINUTE)
        .await;
    assert!(matches!(value, Err(LoadError::NothingToKeep)), "{value:?}");
    assert_eq!(cache.get::<u64>("key").await.unwrap(), None);

    stale(subject, &cache, 8).await;
    let same = || async { Ok::<_, io::Error>(Load::<u64>::not_modified().ttl(5 * MINUTE)) };
    let value = cache
        .get_or_compute("key", same)
        .stale_if_error(60 * MINUTE)
        .await;
    assert_eq!(value.unwrap(), 8);
    assert!(matches!(
        cache.ttl("key").await.unwrap(),
        TimeToLive::Left(left) if left <= 5 * MINUTE && left > 4 * MINUTE
    ));
}

pub async fn old_values_may_be_kept_for_ever(subject: &Subject) {
    let cache = subject.cache();
    let load = cache.get_or_compute("key", || async { Ok::<_, io::Error>(7_u64) });
    let load = load.ttl(MINUTE).stale_if_error(Duration::MAX);
    load.await.unwrap();
    subject.advance(600 * MINUTE).await;
    let fail = || async { Err::<u64, _>(failing()) };
    let value = cache
        .get_or_compute("key", fail)
        .stale_if_error(Duration::MAX);
    assert_eq!(value.await.unwrap(), 7);
}
