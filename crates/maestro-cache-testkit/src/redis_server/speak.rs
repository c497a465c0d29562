//! Just enough of the protocol to ask a server one thing, without a client library: the client is
//! what the tests are about.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::answer::Answer;

/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Sends one command, after the password if there is one, and returns the answer.
pub(super) fn ask(
    socket: &Path,
    password: Option<&str>,
    command: &[impl AsRef<[u8]>],
) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let mut answers = BufReader::new(stream.try_clone()?);
    if let Some(password) = password {
        send(&mut stream, &["AUTH", password])?;
        match read(&mut answers)? {
            Answer::Status(_) => {}
            refusal => return Err(io::Error::other(refusal.first_line())),
        }
    }
    send(&mut stream, command)?;
    read(&mut answers)
}

fn send(stream: &mut UnixStream, command: &[impl AsRef<[u8]>]) -> io::Result<()> {
    let mut bytes = format!("*{}\r\n", command.len()).into_bytes();
    for part in command {
        let part = part.as_ref();
        bytes.extend(format!("${}\r\n", part.len()).into_bytes());
        bytes.extend(part);
        bytes.extend(b"\r\n");
    }
    stream.write_all(&bytes)
}

fn read(answers: &mut impl BufRead) -> io::Result<Answer> {
    let mut line = String::new();
    if answers.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let line = line.trim_end();
    let (sign, rest) = line.split_at_checked(1).ok_or_else(|| not_resp(line))?;
    let number = || rest.parse::<i64>().map_err(|_| not_resp(line));
    match sign {
        "+" => Ok(Answer::Status(rest.to_owned())),
        "-" => Ok(Answer::Error(rest.to_owned())),
        ":" => Ok(Answer::Number(number()?)),
        "$" => match usize::try_from(number()?) {
            Ok(count) => {
                let mut bytes = vec![0; count + 2];
                answers.read_exact(&mut bytes)?;
                bytes.truncate(count);
                Ok(Answer::Bytes(bytes))
            }
            Err(_) => Ok(Answer::Nil),
        },
        "*" => match usize::try_from(number()?) {
            Ok(count) => {
                let answers = (0..count).map(|_| read(answers));
                Ok(Answer::List(answers.collect::<io::Result<_>>()?))
            }
            Err(_) => Ok(Answer::Nil),
        },
        _ => Err(not_resp(line)),
    }
}

fn not_resp(line: &str) -> io::Error {
    io::Error::other(format!("this is not RESP: {line:?}"))
}
