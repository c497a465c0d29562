//! What no measurement has to repeat, since it holds or does not.

use std::alloc::System;

use maestro_cache_benches::memory::kept;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The only test of this program: what another one allocates meanwhile would be counted as well.
#[test]
fn a_shared_hit_allocates_nothing() {
    const READS: usize = 10_000;
    let shared_hits = kept::shared_hits();
    // Often enough that each key was met: moka is told of the first hit of each.
    shared_hits.read(20 * READS);
    let region = Region::new(ALLOCATOR);
    shared_hits.read(READS);
    assert_eq!(region.change().allocations, 0);
}
