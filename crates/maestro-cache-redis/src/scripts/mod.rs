//! What takes more than one command and must still be atomic.
//!
//! A refusal in the middle of a script leaves nothing half done: each writes at most once for each key
//! and result, or puts back what was there. A refusal of an inner command is handed on as it is
//! (`pcall`), with its own code, which an uncaught one loses on older servers; only what is asked
//! behind another command that would have been refused alike is not caught.

mod claims;
mod increment;
mod live;

use std::sync::OnceLock;

use redis::{Arg, Cmd};

pub(crate) use claims::{claim, look_up, publish, release, renew, unreadable};
pub(crate) use increment::{Increment, increment};
pub(crate) use live::{MOST_KEYS, add, compare_and_set, finish_expiry, remove};

use crate::commands;
use crate::request::{Request, Weight};

/// A script, and the digest by which a server that has seen it knows it.
struct Script {
    parts: &'static [&'static str],
    known_as: OnceLock<redis::Script>,
}

impl Script {
    const fn new(parts: &'static [&'static str]) -> Self {
        Self {
            parts,
            known_as: OnceLock::new(),
        }
    }

    fn digest(&self) -> &str {
        let script = || redis::Script::new(&self.parts.concat());
        self.known_as.get_or_init(script).get_hash()
    }

    /// A call over these keys, with room for arguments that take this many bytes together.
    fn over<K: AsRef<[u8]>>(&'static self, keys: &[K], bytes: usize) -> ScriptCall {
        let bytes_of_keys: usize = keys.iter().map(|key| key.as_ref().len()).sum();
        let mut command =
            commands::command("EVALSHA", 3 * keys.len() + 4, bytes_of_keys + bytes + 48);
        command.arg(self.digest()).arg(keys.len());
        for key in keys {
            command.arg(key.as_ref());
        }
        ScriptCall {
            script: self,
            command,
            weight: None,
        }
    }
}

pub(crate) struct ScriptCall {
    script: &'static Script,
    /// The call for a server that knows the script.
    command: Cmd,
    /// If it is known. Otherwise the size of the command decides.
    weight: Option<Weight>,
}

impl ScriptCall {
    fn arg(&mut self, argument: impl redis::ToRedisArgs) -> &mut Self {
        self.command.arg(argument);
        self
    }

    /// A time in milliseconds, or an empty text where there is none.
    fn millis_or_empty(&mut self, millis: Option<i64>) -> &mut Self {
        match millis {
            Some(millis) => self.arg(millis),
            None => self.arg(""),
        }
    }

    /// The call for a server that knows the script.
    pub(crate) fn by_digest(self) -> Cmd {
        self.command
    }

    /// The same call with the script itself, for a server that does not know it.
    pub(crate) fn in_full(&self) -> Cmd {
        let mut command = commands::command("EVAL", self.command.args_iter().len(), 0);
        command.arg(self.script.parts.concat());
        for argument in self.command.args_iter().skip(2) {
            if let Arg::Simple(argument) = argument {
                command.arg(argument);
            }
        }
        command
    }

    pub(crate) fn heavy_if(mut self, is_heavy: bool) -> Self {
        self.weight = is_heavy.then_some(Weight::Heavy);
        self
    }

    /// What is sent, by digest or in full.
    pub(crate) fn request(&self, is_in_full: bool) -> Request {
        let command = if is_in_full {
            self.in_full()
        } else {
            self.command.clone()
        };
        match self.weight {
            Some(weight) => Request::one(command, weight),
            None => command.into(),
        }
    }
}
