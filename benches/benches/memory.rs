//! The in-memory backend through the facade, beside moka alone and a locked hash map.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::{Arc, Mutex, PoisonError};

use criterion::{Criterion, criterion_group, criterion_main};
use maestro_cache::{Cache, InMemoryCache};
use serde::{Deserialize, Serialize};

const ENTRIES: usize = 5_000;

#[derive(Clone, Serialize, Deserialize)]
struct User {
    id: u64,
    name: String,
    email: String,
    active: bool,
}

fn user(id: usize) -> User {
    User {
        id: id as u64,
        name: format!("user number {id}"),
        email: format!("user-{id}@example.org"),
        active: true,
    }
}

fn keys() -> Vec<String> {
    (0..ENTRIES).map(|id| format!("user:{id}")).collect()
}

/// The keys one after the other, for ever.
struct Round {
    keys: Vec<String>,
    at: usize,
}

impl Round {
    fn new() -> Self {
        Self {
            keys: keys(),
            at: 0,
        }
    }

    fn next(&mut self) -> &str {
        self.at = (self.at + 1) % self.keys.len();
        self.keys.get(self.at).map_or("", String::as_str)
    }
}

fn memory(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let Ok(runtime) = runtime else {
        return;
    };
    let Ok(backend) = InMemoryCache::builder()
        .max_entries(2 * ENTRIES as u64)
        .build()
    else {
        return;
    };
    let cache = Cache::new(backend);
    let moka: moka::sync::Cache<String, Arc<User>> = moka::sync::Cache::new(2 * ENTRIES as u64);
    let locked: Mutex<HashMap<String, Arc<User>>> = Mutex::default();
    runtime.block_on(async {
        for (id, key) in keys().into_iter().enumerate() {
            let _ = cache.set(&key, &user(id)).await;
            moka.insert(key.clone(), Arc::new(user(id)));
            locked
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(key, Arc::new(user(id)));
        }
    });

    let mut hits = criterion.benchmark_group("memory/get hit");
    let mut round = Round::new();
    hits.bench_function("shared", |bencher| {
        bencher.iter(|| runtime.block_on(cache.get_shared::<User>(round.next())));
    });
    hits.bench_function("owned", |bencher| {
        bencher.iter(|| runtime.block_on(cache.get::<User>(round.next())));
    });
    hits.bench_function("moka alone, shared", |bencher| {
        bencher.iter(|| runtime.block_on(async { moka.get(round.next()) }));
    });
    hits.bench_function("locked hash map, shared", |bencher| {
        bencher.iter(|| {
            runtime.block_on(async {
                let locked = locked.lock().unwrap_or_else(PoisonError::into_inner);
                locked.get(round.next()).cloned()
            })
        });
    });
    hits.finish();

    let mut misses = criterion.benchmark_group("memory/get miss");
    misses.bench_function("shared", |bencher| {
        bencher.iter(|| runtime.block_on(cache.get_shared::<User>(black_box("missing"))));
    });
    misses.bench_function("moka alone", |bencher| {
        bencher.iter(|| runtime.block_on(async { moka.get(black_box("missing")) }));
    });
    misses.finish();

    let mut sets = criterion.benchmark_group("memory/set");
    let value = user(7);
    sets.bench_function("with time to live", |bencher| {
        bencher.iter(|| runtime.block_on(async { cache.set(round.next(), &value).await }));
    });
    sets.bench_function("moka alone", |bencher| {
        bencher.iter(|| {
            runtime.block_on(async {
                moka.insert(round.next().to_owned(), Arc::new(value.clone()));
            });
        });
    });
    sets.finish();
}

criterion_group!(benches, memory);
criterion_main!(benches);
