//! Requests on a wire whose other end is held by the test.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, join_all};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::yield_now;
use tokio::time::Instant;

use super::Wire;
use crate::commands::{command, together};
use crate::connection::pending::{Answer, Reason, Unanswered};
use crate::connection::queue::{MOST_DIRECT, Queue};
use crate::error::ConnectionError;
use crate::request::{Coalescible, Request, Weight};
use crate::scripts::Increment;

const SECOND: Duration = Duration::from_secs(1);

/// A wire, and its other end, on which this many bytes may lie unread.
async fn wire(room: usize) -> (Wire, DuplexStream) {
    let (near, far) = duplex(room);
    let info = RedisConnectionInfo::default().set_skip_set_lib_name();
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    let made = MultiplexedConnection::new_with_config(&info, near, config).await;
    let (connection, driver) = made.unwrap();
    let queue = Arc::new(Queue::new());
    let ends = Arc::clone(&queue);
    tokio::spawn(async move {
        driver.await;
        ends.end(&ConnectionError::Ended);
    });
    (Wire::new(connection, queue), far)
}

/// The same with as many calls under way as are sent by their callers.
async fn crowded() -> (Arc<Wire>, DuplexStream, BoxFuture<'static, Vec<Answer>>) {
    let (wire, mut far) = wire(1 << 16).await;
    let wire = Arc::new(wire);
    let crowd = Arc::clone(&wire);
    let mut crowd =
        async move { join_all((0..MOST_DIRECT).map(|_| in_time(&crowd, ping()))).await }.boxed();
    assert!((&mut crowd).now_or_never().is_none());
    let sent = read(&mut far).await;
    assert_eq!(sent.matches("PING").count(), MOST_DIRECT, "{sent}");
    (wire, far, crowd)
}

fn get(key: &str) -> Request {
    Coalescible::Get(key.into()).into()
}

fn increment(key: &str) -> Request {
    let (by, millis) = (1, Some(1000));
    let key = key.into();
    Coalescible::Increment(Increment { key, by, millis }.into()).into()
}

fn ping() -> Request {
    command("PING", 0, 0).into()
}

async fn in_time(wire: &Wire, request: Request) -> Answer {
    wire.send(Instant::now() + 3600 * SECOND, &request).await
}

/// Lets all tasks do what they can.
async fn settle() {
    for _ in 0..20 {
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

async fn answer(far: &mut DuplexStream, answer: &str) {
    far.write_all(answer.as_bytes()).await.unwrap();
}

/// The answers of the crowd, which come before those to whoever asked later.
fn of_crowd() -> String {
    ":0\r\n".repeat(MOST_DIRECT)
}

fn integer(answer: Answer) -> i64 {
    match answer.unwrap() {
        Value::Int(number) => number,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn each_gets_its_own_answer_however_the_bytes_are_cut() {
    let (wire, mut far) = wire(1 << 16).await;
    let pair = Request::several(
        together([command("A", 0, 0), command("B", 0, 0)]),
        Weight::Light,
    );
    let asked = async {
        let (one, several, last) = tokio::join!(
            in_time(&wire, ping()),
            in_time(&wire, pair),
            in_time(&wire, ping())
        );
        assert_eq!(integer(one), 1);
        let both = Value::Array(vec![Value::Int(2), Value::Nil]);
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
    assert_eq!(wire.queue.load(), 0);
}

#[tokio::test(start_paused = true)]
async fn in_a_crowd_all_that_waits_is_one_pipeline() {
    let (wire, mut far, crowd) = crowded().await;
    let keys = ["a", "b", "c", "d", "e"];
    let asked = join_all(keys.map(|key| in_time(&wire, get(key))));
    let pair = Request::several(
        together([command("A", 0, 0), command("B", 0, 0)]),
        Weight::Light,
    );
    let answered = async {
        let sent = read(&mut far).await;
        assert_eq!(
            sent,
            "*1 $1 A *1 $1 B *1 $4 PING *6 $4 MGET $1 a $1 b $1 c $1 d $1 e "
        );
        answer(&mut far, &of_crowd()).await;
        answer(&mut far, ":7\r\n:8\r\n+PONG\r\n").await;
        answer(
            &mut far,
            "*5\r\n$1\r\n1\r\n$-1\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n",
        )
        .await;
        // What a batch leaves open is asked alone.
        assert_eq!(read(&mut far).await, "*2 $3 GET $1 b ");
        answer(&mut far, "-WRONGTYPE of b\r\n").await;
    };
    let (answers, both, pong, _, ()) = tokio::join!(
        asked,
        in_time(&wire, pair),
        in_time(&wire, ping()),
        crowd,
        answered
    );
    assert_eq!(
        both.unwrap(),
        Value::Array(vec![Value::Int(7), Value::Int(8)])
    );
    assert_eq!(pong.unwrap(), Value::SimpleString("PONG".into()));
    for (at, answer) in answers.into_iter().map(Result::unwrap).enumerate() {
        match (at, answer) {
            (1, Value::ServerError(error)) => assert_eq!(error.code(), "WRONGTYPE"),
            (at, Value::BulkString(value)) => assert_eq!(value, (at + 1).to_string().as_bytes()),
            other => panic!("{other:?}"),
        }
    }
    settle().await;
    assert_eq!(wire.queue.load(), 0);
}

#[tokio::test(start_paused = true)]
async fn where_many_keys_are_missing_each_is_asked_for_once() {
    let (wire, mut far, crowd) = crowded().await;
    let keys = ["a", "b", "c", "d", "e"];
    let asked = || join_all(keys.map(|key| in_time(&wire, get(key))));
    let answered = async {
        read(&mut far).await;
        answer(&mut far, &of_crowd()).await;
        answer(&mut far, "*5\r\n$1\r\n1\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n").await;
        read(&mut far).await;
        answer(&mut far, &"$-1\r\n".repeat(4)).await;
    };
    tokio::join!(asked(), crowd, answered);
    for (found, is_one_command) in [
        ("$-1\r\n", false),
        ("$1\r\n1\r\n", false),
        ("$1\r\n1\r\n", true),
    ] {
        let crowd = join_all((0..MOST_DIRECT).map(|_| in_time(&wire, ping())));
        let answered = async {
            let sent = read(&mut far).await;
            assert_eq!(sent.contains("MGET"), is_one_command, "{sent}");
            answer(&mut far, &of_crowd()).await;
            let array = if is_one_command { "*5\r\n" } else { "" };
            answer(&mut far, &format!("{array}{}", found.repeat(5))).await;
        };
        tokio::join!(crowd, asked(), answered);
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_batch_of_reads_is_asked_key_by_key() {
    let (wire, mut far, crowd) = crowded().await;
    let asked = join_all(["a", "b", "c", "d", "e"].map(|key| in_time(&wire, get(key))));
    let answered = async {
        read(&mut far).await;
        answer(&mut far, &of_crowd()).await;
        answer(&mut far, "-NOPERM one of them\r\n").await;
        assert_eq!(read(&mut far).await.matches("$3 GET").count(), 5);
        answer(&mut far, &"$-1\r\n".repeat(5)).await;
    };
    let (answers, _, ()) = tokio::join!(asked, crowd, answered);
    assert!(
        answers
            .into_iter()
            .all(|answer| answer.unwrap() == Value::Nil)
    );
}

/// The answers to three increments that were one call, and what else was sent.
async fn increments(first: &str, then: &str) -> (Vec<Answer>, String) {
    let (wire, mut far, crowd) = crowded().await;
    let asked = join_all(["a", "b", "c"].map(|key| in_time(&wire, increment(key))));
    let answered = async {
        let sent = read(&mut far).await;
        assert!(sent.starts_with("*12 $7 EVALSHA "), "{sent}");
        let arguments = " $1 3 $1 a $1 b $1 c $1 1 $4 1000 $1 1 $4 1000 $1 1 $4 1000 ";
        assert!(sent.ends_with(arguments), "{sent}");
        answer(&mut far, &of_crowd()).await;
        answer(&mut far, first).await;
        let sent = read(&mut far).await;
        answer(&mut far, then).await;
        sent
    };
    let (answers, _, sent) = tokio::join!(asked, crowd, answered);
    (answers, sent)
}

#[tokio::test(start_paused = true)]
async fn increments_are_one_call_and_each_has_its_own_result() {
    let (answers, sent) = increments("*3\r\n:1\r\n-WRONGTYPE of b\r\n:3\r\n", "").await;
    let [a, b, c] = answers.try_into().unwrap();
    assert_eq!((integer(a), integer(c)), (1, 3));
    assert!(matches!(b.unwrap(), Value::ServerError(_)));
    assert!(sent.is_empty(), "none is sent twice");
}

/// One key may be forbidden, and an unknown script is to be answered with the script.
#[tokio::test(start_paused = true)]
async fn refused_increments_did_nothing_and_are_sent_one_by_one() {
    let then = ":1\r\n-NOPERM of b\r\n:3\r\n";
    let (answers, sent) = increments("-NOPERM one of them\r\n", then).await;
    let [a, b, c] = answers.try_into().unwrap();
    assert_eq!((integer(a), integer(c)), (1, 3));
    assert!(matches!(b.unwrap(), Value::ServerError(_)));
    assert_eq!(sent.matches("*6 $7 EVALSHA").count(), 3);
}

/// What cannot be understood may have been done, and is not done again.
#[tokio::test(start_paused = true)]
async fn increments_whose_answer_is_strange_are_not_sent_again() {
    let (answers, sent) = increments("*1\r\n:1\r\n", "").await;
    for answer in answers {
        assert!(matches!(answer.unwrap(), Value::Array(_)));
    }
    assert!(sent.is_empty());
}

#[tokio::test(start_paused = true)]
async fn deadlines_are_kept_and_what_was_not_sent_says_so() {
    let (wire, mut far, crowd) = crowded().await;
    let now = Instant::now();
    let (direct, queued) = (ping(), ping());
    // The last place among those who send by themselves is free again.
    let crowd = tokio::spawn(crowd);
    settle().await;
    answer(&mut far, ":0\r\n").await;
    settle().await;
    let direct = wire.send(now + 2 * SECOND, &direct);
    let queued = async {
        settle().await;
        // Senders begin when this lets go of the only thread, and by then it is late.
        let queued = wire.send(now, &queued);
        queued.await
    };
    let (direct, queued) = tokio::join!(direct, queued);
    assert_eq!(now.elapsed(), 2 * SECOND);
    let (direct, queued) = (direct.unwrap_err(), queued.unwrap_err());
    assert!(matches!(
        (&direct.reason, &queued.reason),
        (Reason::Late, Reason::Late)
    ));
    assert!(direct.was_sent);
    // The wire goes on, and the answer to the late one is dropped.
    let asked = in_time(&wire, ping());
    let answered = async {
        read(&mut far).await;
        answer(&mut far, &":0\r\n".repeat(MOST_DIRECT - 1)).await;
        answer(&mut far, ":1\r\n:2\r\n:3\r\n").await;
    };
    let (answer, ()) = tokio::join!(asked, answered);
    assert!(integer(answer) >= 2);
    crowd.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn those_who_leave_a_blocked_wire_leave_nothing_behind() {
    let (wire, mut far) = wire(20).await;
    let large: Request = command(&"x".repeat(100), 0, 0).into();
    let mut first = Box::pin(in_time(&wire, large));
    assert!((&mut first).now_or_never().is_none());
    settle().await;
    for _ in 0..100_000 {
        assert!(in_time(&wire, ping()).now_or_never().is_none());
    }
    assert_eq!(wire.queue.load(), 1);
    let asked = in_time(&wire, ping());
    let answered = async {
        let mut sent = String::new();
        while !sent.contains("PING") {
            sent.push_str(&read(&mut far).await);
        }
        answer(&mut far, ":1\r\n:2\r\n").await;
        assert_eq!(read(&mut far).await, "", "what was withdrawn is not sent");
    };
    assert_eq!(integer(tokio::join!(asked, answered).0), 2);
}

#[tokio::test(start_paused = true)]
async fn whatever_ends_the_connection_is_told_to_all() {
    for ending in ["close", "garbage", "end"] {
        let (wire, mut far, crowd) = crowded().await;
        let asked = join_all((0..3).map(|_| in_time(&wire, ping())));
        let ended = async {
            read(&mut far).await;
            match ending {
                "close" => drop(far),
                "garbage" => answer(&mut far, "HTTP/1.1 400\r\n").await,
                _ => wire.queue.end(&ConnectionError::Ended),
            }
        };
        let (crowd, answers, ()) = tokio::join!(crowd, asked, ended);
        for answer in crowd.into_iter().chain(answers) {
            let is_lost = matches!(
                answer,
                Err(Unanswered {
                    reason: Reason::Lost(_),
                    was_sent: true
                })
            );
            assert!(is_lost, "{ending}: {answer:?}");
        }
        settle().await;
        assert!(wire.queue.is_over(), "{ending}");
        let after = in_time(&wire, ping()).await.unwrap_err();
        assert!(matches!(after.reason, Reason::Lost(_)) && !after.was_sent);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_still_queued_when_the_connection_ended_was_not_sent() {
    let (wire, _far, crowd) = crowded().await;
    let mut asked = Box::pin(in_time(&wire, ping()));
    assert!((&mut asked).now_or_never().is_none());
    // No sender has run yet.
    wire.queue.end(&ConnectionError::Ended);
    let answer = asked.await.unwrap_err();
    assert!(matches!(answer.reason, Reason::Lost(_)) && !answer.was_sent);
    assert_eq!(crowd.await.len(), MOST_DIRECT);
}

#[tokio::test(start_paused = true)]
async fn a_large_answer_is_waited_for_when_the_light_requests_are_abandoned() {
    let (wire, mut far) = wire(1 << 16).await;
    let large = ping().alone();
    let (light, heavy, ()) = tokio::join!(in_time(&wire, ping()), in_time(&wire, large), async {
        read(&mut far).await;
        assert!(wire.queue.abandon_light(), "the large answer is under way");
        settle().await;
        answer(&mut far, ":1\r\n:2\r\n").await;
    });
    let light = light.unwrap_err();
    assert!(matches!(light.reason, Reason::Lost(_)) && light.was_sent);
    assert_eq!(integer(heavy), 2);
    assert!(!wire.queue.abandon_light() && !wire.queue.is_over());
}
