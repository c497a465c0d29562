//! The charts of the page, as SVG: text, so that a change shows in a diff, and sharp at any size.

use std::error::Error;
use std::fs;
use std::path::Path;

use maestro_cache_benches::{Latencies, Outcome, Report};
use plotters::prelude::{
    BLACK, ChartBuilder, Circle, Color, IntoDrawingArea, IntoLogRange, LineSeries, PathElement,
    RGBColor, SVGBackend, WHITE,
};
use plotters::series::DashedLineSeries;

const SIZE: (u32, u32) = (860, 460);
const TASKS: [usize; 4] = [1, 16, 64, 256];
const SIZES: [(&str, f64); 4] = [
    ("10 B", 10.0),
    ("1 KiB", 1024.0),
    ("100 KiB", 102_400.0),
    ("1 MiB", 1_048_576.0),
];
const KEYS: [usize; 5] = [100, 1_000, 10_000, 100_000, 1_000_000];

/// Colours that are told apart by those who do not see all of them as well. Ours is the first.
const COLOURS: [RGBColor; 5] = [
    RGBColor(0, 114, 178),
    RGBColor(230, 159, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(110, 110, 110),
];

/// What a chart shows: on both axes each step is a multiplication.
struct Chart {
    file: &'static str,
    title: &'static str,
    across: &'static str,
    up: &'static str,
    lines: Vec<Line>,
}

type Figure = fn(&Latencies) -> f64;

struct Line {
    name: String,
    points: Vec<(f64, f64)>,
}

/// Draws those for which the run has figures.
pub(crate) fn draw(report: &Report, folder: &Path) {
    fs::create_dir_all(folder).expect("the folder of the charts can be made");
    let charts = [
        throughput(report),
        percentiles(report),
        by_size(report),
        by_keys(report),
        by_threads(report),
    ];
    for chart in charts {
        if chart.lines.iter().any(|line| !line.points.is_empty()) {
            draw_one(&chart, folder).expect("a chart can be drawn");
        }
    }
}

fn throughput(report: &Report) -> Chart {
    let at = |tasks| (tasks as f64, report.outcome(&get_typed(tasks)));
    Chart {
        file: "throughput-by-concurrency.svg",
        title: "Redis: reads a second, by tasks at the same time (more is better)",
        across: "tasks",
        up: "reads a second",
        lines: lines(TASKS.map(at), |nanos| 1e9 / nanos),
    }
}

fn percentiles(report: &Report) -> Chart {
    let mut lines = Vec::new();
    for who in ["maestro-cache", "one multiplexed connection"] {
        let figures: [(&str, Figure); 3] = [
            ("p50", |calls| calls.p50_nanos),
            ("p99", |calls| calls.p99_nanos),
            ("p99.9", |calls| calls.p999_nanos),
        ];
        for (percentile, of) in figures {
            let points = TASKS.into_iter().filter_map(|tasks| {
                let calls = report.latencies(&get_typed(tasks), who)?;
                Some((tasks as f64, of(calls) / 1e3))
            });
            lines.push(Line {
                name: format!("{who}, {percentile}"),
                points: points.collect(),
            });
        }
    }
    Chart {
        file: "latency-percentiles.svg",
        title: "Redis: how long a read takes, by tasks at the same time (less is better)",
        across: "tasks",
        up: "microseconds",
        lines,
    }
}

fn by_size(report: &Report) -> Chart {
    let mut all = Vec::new();
    for (prefix, suffix, label) in [
        ("memory/get shared hit of", "", "memory, shared"),
        ("memory/get owned hit of", "", "memory, owned"),
        ("redis/get bytes of", ", 16 tasks", "Redis"),
    ] {
        let at = |(size, bytes): (&str, f64)| {
            (bytes, report.outcome(&format!("{prefix} {size}{suffix}")))
        };
        for line in lines(SIZES.map(at), |nanos| nanos / 1e3) {
            let name = format!("{label}: {}", line.name);
            all.push(Line { name, ..line });
        }
    }
    Chart {
        file: "cost-by-value-size.svg",
        title: "What a read costs, by the size of the value (less is better)",
        across: "bytes",
        up: "microseconds",
        lines: all,
    }
}

fn by_keys(report: &Report) -> Chart {
    let at = |keys| {
        let contest = format!("memory/get shared hit among {keys} keys");
        (keys as f64, report.outcome(&contest))
    };
    Chart {
        file: "cost-by-number-of-keys.svg",
        title: "Memory: what a shared hit costs, by the number of keys (less is better)",
        across: "keys",
        up: "nanoseconds",
        lines: lines(KEYS.map(at), |nanos| nanos),
    }
}

fn by_threads(report: &Report) -> Chart {
    let at = |(threads, suffix)| {
        let contest = format!("memory/get shared hit, {suffix}");
        (threads, report.outcome(&contest))
    };
    Chart {
        file: "scaling-with-threads.svg",
        title: "Memory: shared hits a second, by threads (more is better)",
        across: "threads",
        up: "millions a second",
        lines: lines([(1.0, "1 thread"), (2.0, "2 threads")].map(at), |nanos| {
            1e3 / nanos
        }),
    }
}

fn get_typed(tasks: usize) -> String {
    let plural = if tasks == 1 { "" } else { "s" };
    format!("redis/get typed, {tasks} task{plural}")
}

/// One line for each contestant.
fn lines<const N: usize>(
    outcomes: [(f64, Option<&Outcome>); N],
    figure: impl Fn(f64) -> f64,
) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for (across, outcome) in outcomes {
        for timing in outcome.iter().flat_map(|outcome| &outcome.timings) {
            let point = (across, figure(timing.nanos.median));
            match lines.iter_mut().find(|line| line.name == timing.contestant) {
                Some(line) => line.points.push(point),
                None => lines.push(Line {
                    name: timing.contestant.clone(),
                    points: vec![point],
                }),
            }
        }
    }
    lines
}

fn draw_one(chart: &Chart, folder: &Path) -> Result<(), Box<dyn Error>> {
    let points = || chart.lines.iter().flat_map(|line| &line.points);
    let least = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(f64::INFINITY, f64::min);
    let most = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(0.0, f64::max);
    let (left, right) = (least(|point| point.0), most(|point| point.0));
    let (bottom, top) = (least(|point| point.1), most(|point| point.1));

    let file = folder.join(chart.file);
    let area = SVGBackend::new(&file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    // The names stand beside the lines, not on them.
    let (area, legend) = area.split_horizontally(SIZE.0 * 7 / 10);
    let mut drawn = ChartBuilder::on(&area)
        .caption(chart.title, ("sans-serif", 16))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(72)
        .build_cartesian_2d(
            (left * 0.9..right * 1.1).log_scale(),
            (bottom * 0.8..top * 1.25).log_scale(),
        )?;
    let number = |value: &f64| plain(*value);
    drawn
        .configure_mesh()
        .light_line_style(WHITE)
        .x_desc(chart.across)
        .y_desc(chart.up)
        .x_label_formatter(&number)
        .y_label_formatter(&number)
        .draw()?;
    for (place, line) in chart.lines.iter().enumerate() {
        let colour = COLOURS.get(place % COLOURS.len()).unwrap_or(&BLACK);
        let style = colour.stroke_width(if place == 0 { 3 } else { 2 });
        let points = line.points.iter().copied();
        if place < COLOURS.len() {
            drawn.draw_series(LineSeries::new(points.clone(), style))?;
        } else {
            // There are more lines than colours.
            drawn.draw_series(DashedLineSeries::new(points.clone(), 6, 4, style))?;
        }
        drawn.draw_series(points.map(|point| Circle::new(point, 3, colour.filled())))?;

        let at = 60 + 22 * place as i32;
        legend.draw(&PathElement::new([(4, at), (28, at)], style))?;
        legend.draw_text(&line.name, &("sans-serif", 12).into(), (34, at - 6))?;
    }
    area.present()?;
    Ok(())
}

/// A number as people write it.
fn plain(value: f64) -> String {
    match value {
        _ if value >= 1e6 => format!("{} M", value / 1e6),
        _ if value >= 1e3 => format!("{} k", value / 1e3),
        _ => format!("{}", (value * 1e3).round() / 1e3),
    }
}
