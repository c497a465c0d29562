use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::yield_now;
use tokio::time::advance;

use super::*;
use crate::request::Joinable;
use crate::resp::{Command, Pipeline, Value};
use crate::scripts::Increment;

const SECOND: Duration = Duration::from_secs(1);

/// A driver, and the other end of its stream, on which so much may lie unread.
fn driver(room: usize) -> (Driver, DuplexStream) {
    let (near, far) = duplex(room);
    (Driver::start(near), far)
}

fn get(key: &str) -> Request {
    Joinable::Get(key.into()).into()
}

fn increment(key: &str) -> Request {
    let (by, millis) = (1, Some(1000));
    let key = key.into();
    Joinable::Increment(Increment { key, by, millis }.into()).into()
}

fn ping() -> Request {
    Command::new("PING", 0, 0).into()
}

fn in_time(driver: &Driver, request: Request) -> Asking<'_> {
    driver.ask(Instant::now() + 3600 * SECOND, request)
}

/// Lets the task of the driver do all that it can.
async fn settle() {
    for _ in 0..10 {
        yield_now().await;
    }
}

/// What the server has been sent by now.
async fn read(far: &mut DuplexStream) -> String {
    settle().await;
    let mut bytes = vec![0; 1 << 16];
    let read = far.read(&mut bytes).now_or_never();
    let count = read.map_or(0, Result::unwrap);
    bytes.truncate(count);
    String::from_utf8(bytes).unwrap().replace("\r\n", " ")
}

fn integer(answer: Answer) -> i64 {
    match answer.unwrap() {
        Value::Integer(number) => number,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn each_gets_its_own_answer_however_the_bytes_are_cut() {
    let (driver, mut far) = driver(1 << 16);
    let mut pair = Pipeline::new();
    pair.add(Command::new("A", 0, 0))
        .add(Command::new("B", 0, 0));
    let asked = async {
        let (one, several, last) = tokio::join!(
            in_time(&driver, ping()),
            in_time(&driver, pair.into()),
            in_time(&driver, ping()),
        );
        assert_eq!(integer(one), 1);
        let both = Value::Array(vec![Value::Integer(2), Value::Nil]);
        assert_eq!(several.unwrap(), both);
        assert_eq!(integer(last), 4);
    };
    let answered = async {
        assert_eq!(read(&mut far).await.matches('*').count(), 4);
        // News go to nobody.
        for byte in b":1\r\n>1\r\n+news\r\n:2\r\n$-1\r\n:4\r\n" {
            far.write_u8(*byte).await.unwrap();
            yield_now().await;
        }
    };
    tokio::join!(asked, answered);
    assert_eq!(driver.load(), 0);
}

#[tokio::test(start_paused = true)]
async fn many_gets_are_one_and_what_it_leaves_open_is_asked_alone() {
    let (driver, mut far) = driver(1 << 16);
    let asked = join_all(["a", "b", "c", "d", "e"].map(|key| in_time(&driver, get(key))));
    let answered = async {
        let sent = read(&mut far).await;
        assert_eq!(sent, "*6 $4 MGET $1 a $1 b $1 c $1 d $1 e ");
        far.write_all(b"*5\r\n$1\r\n1\r\n$-1\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n")
            .await
            .unwrap();
        assert_eq!(read(&mut far).await, "*2 $3 GET $1 b ");
        far.write_all(b"-WRONGTYPE of b\r\n").await.unwrap();
    };
    let (answers, ()) = tokio::join!(asked, answered);
    let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
    let is_bulk = |value: &Value| matches!(value, Value::Bulk(_));
    assert!(matches!(&answers[1], Value::Refusal(_)));
    assert_eq!(answers.iter().filter(|value| is_bulk(value)).count(), 4);
    settle().await;
    assert_eq!(driver.load(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refused_batch_is_asked_key_by_key() {
    let (driver, mut far) = driver(1 << 16);
    let asked = join_all(["a", "b", "c", "d", "e"].map(|key| in_time(&driver, get(key))));
    let answered = async {
        read(&mut far).await;
        far.write_all(b"-NOPERM one of them\r\n").await.unwrap();
        assert_eq!(read(&mut far).await.matches("$3 GET").count(), 5);
        far.write_all(&b"_\r\n".repeat(5)).await.unwrap();
    };
    let (answers, ()) = tokio::join!(asked, answered);
    assert!(
        answers
            .into_iter()
            .all(|answer| answer.unwrap() == Value::Nil)
    );
}

#[tokio::test(start_paused = true)]
async fn increments_are_one_call_of_the_script_and_each_has_its_own_result() {
    let (driver, mut far) = driver(1 << 16);
    let asked = join_all(["a", "b", "c"].map(|key| in_time(&driver, increment(key))));
    let answered = async {
        let sent = read(&mut far).await;
        assert!(sent.starts_with("*12 $7 EVALSHA "), "{sent}");
        assert!(
            sent.ends_with(" $1 3 $1 a $1 b $1 c $1 1 $4 1000 $1 1 $4 1000 $1 1 $4 1000 "),
            "{sent}"
        );
        far.write_all(b"*3\r\n:1\r\n-WRONGTYPE of b\r\n:3\r\n")
            .await
            .unwrap();
    };
    let (answers, ()) = tokio::join!(asked, answered);
    let [a, b, c] = answers.try_into().ok().unwrap();
    assert_eq!(integer(a), 1);
    assert!(matches!(b.unwrap(), Value::Refusal(_)));
    assert_eq!(integer(c), 3);
    assert!(read(&mut far).await.is_empty(), "none is sent twice");
}

/// One key may be forbidden, and an unknown script is to be answered with the script.
#[tokio::test(start_paused = true)]
async fn refused_increments_did_nothing_and_are_sent_one_by_one() {
    let (driver, mut far) = driver(1 << 16);
    let asked = join_all(["a", "b", "c"].map(|key| in_time(&driver, increment(key))));
    let answered = async {
        read(&mut far).await;
        far.write_all(b"-NOPERM one of them\r\n").await.unwrap();
        assert_eq!(read(&mut far).await.matches("*6 $7 EVALSHA").count(), 3);
        far.write_all(b":1\r\n-NOPERM of b\r\n:3\r\n")
            .await
            .unwrap();
    };
    let (answers, ()) = tokio::join!(asked, answered);
    let [a, b, c] = answers.try_into().ok().unwrap();
    assert_eq!((integer(a), integer(c)), (1, 3));
    assert!(matches!(b.unwrap(), Value::Refusal(_)));
}

/// What cannot be understood may have been done, and is not done again.
#[tokio::test(start_paused = true)]
async fn increments_whose_answer_is_strange_are_not_sent_again() {
    let (driver, mut far) = driver(1 << 16);
    let asked = join_all(["a", "b"].map(|key| in_time(&driver, increment(key))));
    let answered = async {
        read(&mut far).await;
        far.write_all(b"*1\r\n:1\r\n").await.unwrap();
    };
    let (answers, ()) = tokio::join!(asked, answered);
    for answer in answers {
        assert!(matches!(answer.unwrap(), Value::Array(_)));
    }
    assert!(read(&mut far).await.is_empty());
}

#[tokio::test]
async fn few_are_sent_at_once_and_many_after_others_had_their_turn() {
    let (driver, mut far) = driver(1 << 16);
    let driver = Arc::new(driver);
    let ask = |key: &'static str| {
        let driver = Arc::clone(&driver);
        tokio::spawn(async move { in_time(&driver, get(key)).await })
    };
    let few = ["a", "b", "c", "d"].map(ask);
    let sent = read(&mut far).await;
    assert_eq!(sent.matches("$3 GET").count(), 4, "{sent}");
    // The task of the driver is woken by the first of them, before the others have asked.
    let mut first = Box::pin(in_time(&driver, get("e")));
    assert!((&mut first).now_or_never().is_none());
    let others = ["f", "g", "h", "i"].map(ask);
    let sent = read(&mut far).await;
    assert!(sent.starts_with("*6 $4 MGET $1 e $1 f "), "{sent}");
    for asked in few.into_iter().chain(others) {
        asked.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn deadlines_are_kept_and_what_was_not_sent_says_so() {
    let (driver, mut far) = driver(20);
    let long = Command::new(&"x".repeat(100), 0, 0);
    let now = Instant::now();
    let answers = tokio::join!(driver.ask(now + 2 * SECOND, long.into()), async {
        settle().await;
        // The first one fills all the room that there is.
        driver.ask(now + SECOND, ping()).await
    },);
    assert_eq!(now.elapsed(), 2 * SECOND);
    let (sent, unsent) = (answers.0.unwrap_err(), answers.1.unwrap_err());
    assert!(matches!((&sent.why, &unsent.why), (Why::Late, Why::Late)));
    assert!(sent.was_sent && !unsent.was_sent);
    // The stream goes on, and the answer to the late one is dropped.
    let asked = in_time(&driver, ping());
    let answered = async {
        let mut bytes = [0; 140];
        far.read_exact(&mut bytes[..100]).await.unwrap();
        settle().await;
        while far.read(&mut bytes).now_or_never().is_some() {
            settle().await;
        }
        far.write_all(b":1\r\n:2\r\n").await.unwrap();
    };
    assert_eq!(integer(tokio::join!(asked, answered).0), 2);
}

#[tokio::test(start_paused = true)]
async fn those_who_leave_a_blocked_stream_leave_nothing_behind() {
    let (driver, mut far) = driver(20);
    let mut first = Box::pin(in_time(
        &driver,
        Command::new(&"x".repeat(100), 0, 0).into(),
    ));
    assert!((&mut first).now_or_never().is_none());
    settle().await;
    for _ in 0..100_000 {
        assert!(in_time(&driver, ping()).now_or_never().is_none());
    }
    settle().await;
    assert!(driver.load() < 3000, "{}", driver.load());
    let asked = in_time(&driver, ping());
    let answered = async {
        let mut sent = String::new();
        while !sent.contains("PING") {
            sent.push_str(&read(&mut far).await);
        }
        assert_eq!(read(&mut far).await, "", "what was withdrawn is not sent");
        far.write_all(b":1\r\n:2\r\n").await.unwrap();
    };
    assert_eq!(integer(tokio::join!(asked, answered).0), 2);
}

#[tokio::test(start_paused = true)]
async fn whatever_ends_the_stream_is_told_to_all() {
    for ending in ["close", "garbage", "an answer too many", "end"] {
        let (driver, mut far) = driver(1 << 16);
        let asked = join_all((0..3).map(|_| in_time(&driver, ping())));
        let ended = async {
            read(&mut far).await;
            match ending {
                "close" => drop(far),
                "garbage" => far.write_all(b"HTTP/1.1 400\r\n").await.unwrap(),
                "an answer too many" => far.write_all(b":1\r\n:1\r\n:1\r\n:1\r\n").await.unwrap(),
                _ => driver.end(),
            }
        };
        let (answers, ()) = tokio::join!(asked, ended);
        for answer in answers {
            match answer {
                Ok(Value::Integer(1)) if ending == "an answer too many" => {}
                Err(Unanswered {
                    why: Why::Lost(_),
                    was_sent: true,
                }) => {}
                other => panic!("{ending}: {other:?}"),
            }
        }
        settle().await;
        assert!(driver.is_over(), "{ending}");
        let after = in_time(&driver, ping()).await.unwrap_err();
        assert!(matches!(after.why, Why::Lost(_)) && !after.was_sent);
    }
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_goes_on_reading_a_large_value_is_alive() {
    let (driver, mut far) = driver(4);
    let large = Command::new(&"x".repeat(100), 0, 0);
    let mut asking = Box::pin(in_time(&driver, large.into()));
    assert!((&mut asking).now_or_never().is_none());
    let mut some = [0; 4];
    for _ in 0..2 {
        settle().await;
        advance(SECOND).await;
        far.read_exact(&mut some).await.unwrap();
    }
    settle().await;
    let silent = driver.pulse().silent_for(Instant::now()).unwrap();
    assert!(silent < SECOND, "{silent:?}");
    advance(SECOND).await;
    assert!(driver.pulse().silent_for(Instant::now()).unwrap() >= SECOND);
}
