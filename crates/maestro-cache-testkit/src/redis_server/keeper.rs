//! The shell that stands between a test process and its server, and outlives the former.
//!
//! A destructor does not run when a process is killed, nor for what sits in a `static`. A pipe
//! always closes, so the shell waits for that and ends the server then.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::poll;

/// `$1` is the server's directory, the rest its command line. The main shell waits for the server,
/// the one beside it for the end of the pipe. The directory stays, for the server may come back to
/// it; if the process was killed it may be gone already, and then nobody asks who has ended.
const SCRIPT: &str = r#"
directory=$1
shift
rm -f "$directory/ended"
exec 3<&0
"$@" >"$directory/redis.log" 2>&1 3<&- &
server=$!
echo "$server"
exec >/dev/null
{ cat <&3 >/dev/null; kill -9 "$server"; } &
watcher=$!
wait "$server"
: >"$directory/ended"
kill "$watcher"
"#;

/// A server process and the shell that keeps it.
#[derive(Debug)]
pub(super) struct Keeper {
    shell: Child,
    pid: u32,
    directory: PathBuf,
}

/// How a start went.
pub(super) enum Started {
    Answers,
    PortTaken,
    Failed,
}

impl Keeper {
    pub(super) fn start(directory: &Path, arguments: &[String]) -> Self {
        assert!(
            is_installed(),
            "there is no `redis-server` on the PATH, and this test needs one; install it \
             (`apt-get install redis-server`, `dnf install redis`, `brew install redis`) or run \
             `scripts/test.sh`"
        );
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(directory)
            .arg("redis-server")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // A Ctrl-C at the terminal ends the test process, and only then the server: the shell
            // must not go first.
            .process_group(0)
            .spawn()
            .expect("`sh` can be run");
        let stdout = shell.stdout.take().expect("the output is a pipe");
        let mut line = String::new();
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("the shell says which process the server is");
        Self {
            shell,
            pid: line
                .trim()
                .parse()
                .expect("what the shell says is a number"),
            directory: directory.to_owned(),
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// True once the server has ended by itself.
    pub(super) fn has_ended(&self) -> bool {
        self.directory.join("ended").exists()
    }

    pub(super) fn why_it_ended(&self) -> Started {
        let log = self.log();
        if log.contains("Address already in use") || log.contains("Failed listening on port") {
            Started::PortTaken
        } else {
            Started::Failed
        }
    }

    /// What the server said so far.
    pub(super) fn log(&self) -> String {
        let log = std::fs::read(self.directory.join("redis.log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }

    pub(super) fn pause(&self) {
        self.signal("STOP");
        // The signal takes effect a moment after it was sent. Where the system shows no states of
        // processes there is nothing to wait for.
        poll::until("the server is frozen", || {
            self.state().is_none_or(|state| state == 'T').then_some(())
        });
    }

    pub(super) fn resume(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.pid.to_string())
            .status()
            .expect("`kill` can be run");
        assert!(status.success(), "`kill -{name}` reaches the server");
    }

    /// The letter that Linux gives the state of the process; `T` is stopped.
    fn state(&self) -> Option<char> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid)).ok()?;
        let (_, behind_name) = stat.rsplit_once(')')?;
        behind_name.trim_start().chars().next()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        // The end of the pipe is the word to the shell.
        drop(self.shell.stdin.take());
        // Nothing is to be done about a failure, and a panic here could hide that of the test.
        let _ = self.shell.wait();
    }
}

fn is_installed() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join("redis-server").is_file())
}
