//! `footprint [<file>]`: what the allocator says of shared hits, and of entries beside those of moka.
//!
//! A program of its own, since counting makes every allocation slower.

use std::alloc::System;

use maestro_cache_benches::{Footprint, memory::kept};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const READS: usize = 100_000;
const VALUE_BYTES: [usize; 3] = [10, 88, 1024];

fn main() {
    let mut footprint = Footprint::default();

    let shared_hits = kept::shared_hits();
    shared_hits.read(READS); // moka's logs grow to their size.
    let region = Region::new(ALLOCATOR);
    shared_hits.read(READS);
    let allocations = region.change().allocations;
    footprint.allocations_a_shared_hit = allocations as f64 / READS as f64;

    for value_bytes in VALUE_BYTES {
        for kind in kept::Kind::ALL {
            let region = Region::new(ALLOCATOR);
            let entries = kept::Entries::store(kind, value_bytes);
            let change = region.change();
            let taken = change.bytes_allocated - change.bytes_deallocated;
            let over = entries.bytes_over_key_and_value(taken);
            println!(
                "{:16}{value_bytes:>6} B {over:>8.1} bytes over key and value",
                kind.name()
            );
            let row = (kind.name().to_owned(), value_bytes, over);
            footprint.bytes_over_key_and_value.push(row);
        }
    }
    println!(
        "{:.4} allocations a shared hit",
        footprint.allocations_a_shared_hit
    );
    if let Some(file) = std::env::args().nth(1) {
        let text = serde_json::to_string_pretty(&footprint).expect("a footprint is JSON");
        std::fs::write(file, text).expect("the file can be written");
    }
}
