//! The contests in memory, each contestant by itself. `ratios` has them take turns instead.

mod by_criterion;

use criterion::{Criterion, criterion_group, criterion_main};
use maestro_cache_benches::{codec, memory};

fn in_memory(criterion: &mut Criterion) {
    by_criterion::measure(&memory::contests(), criterion);
    by_criterion::measure(&codec::contests(), criterion);
}

criterion_group!(benches, in_memory);
criterion_main!(benches);
