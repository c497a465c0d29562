//! Commands as bytes: an array of texts each.

use bytes::{Buf, Bytes};

use super::LINE_END;

/// What stands around a text, at most: `$`, its length, and two line ends.
const AROUND: usize = 16;

/// Room for what stands before all texts: `*`, how many there are, and a line end.
const HEAD: usize = 24;

/// A command, packed as it is built. Without `Debug`, since it may hold values.
#[derive(Clone)]
pub(crate) struct Command {
    /// The texts, behind the room for their head: how many they are is known at the end.
    bytes: Vec<u8>,
    texts: usize,
}

impl Command {
    /// A command with room for so many arguments, which take so many bytes together.
    pub(crate) fn new(name: &str, arguments: usize, size: usize) -> Self {
        let mut command = Self::arguments(arguments + 1, name.len() + size);
        command.arg(name);
        command
    }

    /// The same without its name: what is appended to another one.
    pub(crate) fn arguments(arguments: usize, size: usize) -> Self {
        let mut bytes = Vec::with_capacity(HEAD + arguments * AROUND + size);
        bytes.extend_from_slice(&[0; HEAD]);
        Self { bytes, texts: 0 }
    }

    pub(crate) fn arg(&mut self, argument: impl AsRef<[u8]>) -> &mut Self {
        let argument = argument.as_ref();
        self.bytes.push(b'$');
        let mut digits = itoa::Buffer::new();
        self.bytes
            .extend_from_slice(digits.format(argument.len()).as_bytes());
        self.bytes.extend_from_slice(LINE_END);
        self.bytes.extend_from_slice(argument);
        self.bytes.extend_from_slice(LINE_END);
        self.texts += 1;
        self
    }

    /// An argument that is a number.
    pub(crate) fn number(&mut self, number: i64) -> &mut Self {
        self.arg(itoa::Buffer::new().format(number))
    }

    /// An argument that says how many there are of something.
    pub(crate) fn count(&mut self, count: usize) -> &mut Self {
        self.arg(itoa::Buffer::new().format(count))
    }

    /// The arguments of another one.
    pub(crate) fn append(&mut self, other: &Self) -> &mut Self {
        let arguments = other.bytes.get(HEAD..).unwrap_or_default();
        self.bytes.extend_from_slice(arguments);
        self.texts += other.texts;
        self
    }

    /// Writes how many texts there are right before the first of them, and returns where.
    fn finish(&mut self) -> usize {
        let mut digits = itoa::Buffer::new();
        let parts = [b"*", digits.format(self.texts).as_bytes(), LINE_END];
        let mut at = HEAD;
        for part in parts.into_iter().rev() {
            let end = at;
            at = at.saturating_sub(part.len());
            if let Some(room) = self.bytes.get_mut(at..end) {
                room.copy_from_slice(part);
            }
        }
        at
    }

    pub(crate) fn into_bytes(mut self) -> Bytes {
        let begin = self.finish();
        let mut bytes = Bytes::from(self.bytes);
        bytes.advance(begin);
        bytes
    }
}

/// Several commands, each with an answer of its own.
#[derive(Clone)]
pub(crate) struct Pipeline {
    bytes: Vec<u8>,
    commands: usize,
}

impl Pipeline {
    pub(crate) fn new() -> Self {
        Self {
            bytes: Vec::new(),
            commands: 0,
        }
    }

    pub(crate) fn add(&mut self, command: Command) -> &mut Self {
        self.add_packed(&command.into_bytes())
    }

    /// A command that was packed beforehand.
    pub(crate) fn add_packed(&mut self, command: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(command);
        self.commands += 1;
        self
    }

    pub(crate) fn len(&self) -> usize {
        self.commands
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        self.bytes.into()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_command_is_an_array_of_texts() {
        let mut set = Command::new("SET", 3, 3);
        set.arg("key").arg(b"\r\n").number(-12);
        assert_eq!(
            set.into_bytes(),
            &b"*4\r\n$3\r\nSET\r\n$3\r\nkey\r\n$2\r\n\r\n\r\n$3\r\n-12\r\n"[..]
        );
    }

    proptest! {
        #[test]
        fn commands_are_packed_as_others_pack_them(arguments: Vec<Vec<u8>>, number: i64) {
            let mut ours = Command::new("NAME", 0, 0);
            let mut theirs = redis::cmd("NAME");
            for argument in &arguments {
                ours.arg(argument);
                theirs.arg(argument);
            }
            ours.number(number);
            theirs.arg(number);
            prop_assert_eq!(ours.into_bytes(), theirs.get_packed_command());
        }
    }
}
