//! A Python process with the `redis` package, spoken to line by line.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use maestro_cache_testkit::RedisServer;
use serde_json::{Value, json};

/// The process; it ends when its input does, which is when this is dropped.
pub(super) struct Python {
    process: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Python {
    pub(super) fn start(server: &RedisServer) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let python = std::env::var_os("MAESTRO_TEST_PYTHON")
            .map_or_else(|| root.join(".venv/bin/python"), PathBuf::from);
        let socket = server.socket();
        let mut process = Command::new(&python)
            .arg(root.join("crates/maestro-cache/tests/it/real_clients/client.py"))
            .arg(socket)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!(
                    "no Python with the packages `redis` and `msgpack` at {} ({error}); \
                     scripts/install.sh makes one, MAESTRO_TEST_PYTHON names another",
                    python.display()
                )
            });
        let input = process.stdin.take();
        let output = BufReader::new(process.stdout.take().unwrap());
        Self {
            process,
            input,
            output,
        }
    }

    /// What a command answers, or the name of the exception that it raised.
    pub(super) fn ask(&mut self, command: Value) -> Result<Value, String> {
        writeln!(self.input.as_mut().unwrap(), "{command}").unwrap();
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        let answer: Value = serde_json::from_str(&line).unwrap_or_else(|error| {
            panic!("Python ended on {command} ({error}); its packages come by scripts/install.sh")
        });
        match answer.get("error") {
            Some(error) => Err(error.as_str().unwrap().to_owned()),
            None => Ok(answer.get("ok").unwrap().clone()),
        }
    }

    pub(super) fn write(&mut self, key: &str, expression: &str) -> Result<Value, String> {
        self.ask(json!(["write", key, expression]))
    }

    pub(super) fn read(&mut self, key: &str) -> Result<String, String> {
        let answer = self.ask(json!(["read", key]))?;
        Ok(answer.as_str().unwrap().to_owned())
    }

    /// The bytes as they stand in Redis, for texts and the rest alike.
    pub(super) fn stored(&mut self, key: &str) -> Vec<u8> {
        let hex = self.ask(json!(["stored", key])).unwrap();
        let digits = hex.as_str().unwrap().as_bytes();
        digits
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        // Without input it ends by itself.
        self.input = None;
        let _ = self.process.wait();
    }
}
