//! Whom the memory backend evicts, judged by what it is for: as many hits as moka has.

use maestro_cache::{Cache, EvictionPolicy, InMemoryCache};

const KEYS: usize = 100_000;
const ENTRIES: u64 = 10_000;
const REQUESTS: u32 = 300_000;

/// Keys by Zipf's law: the second one is asked for half as often as the first one, and so on.
struct Zipf {
    cumulated: Vec<f64>,
    state: u64,
}

impl Zipf {
    fn new() -> Self {
        let mut sum = 0.0;
        let share = |rank: u32| {
            sum += 1.0 / f64::from(rank);
            sum
        };
        Self {
            cumulated: (1..).take(KEYS).map(share).collect(),
            state: 0x9e37_79b9_7f4a_7c15,
        }
    }
}

impl Iterator for Zipf {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        let total = self.cumulated.last()?;
        let drawn = f64::from((self.state >> 32) as u32) / f64::from(u32::MAX) * total;
        let rank = self.cumulated.partition_point(|sum| *sum < drawn);
        Some(rank.to_string())
    }
}

/// The hits of a hundred requests. A miss is stored.
fn hit_rate(mut is_hit: impl FnMut(&str) -> bool) -> f64 {
    let mut keys = Zipf::new();
    keys.by_ref().take(KEYS).for_each(|key| {
        is_hit(&key);
    });
    let keys = keys.take(REQUESTS as usize);
    let hits: u32 = keys.map(|key| u32::from(is_hit(&key))).sum();
    100.0 * f64::from(hits) / f64::from(REQUESTS)
}

fn ours(policy: EvictionPolicy) -> f64 {
    let settings = InMemoryCache::builder().max_entries(ENTRIES);
    let cache = Cache::new(settings.eviction_policy(policy).build().unwrap());
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.build().unwrap();
    hit_rate(|key| {
        runtime.block_on(async {
            let is_hit = cache.get::<i64>(key).await.unwrap().is_some();
            if !is_hit {
                cache.set(key, &1).await.unwrap();
            }
            is_hit
        })
    })
}

fn mokas(policy: moka::policy::EvictionPolicy) -> f64 {
    let cache = moka::sync::Cache::builder()
        .max_capacity(ENTRIES)
        .eviction_policy(policy)
        .build();
    hit_rate(|key| {
        let is_hit = cache.get(key).is_some();
        if !is_hit {
            cache.insert(key.to_owned(), 1);
            cache.run_pending_tasks();
        }
        is_hit
    })
}

fn no_worse(ours: f64, mokas: f64) {
    assert!(
        ours > mokas - 1.0,
        "{ours:.2} of 100, and {mokas:.2} in moka"
    );
}

#[test]
fn the_least_recently_used_leave_as_many_hits_as_in_moka() {
    no_worse(
        ours(EvictionPolicy::Lru),
        mokas(moka::policy::EvictionPolicy::lru()),
    );
}

#[test]
fn the_least_often_used_leave_as_many_hits_as_in_moka() {
    no_worse(
        ours(EvictionPolicy::TinyLfu),
        mokas(moka::policy::EvictionPolicy::tiny_lfu()),
    );
}
