//! Values are dropped once they are of no use to anybody, and no lock of theirs is held then.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use maestro_cache_core::{Bytes, Cache, CacheBackend, CallContext, ErrorKind, Expiry, SetWhen};
use maestro_cache_memory::{EvictionPolicy, InMemoryCache, ManualClock};
use serde::Deserialize;

const MAX_ENTRIES: u64 = 3;
const MAX_BYTES: u64 = 3_000;

/// Memory answers at once, so that no test here needs a runtime.
fn now<T>(future: impl IntoFuture<Output = T>) -> T {
    future
        .into_future()
        .now_or_never()
        .expect("memory answers at once")
}

/// What a test works on.
#[derive(Clone)]
struct Fixture {
    memory: InMemoryCache,
    cache: Cache,
    clock: ManualClock,
    dropped: Arc<AtomicU64>,
}

impl Fixture {
    fn new(policy: EvictionPolicy) -> Self {
        let clock = ManualClock::new();
        let memory = InMemoryCache::builder()
            .max_entries(MAX_ENTRIES)
            .max_bytes(MAX_BYTES)
            .eviction_policy(policy)
            .clock(clock.clone())
            .build()
            .unwrap();
        Self {
            cache: Cache::new(memory.clone()),
            memory,
            clock,
            dropped: Arc::default(),
        }
    }

    /// Bytes that are counted when they are dropped.
    fn bytes(&self, size: usize) -> Bytes {
        Bytes::from_owner(Counted {
            dropped: Arc::clone(&self.dropped),
            bytes: vec![b'x'; size],
        })
    }

    fn set(&self, key: &str) {
        now(self.cache.set_bytes(key, self.bytes(1))).unwrap();
    }
}

struct Counted {
    dropped: Arc<AtomicU64>,
    bytes: Vec<u8>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

/// Fails where `case` drops another number of values than it should.
fn drops(expected: u64, case: impl Fn(&Fixture)) {
    for policy in [EvictionPolicy::Lru, EvictionPolicy::TinyLfu] {
        let fixture = Fixture::new(policy);
        case(&fixture);
        let given_up = Instant::now() + Duration::from_secs(60);
        // The sweeper may have to come first.
        while fixture.dropped.load(Ordering::SeqCst) < expected && Instant::now() < given_up {
            thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(fixture.dropped.load(Ordering::SeqCst), expected);
    }
}

#[test]
fn when_it_is_overwritten() {
    drops(1, |fixture| {
        fixture.set("key");
        now(fixture.cache.set("key", &1)).unwrap();
    });
}

#[test]
fn when_it_is_deleted() {
    drops(1, |fixture| {
        fixture.set("key");
        assert!(now(fixture.cache.delete("key")).unwrap());
    });
}

#[test]
fn when_it_is_taken() {
    drops(1, |fixture| {
        fixture.set("key");
        // Its bytes are no integer; it is gone.
        now(fixture.cache.take::<i64>("key")).unwrap_err();
    });
}

#[test]
fn when_it_is_evicted_or_refused() {
    drops(MAX_ENTRIES + 1, |fixture| {
        for key in 0..=MAX_ENTRIES {
            fixture.set(&key.to_string());
        }
        // What is left goes too.
        now(fixture.cache.clear_all()).unwrap();
    });
}

#[test]
fn when_it_makes_room_after_its_deadline() {
    drops(1, |fixture| {
        let set = fixture.cache.set_bytes("key", fixture.bytes(1));
        now(set.ttl(Duration::from_millis(1))).unwrap();
        fixture.clock.advance(Duration::from_millis(1));
        for key in 0..=MAX_ENTRIES {
            now(fixture.cache.set(&key.to_string(), &1)).unwrap();
        }
    });
}

#[test]
fn when_the_sweeper_finds_it_after_its_deadline() {
    drops(1, |fixture| {
        let set = fixture.cache.set_bytes("key", fixture.bytes(1));
        now(set.ttl(Duration::from_millis(1))).unwrap();
        fixture.clock.advance(Duration::from_millis(1));
    });
}

#[test]
fn when_all_is_cleared() {
    drops(1, |fixture| {
        fixture.set("key");
        now(fixture.cache.clear_all()).unwrap();
    });
}

#[test]
fn when_the_cache_is_closed() {
    drops(2, |fixture| {
        fixture.set("a");
        fixture.set("b");
        now(fixture.cache.close()).unwrap();
    });
}

#[test]
fn when_there_is_something_already() {
    drops(1, |fixture| {
        now(fixture.cache.set("key", &1)).unwrap();
        let added = fixture.memory.set(
            CallContext::new(Duration::from_secs(60)),
            "key",
            fixture.bytes(1),
            Expiry::Never,
            SetWhen::Absent,
        );
        assert!(!now(added).unwrap());
    });
}

#[test]
fn when_there_is_something_else_than_was_expected() {
    drops(1, |fixture| {
        let swapped = fixture.memory.compare_and_set(
            CallContext::new(Duration::from_secs(60)),
            "key",
            b"expected",
            fixture.bytes(1),
            Expiry::Never,
        );
        assert!(!now(swapped).unwrap());
    });
}

#[test]
fn when_it_is_too_large() {
    drops(1, |fixture| {
        let bytes = fixture.bytes(usize::try_from(MAX_BYTES).unwrap());
        let error = now(fixture.cache.set_bytes("key", bytes)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
    });
}

static DECODED_DROPPED: AtomicU64 = AtomicU64::new(0);

/// What `get_shared` has decoded, and an entry keeps.
#[derive(Deserialize)]
struct Decoded(#[allow(dead_code)] u8);

impl Drop for Decoded {
    fn drop(&mut self) {
        DECODED_DROPPED.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn when_it_was_decoded_and_shared() {
    let fixture = Fixture::new(EvictionPolicy::Lru);
    now(fixture.cache.set("key", &1)).unwrap();
    let decoded = now(fixture.cache.get_shared::<Decoded>("key")).unwrap();
    drop(decoded.expect("it is there"));
    assert_eq!(DECODED_DROPPED.load(Ordering::SeqCst), 0);
    now(fixture.cache.set("key", &2)).unwrap();
    assert_eq!(DECODED_DROPPED.load(Ordering::SeqCst), 1);
}

/// Bytes that say when they are dropped, and take their time.
struct Slow {
    begun: Sender<()>,
    go_on: Receiver<()>,
}

impl AsRef<[u8]> for Slow {
    fn as_ref(&self) -> &[u8] {
        b"slow"
    }
}

impl Drop for Slow {
    fn drop(&mut self) {
        let _ = self.begun.send(());
        let _ = self.go_on.recv();
    }
}

#[test]
fn a_slow_drop_of_a_replaced_value_keeps_nobody_from_its_key() {
    type Replace = fn(&Cache);
    let replacements: [Replace; 2] = [
        |cache| now(cache.set("key", &1)).unwrap(),
        |cache| assert!(now(cache.delete("key")).unwrap()),
    ];
    for max_entries in [MAX_ENTRIES, 10_000] {
        for replace in replacements {
            let settings = InMemoryCache::builder().max_entries(max_entries);
            let cache = Cache::new(settings.build().unwrap());
            let (begun, has_begun) = mpsc::channel();
            let (go_on, may_go_on) = mpsc::channel();
            let slow = Slow {
                begun,
                go_on: may_go_on,
            };
            now(cache.set_bytes("key", Bytes::from_owner(slow))).unwrap();
            let replacing = {
                let cache = cache.clone();
                thread::spawn(move || replace(&cache))
            };
            has_begun.recv().unwrap();
            let (done, is_done) = mpsc::channel();
            let beside = thread::spawn(move || {
                let _ = now(cache.get_bytes("key")).unwrap();
                now(cache.set("key", &2)).unwrap();
                done.send(now(cache.get::<i64>("key")).unwrap())
            });
            let read = is_done.recv_timeout(Duration::from_secs(60));
            drop(go_on);
            assert_eq!(read.expect("nobody waits for a lock"), Some(2));
            beside.join().unwrap().unwrap();
            replacing.join().unwrap();
        }
    }
}
