//! Just enough of the protocol to ask a server one thing, without a client library: the client is
//! what the tests are about.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Sends one command, after the password if there is one, and returns the first line of the answer.
pub(super) fn command(
    socket: &Path,
    password: Option<&str>,
    command: &[&str],
) -> io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let mut answers = BufReader::new(stream.try_clone()?);
    if let Some(password) = password {
        send(&mut stream, &["AUTH", password])?;
        let answer = line(&mut answers)?;
        if answer != "+OK" {
            return Err(io::Error::other(answer));
        }
    }
    send(&mut stream, command)?;
    line(&mut answers)
}

fn send(stream: &mut UnixStream, command: &[&str]) -> io::Result<()> {
    let mut bytes = format!("*{}\r\n", command.len());
    for part in command {
        bytes.push_str(&format!("${}\r\n{part}\r\n", part.len()));
    }
    stream.write_all(bytes.as_bytes())
}

fn line(answers: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if answers.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}
