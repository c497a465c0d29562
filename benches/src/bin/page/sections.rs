//! The tables of the page.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use maestro_cache_benches::{Outcome, Report, TARGETS, Verdict};

/// The name of each section, and what belongs there now.
pub(crate) fn all(report: &Report, profiles: &Path) -> Vec<(&'static str, String)> {
    vec![
        ("machine", machine(report)),
        ("targets", targets(report)),
        (
            "memory",
            ratios(report, |name| name.starts_with("memory/") && !grows(name)),
        ),
        ("codec", ratios(report, |name| name.starts_with("codec/"))),
        ("redis", ratios(report, |name| name.starts_with("redis/"))),
        ("latencies", latencies(report)),
        ("server time", server_times(report)),
        ("growth", ratios(report, grows)),
        ("footprint", footprint(report)),
        ("instructions", instructions(report)),
        ("profiles", profiles_in(profiles)),
    ]
}

fn machine(report: &Report) -> String {
    let machine = &report.machine;
    format!(
        "| | |\n|---|---|\n| processor | {}, {} threads at the same time |\n| compiler | {} |\n\
         | server | {}, on loopback |\n| run | {} |",
        machine.processor, machine.cores, machine.rustc, machine.redis, report.pace
    )
}

/// Each target, and what became of it.
pub(crate) fn targets(report: &Report) -> String {
    let mut table =
        "| operation | figure | target | measured | |\n|---|---|---|---|---|\n".to_owned();
    for target in TARGETS {
        let (figure, verdict) = match target.verdict(report) {
            Verdict::Pass(figure) => (decimal(figure), "pass"),
            Verdict::Short(figure) => (decimal(figure), "**short**"),
            Verdict::NotMeasured => (String::new(), "not measured"),
        };
        let (operation, measure) = (target.operation(), target.measure());
        let bound = target.bound();
        line(&mut table, &[operation, &measure, &bound, &figure, verdict]);
    }
    table
}

/// Two digits behind the point where they say something.
fn decimal(figure: f64) -> String {
    if figure.abs() < 100.0 {
        format!("{figure:.2}")
    } else {
        format!("{figure:.0}")
    }
}

/// Whether a contest is one of those that differ in how much is stored.
fn grows(contest: &str) -> bool {
    contest.starts_with("memory/")
        && (contest.contains(" among ") || contest.contains(" of 1"))
        && !contest.contains("many")
}

fn ratios(report: &Report, belongs: impl Fn(&str) -> bool) -> String {
    let mut table =
        "| operation | beside | ours | theirs | ours is … times as fast | half of the rounds |\n\
         |---|---|---|---|---|---|\n"
            .to_owned();
    let outcomes = report.outcomes.iter();
    for outcome in outcomes.filter(|outcome| belongs(&outcome.contest)) {
        others_of(&mut table, outcome);
    }
    table
}

fn others_of(table: &mut String, outcome: &Outcome) {
    let Some((ours, others)) = outcome.timings.split_first() else {
        return;
    };
    let taken = |timing: &maestro_cache_benches::Timing| {
        let hits = timing
            .hit_rate
            .map(|rate| format!(", {:.1} % hits", 100.0 * rate));
        time(timing.nanos.median) + &hits.unwrap_or_default()
    };
    for other in others {
        let ratio = other.ours_is_times_as_fast;
        line(
            table,
            &[
                &outcome.contest,
                &other.contestant,
                &taken(ours),
                &taken(other),
                &format!("{:.2}", ratio.median),
                &format!("{:.2} to {:.2}", ratio.lower, ratio.upper),
            ],
        );
    }
}

fn latencies(report: &Report) -> String {
    let mut table =
        "| operation | who | p50 | p99 | p99.9 | p99 ÷ p50 |\n|---|---|---|---|---|---|\n"
            .to_owned();
    for calls in &report.latencies {
        line(
            &mut table,
            &[
                &calls.contest,
                &calls.contestant,
                &time(calls.p50_nanos),
                &time(calls.p99_nanos),
                &time(calls.p999_nanos),
                &format!("{:.1}", calls.p99_by_p50.median),
            ],
        );
    }
    table
}

fn server_times(report: &Report) -> String {
    let mut table =
        "| operation | ours sends | plain | ours | plain | ours ÷ plain | half of the rounds |\n\
         |---|---|---|---|---|---|---|\n"
            .to_owned();
    for of in &report.server_times {
        let ratio = of.ours_by_plain;
        line(
            &mut table,
            &[
                &of.operation,
                &of.ours,
                &of.plain,
                &time(of.our_nanos.median),
                &time(of.plain_nanos.median),
                &format!("{:.2}", ratio.median),
                &format!("{:.2} to {:.2}", ratio.lower, ratio.upper),
            ],
        );
    }
    table
}

fn footprint(report: &Report) -> String {
    let mut table = "| cache | value | bytes over key and value |\n|---|---|---|\n".to_owned();
    for (who, bytes, over) in report
        .footprint
        .iter()
        .flat_map(|it| &it.bytes_over_key_and_value)
    {
        line(
            &mut table,
            &[who, &format!("{bytes} B"), &format!("{over:.0}")],
        );
    }
    table
}

fn instructions(report: &Report) -> String {
    let mut table = "| operation | instructions |\n|---|---|\n".to_owned();
    for (operation, count) in &report.instructions {
        line(&mut table, &[operation, &count.to_string()]);
    }
    table
}

/// What `scripts/profile.sh` printed, a file an operation.
fn profiles_in(folder: &Path) -> String {
    let entries = fs::read_dir(folder).expect("the folder of profiles can be read");
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    let mut text = String::new();
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let profile = fs::read_to_string(&file).expect("a profile can be read");
        let _ = write!(text, "### {name}\n\n{profile}\n");
    }
    text
}

fn line(table: &mut String, cells: &[&str]) {
    let _ = writeln!(table, "| {} |", cells.join(" | "));
}

fn time(nanos: f64) -> String {
    match nanos {
        _ if nanos < 1e4 => format!("{nanos:.0} ns"),
        _ if nanos < 1e7 => format!("{:.1} µs", nanos / 1e3),
        _ => format!("{:.1} ms", nanos / 1e6),
    }
}
