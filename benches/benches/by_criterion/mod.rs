//! Contests as groups of criterion.

use std::env;
use std::time::Duration;

use criterion::{Criterion, Throughput};
use maestro_cache_benches::Contest;

/// Sets up and measures one contest after the other.
///
/// To set one up takes its time, so only those are that the command line asks for; and none in a
/// test run, which cargo tells from a measurement by the missing `--bench`.
pub(crate) fn measure(contests: &[Contest], criterion: &mut Criterion) {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    let asked_for = arguments.iter().find(|argument| !argument.starts_with('-'));
    for contest in contests {
        if asked_for.is_some_and(|part| !contest.name().contains(part)) {
            continue;
        }
        let mut group = criterion.benchmark_group(contest.name());
        group.sample_size(20);
        group.warm_up_time(Duration::from_secs(1));
        group.measurement_time(Duration::from_secs(2));
        for mut contestant in contest.contestants() {
            let at_once = contestant.at_once();
            group.throughput(Throughput::Elements(at_once as u64));
            group.bench_function(contestant.name(), |bencher| {
                bencher.iter_custom(|times| contestant.time(times as usize * at_once));
            });
        }
        group.finish();
    }
}
