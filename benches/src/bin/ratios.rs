//! `ratios [--quick] [--only <part of a name>] [--json <file>] [--footprint <file>]`: has all
//! contestants take turns, and prints what came of it.

use std::path::PathBuf;

use maestro_cache_benches::{
    Latencies, Machine, Outcome, Pace, Report, TARGETS, Verdict, contests, race, race_latencies,
    redis,
};

/// Of which contests single calls are timed as well.
const WITH_LATENCIES: [&str; 5] = [
    "memory/get shared hit, 1 thread",
    "redis/get typed, 1 task",
    "redis/get typed, 16 tasks",
    "redis/get typed, 64 tasks",
    "redis/get typed, 256 tasks",
];

#[derive(Default)]
struct Arguments {
    is_quick: bool,
    only: String,
    json: Option<PathBuf>,
    footprint: Option<PathBuf>,
}

fn main() {
    let arguments = Arguments::read();
    let (pace, name) = match arguments.is_quick {
        true => (Pace::QUICK, "quick"),
        false => (Pace::FULL, "full"),
    };
    let mut report = Report {
        machine: Machine::this(),
        pace: name.to_owned(),
        instructions: Report::kept_instructions(),
        footprint: arguments.footprint.map(|file| {
            let text = std::fs::read_to_string(file).expect("the footprint can be read");
            serde_json::from_str(&text).expect("`footprint` wrote it")
        }),
        ..Report::default()
    };
    for contest in contests() {
        if !contest.name().contains(&arguments.only) {
            continue;
        }
        let outcome = race(&contest, pace);
        print_outcome(&outcome);
        report.outcomes.push(outcome);
        if WITH_LATENCIES.contains(&contest.name()) {
            let latencies = race_latencies(&contest, pace);
            print_latencies(&latencies);
            report.latencies.extend(latencies);
        }
        // A run that is ended before its time leaves what it has.
        if let Some(file) = &arguments.json {
            report.write(file);
        }
    }
    report.server_times = redis::server_times(&arguments.only, pace);
    print_server_times(&report.server_times);
    if let Some(file) = &arguments.json {
        report.write(file);
    }
    print_targets(&report);
}

impl Arguments {
    fn read() -> Self {
        let mut read = Self::default();
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .expect("the argument is followed by a value")
            };
            match argument.as_str() {
                "--quick" => read.is_quick = true,
                "--only" => read.only = value(),
                "--json" => read.json = Some(value().into()),
                "--footprint" => read.footprint = Some(value().into()),
                _ => {
                    println!("{argument} is not known; see the first lines of ratios.rs");
                    std::process::exit(2);
                }
            }
        }
        read
    }
}

fn print_outcome(outcome: &Outcome) {
    println!("{} ({} a round)", outcome.contest, outcome.operations);
    for timing in &outcome.timings {
        let ratio = timing.ours_is_times_as_fast;
        println!(
            "    {:32}{:>14.0} ns   ours is {:6.2} times as fast ({:.2} to {:.2}){}",
            timing.contestant,
            timing.nanos.median,
            ratio.median,
            ratio.lower,
            ratio.upper,
            timing
                .hit_rate
                .map(|rate| format!("   {:.2} % hits", 100.0 * rate))
                .unwrap_or_default(),
        );
    }
}

fn print_latencies(latencies: &[Latencies]) {
    for calls in latencies {
        println!(
            "    {:32}p50 {:>10.0} ns   p99 {:>10.0} ns   p99.9 {:>10.0} ns   p99 / p50 {:.1}",
            calls.contestant,
            calls.p50_nanos,
            calls.p99_nanos,
            calls.p999_nanos,
            calls.p99_by_p50.median,
        );
    }
}

fn print_server_times(times: &[redis::ServerTime]) {
    for time in times {
        let ratio = time.ours_by_plain;
        println!(
            "{:40}{:>8.0} ns of the server, {} {:>8.0} ns: {:.2} times as long ({:.2} to {:.2})   {}",
            time.operation,
            time.our_nanos.median,
            time.plain,
            time.plain_nanos.median,
            ratio.median,
            ratio.lower,
            ratio.upper,
            time.ours,
        );
    }
}

fn print_targets(report: &Report) {
    println!();
    for target in TARGETS {
        let verdict = match target.verdict(report) {
            Verdict::Pass(figure) => format!("{figure:8.2}   pass"),
            Verdict::Short(figure) => format!("{figure:8.2}   short"),
            Verdict::NotMeasured => continue,
        };
        println!(
            "{:52}{:58}{:>7} {verdict}",
            target.operation(),
            target.measure(),
            target.bound(),
        );
    }
}
