//! On which threads the clients run, and on which cores.

use std::process::Command;

use tokio::runtime::{Builder, Runtime};

const CORES: &str = "there are two cores, and `taskset` of util-linux says who has which";

/// The runtime of the clients.
pub(super) struct Placement {
    pub(super) runtime: Runtime,
    _cores: Option<OwnCores>,
}

impl Placement {
    /// As a service has it: nothing is pinned.
    pub(super) fn two_workers() -> Self {
        Self {
            runtime: runtime(2),
            _cores: None,
        }
    }

    /// The server on a core of its own, and one worker on another: two machines in small.
    pub(super) fn beside_server(server: u32) -> Self {
        let cores = OwnCores::of(server);
        Self {
            runtime: runtime(1), // Its threads are born on the core of their parent.
            _cores: Some(cores),
        }
    }
}

fn runtime(workers: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    let runtime = builder.worker_threads(workers).enable_all().build();
    runtime.expect("a runtime starts")
}

/// This process on one core and the server on another, until it is dropped.
struct OwnCores {
    before: [(u32, String); 2],
}

impl OwnCores {
    fn of(server: u32) -> Self {
        let pids = [std::process::id(), server];
        let before = pids.map(|pid| (pid, cores_of(pid)));
        for (core, pid) in pids.into_iter().enumerate() {
            pin(pid, &core.to_string());
        }
        Self { before }
    }
}

impl Drop for OwnCores {
    fn drop(&mut self) {
        for (pid, cores) in &self.before {
            pin(*pid, cores);
        }
    }
}

/// Such as `0,1`.
fn cores_of(pid: u32) -> String {
    let shown = taskset(&["--cpu-list", "--pid", &pid.to_string()]);
    let (_, cores) = shown.rsplit_once(": ").expect(CORES);
    cores.trim().to_owned()
}

fn pin(pid: u32, cores: &str) {
    taskset(&[
        "--all-tasks",
        "--cpu-list",
        "--pid",
        cores,
        &pid.to_string(),
    ]);
}

fn taskset(arguments: &[&str]) -> String {
    let output = Command::new("taskset").args(arguments).output();
    let output = output.expect(CORES);
    assert!(output.status.success(), "{CORES}");
    String::from_utf8(output.stdout).expect(CORES)
}
