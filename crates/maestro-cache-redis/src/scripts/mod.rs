//! What takes more than one command and must still be atomic.
//!
//! A refusal in the middle of a script leaves nothing half done: each writes at most once for each key
//! and result, or puts back what was there. A refusal of an inner command is handed on as it is
//! (`pcall`), with its own code, which an uncaught one loses on older servers; only what is asked
//! behind another command that would have been refused alike is not caught.

mod claims;
mod digest;
mod increment;
mod live;

pub(crate) use claims::{claim, look_up, publish, release, renew, unreadable};
pub(crate) use increment::{Increment, increment};
pub(crate) use live::{MOST_KEYS, add, compare_and_set, exists, remove, set_expiry, take, ttl};

use crate::request::Request;
use crate::resp::Command;

/// A script and its SHA-1, by which a server that has seen it knows it.
struct Script {
    code: &'static str,
    digest: [u8; 40],
}

impl Script {
    const fn new(code: &'static str) -> Self {
        Self {
            code,
            digest: digest::of(code),
        }
    }

    /// A call of it: how many keys there are, the keys, and what the script is told.
    fn call(&'static self, arguments: Command) -> ScriptCall {
        ScriptCall {
            script: self,
            arguments,
            is_heavy: false,
        }
    }
}

/// A call of a script.
pub(crate) struct ScriptCall {
    script: &'static Script,
    arguments: Command,
    is_heavy: bool,
}

impl ScriptCall {
    /// The call for a server that knows the script.
    pub(crate) fn by_digest(&self) -> Command {
        self.with("EVALSHA", &self.script.digest)
    }

    /// The same call with the script itself, for a server that does not know it.
    pub(crate) fn in_full(&self) -> Command {
        self.with("EVAL", self.script.code.as_bytes())
    }

    /// Says whether its answer takes its time.
    pub(crate) fn heavy_if(mut self, is_heavy: bool) -> Self {
        self.is_heavy = is_heavy;
        self
    }

    /// What is sent, by digest or in full.
    pub(crate) fn request(&self, is_in_full: bool) -> Request {
        let command = if is_in_full {
            self.in_full()
        } else {
            self.by_digest()
        };
        if self.is_heavy {
            Request::heavy(command)
        } else {
            command.into()
        }
    }

    fn with(&self, name: &str, script: &[u8]) -> Command {
        let mut command = Command::arguments(2, name.len() + script.len());
        command.arg(name).arg(script).append(&self.arguments);
        command
    }
}

/// The only key of a script, with room for so many arguments of so many bytes together.
fn keyed(key: &str, arguments: usize, size: usize) -> Command {
    let mut command = Command::arguments(arguments + 2, key.len() + size + 1);
    command.number(1).arg(key);
    command
}

/// All keys of a script.
fn over_keys<K: AsRef<[u8]>>(keys: &[K]) -> Command {
    let size = keys.iter().map(|key| key.as_ref().len()).sum::<usize>();
    let mut command = Command::arguments(keys.len() + 1, size + 8);
    command.count(keys.len());
    for key in keys {
        command.arg(key.as_ref());
    }
    command
}
