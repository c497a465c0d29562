//! The private server: it answers, and it is gone when it should be.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use maestro_cache_testkit::RedisServer;

fn runs(pid: u32) -> bool {
    let kill = Command::new("kill")
        .args(["-0", &pid.to_string()])
        .stderr(Stdio::null())
        .status();
    kill.unwrap().success()
}

/// Waits until the process is gone: what init has to reap may take a moment.
fn ends(pid: u32) {
    let begin = Instant::now();
    while runs(pid) {
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "{pid} still runs"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_server_starts_on_a_socket_and_answers() {
    let server = RedisServer::start();
    assert_eq!(server.command(&["PING"]), "+PONG");
    let url = format!("redis+unix://{}", server.socket().display());
    assert_eq!(server.url(), url);
    assert_eq!(server.port(), None);
}

#[test]
fn a_server_on_a_port_answers_there() {
    let server = RedisServer::builder().tcp().start();
    let port = server.port().unwrap();
    assert_eq!(server.url(), format!("redis://127.0.0.1:{port}"));
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"PING\r\n").unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    assert_eq!(line, "+PONG\r\n");
}

#[test]
fn a_password_is_asked_for_and_stands_in_the_url() {
    let server = RedisServer::builder().password("secret").start();
    assert!(server.url().ends_with("redis.sock?pass=secret"));
    assert_eq!(server.command(&["PING"]), "+PONG");
    let tcp = RedisServer::builder().password("secret").tcp().start();
    let port = tcp.port().unwrap();
    assert_eq!(tcp.url(), format!("redis://:secret@127.0.0.1:{port}"));
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"PING\r\n").unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    assert!(line.starts_with("-NOAUTH"), "{line}");
}

#[test]
fn a_server_takes_settings() {
    let server = RedisServer::builder().arg("--databases", "1").start();
    let answer = server.command(&["SELECT", "1"]);
    assert!(answer.contains("out of range"), "{answer}");
}

#[test]
fn a_server_and_its_directory_are_gone_after_the_drop() {
    let server = RedisServer::start();
    let (pid, socket) = (server.pid().unwrap(), server.socket());
    assert!(runs(pid));
    drop(server);
    ends(pid);
    assert!(!socket.parent().unwrap().exists());
}

#[test]
fn a_server_is_gone_when_its_test_panics() {
    let mut seen = 0;
    let panic = catch_unwind(AssertUnwindSafe(|| {
        let server = RedisServer::start();
        seen = server.pid().unwrap();
        panic!("as a test does");
    }));
    assert!(panic.is_err());
    ends(seen);
}

/// Not a test of its own: what the next one runs in a process that it kills.
#[test]
fn child_of_the_test_that_kills() {
    if std::env::var_os("MAESTRO_CACHE_CHILD").is_some() {
        // The only way to tell the parent.
        #[allow(clippy::print_stdout)]
        {
            println!("\npid {}", RedisServer::shared().pid().unwrap());
        }
        // Until it is killed, or until the parent is gone.
        let _ = std::io::stdin().read_line(&mut String::new());
    }
}

#[test]
fn a_shared_server_is_gone_when_the_process_is_killed() {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "redis_server::child_of_the_test_that_kills"])
        .args(["--nocapture", "--test-threads=1"])
        .env("MAESTRO_CACHE_CHILD", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let pid = lines
        .map(|line| line.unwrap())
        .find_map(|line| line.strip_prefix("pid ")?.parse().ok())
        .unwrap();
    assert!(runs(pid));
    child.kill().unwrap();
    child.wait().unwrap();
    ends(pid);
}

#[test]
fn the_shared_server_is_one() {
    let (one, two) = (RedisServer::shared(), RedisServer::shared());
    assert_eq!(one.pid(), two.pid());
}

#[test]
fn a_server_that_was_stopped_comes_back_at_the_same_address_and_empty() {
    for server in [RedisServer::start(), RedisServer::builder().tcp().start()] {
        let (url, pid) = (server.url(), server.pid().unwrap());
        assert_eq!(server.command(&["SET", "key", "value"]), "+OK");
        server.stop();
        server.stop();
        ends(pid);
        assert_eq!(server.pid(), None);
        server.restart();
        assert_eq!(server.url(), url);
        assert_ne!(server.pid().unwrap(), pid);
        assert_eq!(server.command(&["GET", "key"]), "$-1");
        server.restart();
        assert_eq!(server.command(&["PING"]), "+PONG");
    }
}

#[test]
fn a_paused_server_is_silent_until_it_is_resumed() {
    let server = RedisServer::builder().tcp().start();
    server.pause();
    // The kernel still takes the connection and the bytes; nobody reads them.
    let mut stream = TcpStream::connect(("127.0.0.1", server.port().unwrap())).unwrap();
    stream.write_all(b"PING\r\n").unwrap();
    let timeout = Some(Duration::from_millis(100));
    stream.set_read_timeout(timeout).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    assert!(answers.read_line(&mut line).is_err(), "{line}");
    server.resume();
    stream.set_read_timeout(None).unwrap();
    answers.read_line(&mut line).unwrap();
    assert_eq!(line, "+PONG\r\n");
}

#[test]
fn a_paused_server_can_be_dropped() {
    let server = RedisServer::start();
    let pid = server.pid().unwrap();
    server.pause();
    drop(server);
    ends(pid);
}

#[test]
fn a_server_that_does_not_come_up_says_why() {
    let panic = catch_unwind(|| RedisServer::builder().arg("--no-such-setting", "1").start());
    let panic = panic.unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert!(text.contains("no-such-setting"), "{text}");
}

#[test]
fn a_server_that_loads_slowly_says_so_and_has_its_data_then() {
    let server = RedisServer::builder()
        .loading_slowly(Duration::from_secs(1))
        .password("secret")
        .start();
    for _ in 0..2 {
        let begin = Instant::now();
        let answer = server.command(&["GET", "loaded:1"]);
        assert!(answer.starts_with("-LOADING"), "{answer}");
        while server.command(&["PING"]) != "+PONG" {
            assert!(begin.elapsed() < Duration::from_secs(60), "it loads on");
            std::thread::sleep(Duration::from_millis(2));
        }
        assert!(begin.elapsed() > Duration::from_millis(500));
        assert_eq!(server.ask(&["DBSIZE"]).number(), 200);
        server.restart();
    }
}

#[cfg(feature = "tls")]
#[test]
fn a_server_that_speaks_tls_shows_its_certificate_and_keeps_its_port_with_another_one() {
    use maestro_cache_testkit::TestAuthority;

    /// What the server shows, as far as it is readable.
    fn shown(port: u16) -> String {
        let client = Command::new("openssl")
            .args(["s_client", "-showcerts", "-connect"])
            .arg(format!("127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .output();
        String::from_utf8_lossy(&client.unwrap().stdout).into_owned()
    }

    /// The middle of a PEM file, which is the same however it is broken into lines.
    fn body(certificate: &std::path::Path) -> String {
        let pem = std::fs::read_to_string(certificate).unwrap();
        pem.lines().nth(3).unwrap().to_owned()
    }

    let authority = TestAuthority::new();
    let (first, second) = (authority.server(), authority.expired_server());
    let server = RedisServer::builder().password("p").tls(&first).start();
    let port = server.port().unwrap();
    assert_eq!(server.url(), format!("rediss://:p@127.0.0.1:{port}"));
    assert_eq!(server.command(&["PING"]), "+PONG");
    let seen = shown(port);
    assert!(seen.contains(&body(first.file())), "{seen}");
    server.restart_with(&second);
    assert_eq!(server.port(), Some(port));
    let seen = shown(port);
    assert!(seen.contains(&body(second.file())), "{seen}");
    server.restart();
    assert!(shown(port).contains(&body(second.file())));
    assert!(std::fs::read_to_string(first.key_file()).is_ok());
}
