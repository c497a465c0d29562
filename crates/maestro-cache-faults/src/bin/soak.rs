//! `cargo run --release -p maestro-cache-faults --bin soak -- 1800`: seconds, and a seed if the same
//! faults are wanted again.

#![allow(clippy::print_stdout, clippy::expect_used)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use maestro_cache_faults::Soak;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = || {
        arguments
            .next()
            .map(|text| text.parse::<u64>().expect("seconds and a seed are numbers"))
    };
    let seconds = number().unwrap_or(1800);
    let seed = number().unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        now.map_or(0, |now| now.as_secs())
    });
    println!("{seconds} seconds, seed {seed}");
    let soaked = Soak::new(Duration::from_secs(seconds), seed).run().await;
    println!(
        "{} faults, {} calls, {} failed; the longest took {} ms; {} hang, {} wrong",
        soaked.faults,
        soaked.calls,
        soaked.failed,
        soaked.longest.as_millis(),
        soaked.hanging,
        soaked.wrong.len()
    );
    assert_eq!(soaked.hanging, 0, "calls never came back");
    assert!(soaked.wrong.is_empty(), "{:?}", soaked.wrong);
    assert!(soaked.longest < Duration::from_secs(2), "a call was late");
}
