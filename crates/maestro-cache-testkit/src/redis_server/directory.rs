//! A directory that does not outlive the test process.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The removal is tried again because a server that is being killed may still make a file.
const SCRIPT: &str = r#"
cat >/dev/null
until rm -rf "$1"; do sleep 0.1; done
"#;

/// A temporary directory that goes away with this value, and also if the process is killed: a
/// shell removes it once the pipe from the process closes.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    shell: Child,
}

impl Directory {
    pub(crate) fn new() -> Self {
        let path = tempfile::Builder::new()
            .prefix("redis-")
            .tempdir()
            .expect("a temporary directory can be made")
            .keep();
        let shell = Command::new("sh")
            .args(["-c", SCRIPT, "sh"])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // A Ctrl-C at the terminal must not end the shell before the test process.
            .process_group(0)
            .spawn()
            .expect("`sh` can be run");
        Self { path, shell }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // The end of the pipe is the word to the shell.
        drop(self.shell.stdin.take());
        // Nothing is to be done about a failure, and a panic here could hide that of the test.
        let _ = self.shell.wait();
    }
}
