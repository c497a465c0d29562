//! What a run came to: written by `ratios`, read by `page`.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::redis::ServerTime;
use crate::{Latencies, Outcome};

/// All that was measured in one run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// `quick` or `full`.
    pub pace: String,
    /// How long single operations took.
    pub outcomes: Vec<Outcome>,
    /// How long the slow ones among them took.
    pub latencies: Vec<Latencies>,
    /// What operations take of the server.
    pub server_times: Vec<ServerTime>,
    /// What entries take, if the run was told.
    pub footprint: Option<Footprint>,
    /// The figures that are kept in `benches/instructions.tsv`.
    pub instructions: Vec<(String, u64)>,
}

/// Where something was measured, and with what.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Machine {
    /// How many threads run at the same time.
    pub cores: usize,
    /// The model of the processor.
    pub processor: String,
    /// The compiler.
    pub rustc: String,
    /// The server.
    pub redis: String,
}

/// What the allocator says, by the program `footprint`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Footprint {
    /// How often a shared hit allocates.
    pub allocations_a_shared_hit: f64,
    /// Who, the bytes of each value, and the bytes of an entry over those of its key and its value.
    pub bytes_over_key_and_value: Vec<(String, usize, f64)>,
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn this() -> Self {
        let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = processors
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
        Self {
            cores: std::thread::available_parallelism().map_or(1, Into::into),
            processor: model.unwrap_or("an unknown processor").to_owned(),
            rustc: first_line_of("rustc"),
            redis: first_line_of("redis-server"),
        }
    }
}

/// Without the checksums of a build.
fn first_line_of(program: &str) -> String {
    let output = Command::new(program).arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    line.split(" sha=").next().unwrap_or_default().to_owned()
}

impl Report {
    /// Reads what [`write`](Self::write) wrote.
    #[must_use]
    pub fn read(file: &Path) -> Self {
        let text = fs::read_to_string(file).expect("the file of the run can be read");
        serde_json::from_str(&text).expect("the file was written by `ratios`")
    }

    /// Keeps it for later.
    pub fn write(&self, file: &Path) {
        let text = serde_json::to_string_pretty(self).expect("a report is JSON");
        fs::write(file, text).expect("the file of the run can be written");
    }

    /// The figures that are kept beside this package, which `scripts/instructions.sh` compares.
    #[must_use]
    pub fn kept_instructions() -> Vec<(String, u64)> {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.tsv");
        let text = fs::read_to_string(file).unwrap_or_default();
        text.lines()
            .filter_map(|line| line.split_once('\t'))
            .filter_map(|(name, count)| Some((name.to_owned(), count.parse().ok()?)))
            .collect()
    }

    /// What became of a contest.
    #[must_use]
    pub fn outcome(&self, contest: &str) -> Option<&Outcome> {
        self.outcomes
            .iter()
            .find(|outcome| outcome.contest == contest)
    }

    /// How long single calls of a contestant took.
    #[must_use]
    pub fn latencies(&self, contest: &str, contestant: &str) -> Option<&Latencies> {
        self.latencies
            .iter()
            .find(|calls| calls.contest == contest && calls.contestant == contestant)
    }

    /// What an operation takes of the server.
    #[must_use]
    pub fn server_time(&self, operation: &str) -> Option<&ServerTime> {
        let mut times = self.server_times.iter();
        times.find(|time| time.operation == operation)
    }

    /// The instructions of an operation.
    #[must_use]
    pub fn instructions(&self, operation: &str) -> Option<u64> {
        let mut kept = self.instructions.iter();
        kept.find_map(|(name, count)| (name == operation).then_some(*count))
    }
}

impl Outcome {
    /// What became of a contestant.
    #[must_use]
    pub fn timing(&self, contestant: &str) -> Option<&crate::Timing> {
        self.timings
            .iter()
            .find(|timing| timing.contestant == contestant)
    }
}
