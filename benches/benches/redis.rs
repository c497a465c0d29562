//! The contests on Redis, each contestant by itself. `ratios` has them take turns instead.

mod by_criterion;

use criterion::{Criterion, criterion_group, criterion_main};
use maestro_cache_benches::redis;

fn on_redis(criterion: &mut Criterion) {
    by_criterion::measure(&redis::contests(), criterion);
}

criterion_group!(benches, on_redis);
criterion_main!(benches);
