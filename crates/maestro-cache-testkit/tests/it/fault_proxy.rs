//! The proxy: each fault does what it says, to the connections that it says, until it is healed.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use maestro_cache_testkit::{Fault, FaultProxy, RedisServer};

/// Long enough for an answer on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a test looks on while nothing comes.
const SILENCE: Duration = Duration::from_millis(100);

struct Client(TcpStream);

impl Client {
    fn new(proxy: &FaultProxy) -> Self {
        Self::try_new(proxy).unwrap()
    }

    fn try_new(proxy: &FaultProxy) -> io::Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", proxy.port()))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self(stream))
    }

    fn say(&mut self, question: &str) {
        self.0.write_all(question.as_bytes()).unwrap();
    }

    /// Reads so many bytes.
    fn hear(&mut self, bytes: usize) -> io::Result<String> {
        let mut answer = vec![0; bytes];
        self.0.read_exact(&mut answer)?;
        Ok(String::from_utf8(answer).unwrap())
    }

    fn pings(&mut self) -> io::Result<()> {
        self.0.write_all(b"PING\r\n")?;
        assert_eq!(self.hear(7)?, "+PONG\r\n");
        Ok(())
    }

    fn hears_nothing(&mut self) {
        self.0.set_read_timeout(Some(SILENCE)).unwrap();
        let heard = self.0.read(&mut [0]);
        self.0.set_read_timeout(Some(PATIENCE)).unwrap();
        let kind = heard.map_err(|error| error.kind());
        assert_eq!(kind, Err(ErrorKind::WouldBlock));
    }

    /// Says something into the void.
    fn is_swallowed(&mut self) {
        self.say("PING\r\n");
        self.hears_nothing();
    }

    fn is_reset(&mut self) {
        let heard = self.0.read(&mut [0]).map_err(|error| error.kind());
        assert_eq!(heard, Err(ErrorKind::ConnectionReset));
    }
}

fn setup() -> (RedisServer, FaultProxy) {
    let server = RedisServer::builder().tcp().start();
    let proxy = FaultProxy::start(server.port().unwrap());
    (server, proxy)
}

fn wait_until(mut condition: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < PATIENCE, "it never comes true");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_proxy_forwards_and_counts() {
    let (_server, proxy) = setup();
    assert_eq!(proxy.url(), format!("redis://127.0.0.1:{}", proxy.port()));
    let mut clients: Vec<_> = (0..3).map(|_| Client::new(&proxy)).collect();
    for client in &mut clients {
        client.pings().unwrap();
    }
    assert_eq!(proxy.connections_accepted(), 3);
    assert_eq!(proxy.open_connections(), 3);
    clients.pop();
    wait_until(|| proxy.open_connections() == 2);
    assert_eq!(proxy.connections_accepted(), 3);
}

#[test]
fn a_proxy_forwards_much_at_once() {
    let (_server, proxy) = setup();
    let mut client = Client::new(&proxy);
    let value = "v".repeat(5_000_000);
    client.say(&format!(
        "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n{value}\r\n",
        value.len()
    ));
    assert_eq!(client.hear(5).unwrap(), "+OK\r\n");
    client.say("GET k\r\n");
    assert_eq!(client.hear(10).unwrap(), "$5000000\r\n");
    assert_eq!(client.hear(value.len()).unwrap(), value);
}

#[test]
fn a_proxy_passes_on_that_the_server_closed() {
    let (_server, proxy) = setup();
    let mut client = Client::new(&proxy);
    client.say("QUIT\r\n");
    assert_eq!(client.hear(5).unwrap(), "+OK\r\n");
    assert_eq!(client.0.read(&mut [0]).unwrap(), 0);
    drop(client);
    wait_until(|| proxy.open_connections() == 0);
}

#[test]
fn a_proxy_resets_whom_it_cannot_connect() {
    let (server, proxy) = setup();
    server.stop();
    Client::new(&proxy).is_reset();
    wait_until(|| proxy.open_connections() == 0);
}

#[test]
fn new_connections_go_to_the_new_target() {
    let (_server, proxy) = setup();
    let other = RedisServer::builder().tcp().password("secret").start();
    let mut old = Client::new(&proxy);
    proxy.set_target(other.port().unwrap());
    old.pings().unwrap();
    let mut new = Client::new(&proxy);
    new.say("PING\r\n");
    assert_eq!(new.hear(7).unwrap(), "-NOAUTH");
}

#[test]
fn everything_ends_with_the_proxy() {
    let (_server, proxy) = setup();
    let port = proxy.port();
    let mut client = Client::new(&proxy);
    client.pings().unwrap();
    drop(proxy);
    assert!(matches!(client.0.read(&mut [0]), Ok(0) | Err(_)));
    let kind = TcpStream::connect(("127.0.0.1", port)).map_err(|error| error.kind());
    assert_eq!(kind.unwrap_err(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_delay_holds_for_both_directions_and_does_not_add_up() {
    let (_server, proxy) = setup();
    let mut client = Client::new(&proxy);
    let delay = Duration::from_millis(150);
    proxy.set_fault(Fault::Delay(delay));
    let begin = Instant::now();
    for _ in 0..20 {
        client.say("PING\r\n");
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(client.hear(20 * 7).unwrap(), "+PONG\r\n".repeat(20));
    let took = begin.elapsed();
    assert!(took >= 2 * delay, "{took:?}");
    assert!(took < 20 * delay, "{took:?}");
    proxy.heal();
    let begin = Instant::now();
    client.pings().unwrap();
    assert!(begin.elapsed() < delay);
}

#[test]
fn a_delay_of_answers_lets_the_server_act_at_once() {
    let (server, proxy) = setup();
    let mut client = Client::new(&proxy);
    let delay = Duration::from_secs(2);
    proxy.set_fault(Fault::DelayAnswers(delay));
    let begin = Instant::now();
    client.say("SET k v\r\n");
    wait_until(|| server.command(&["EXISTS", "k"]) == ":1");
    assert!(begin.elapsed() < delay);
    assert_eq!(client.hear(5).unwrap(), "+OK\r\n");
    assert!(begin.elapsed() >= delay);
}

#[test]
fn refused_means_refused_and_open_connections_go_on() {
    let (_server, proxy) = setup();
    let mut open = Client::new(&proxy);
    proxy.set_fault(Fault::Refuse);
    let kind = Client::try_new(&proxy).map_err(|error| error.kind()).err();
    assert_eq!(kind, Some(ErrorKind::ConnectionRefused));
    open.pings().unwrap();
    proxy.heal();
    Client::new(&proxy).pings().unwrap();
    assert_eq!(proxy.connections_accepted(), 2);
}

#[test]
fn refused_can_be_set_and_healed_many_times() {
    let (_server, proxy) = setup();
    for _ in 0..100 {
        proxy.set_fault(Fault::Refuse);
        assert!(Client::try_new(&proxy).is_err());
        proxy.heal();
        Client::new(&proxy).pings().unwrap();
    }
}

#[test]
fn old_connections_are_swallowed_for_ever_and_new_ones_are_fine() {
    let (server, proxy) = setup();
    let mut old = Client::new(&proxy);
    old.pings().unwrap();
    // Nobody has accepted this one yet, perhaps; for the client it is open all the same.
    let mut fresh = Client::new(&proxy);
    proxy.set_fault(Fault::SwallowOld);
    Client::new(&proxy).pings().unwrap();
    old.is_swallowed();
    fresh.is_swallowed();
    proxy.heal();
    Client::new(&proxy).pings().unwrap();
    old.is_swallowed();
    fresh.is_swallowed();
    // Not even the end of the server is heard.
    server.stop();
    old.is_swallowed();
}

#[test]
fn an_answer_on_its_way_is_swallowed_too() {
    let (server, proxy) = setup();
    let mut client = Client::new(&proxy);
    proxy.set_fault(Fault::DelayAnswers(Duration::from_millis(200)));
    client.say("SET k v\r\n");
    wait_until(|| server.command(&["EXISTS", "k"]) == ":1");
    proxy.set_fault(Fault::SwallowOld);
    std::thread::sleep(Duration::from_millis(200));
    client.hears_nothing();
}

#[test]
fn all_connections_are_swallowed_until_it_is_healed() {
    let (_server, proxy) = setup();
    let mut old = Client::new(&proxy);
    proxy.set_fault(Fault::SwallowAll);
    let mut new = Client::new(&proxy);
    old.is_swallowed();
    new.is_swallowed();
    assert_eq!(proxy.open_connections(), 2);
    proxy.heal();
    old.is_swallowed();
    new.is_swallowed();
    Client::new(&proxy).pings().unwrap();
}

#[test]
fn in_a_black_hole_nothing_moves_and_nothing_is_lost() {
    let (server, proxy) = setup();
    let mut old = Client::new(&proxy);
    old.pings().unwrap();
    proxy.set_fault(Fault::BlackHole);
    let accepted = proxy.connections_accepted();
    let mut new = Client::new(&proxy);
    old.say("INCR old\r\n");
    new.say("INCR new\r\n");
    old.hears_nothing();
    new.hears_nothing();
    assert_eq!(proxy.connections_accepted(), accepted);
    assert_eq!(server.command(&["EXISTS", "old", "new"]), ":0");
    proxy.heal();
    assert_eq!(old.hear(4).unwrap(), ":1\r\n");
    assert_eq!(new.hear(4).unwrap(), ":1\r\n");
}

#[test]
fn an_answer_is_cut_by_a_reset_after_so_many_bytes() {
    let (_server, proxy) = setup();
    let mut old = Client::new(&proxy);
    old.pings().unwrap();
    proxy.set_fault(Fault::ResetMidReply { after_bytes: 10 });
    for mut client in [old, Client::new(&proxy)] {
        client.say("PING\r\nPING\r\n");
        assert_eq!(client.hear(10).unwrap(), "+PONG\r\n+PO");
        client.is_reset();
    }
    wait_until(|| proxy.open_connections() == 0);
    let mut client = Client::new(&proxy);
    client.pings().unwrap();
    proxy.heal();
    client.pings().unwrap();
    client.pings().unwrap();
}

#[test]
fn no_byte_of_an_answer_comes_before_the_reset_if_none_may() {
    let (server, proxy) = setup();
    proxy.set_fault(Fault::ResetMidReply { after_bytes: 0 });
    let mut client = Client::new(&proxy);
    client.hears_nothing();
    client.say("SET k v\r\n");
    client.is_reset();
    assert_eq!(server.command(&["GET", "k"]), "$1");
}

#[test]
fn the_first_answer_of_a_new_connection_is_cut_by_a_close() {
    let (_server, proxy) = setup();
    let mut old = Client::new(&proxy);
    proxy.set_fault(Fault::TruncateHandshake { bytes: 3 });
    let mut new = Client::new(&proxy);
    new.say("PING\r\n");
    assert_eq!(new.hear(3).unwrap(), "+PO");
    assert_eq!(new.0.read(&mut [0]).unwrap(), 0);
    old.pings().unwrap();
    proxy.heal();
    Client::new(&proxy).pings().unwrap();
}

#[test]
fn connections_are_dropped_at_random_as_often_as_asked() {
    let (_server, proxy) = setup();
    let survive = |per_mille| {
        proxy.set_fault(Fault::DropRandomly { seed: 7, per_mille });
        (0..100)
            .filter(|_| Client::new(&proxy).pings().is_ok())
            .count()
    };
    assert_eq!(survive(0), 100);
    assert_eq!(survive(1000), 0);
    let some = survive(500);
    assert!((20..=80).contains(&some), "{some}");
}

#[test]
fn all_connections_can_be_killed_under_any_fault() {
    let (_server, proxy) = setup();
    for fault in [
        Fault::None,
        Fault::Delay(Duration::from_secs(60)),
        Fault::Refuse,
        Fault::SwallowOld,
        Fault::SwallowAll,
        Fault::BlackHole,
    ] {
        let mut clients = [Client::new(&proxy), Client::new(&proxy)];
        clients[0].pings().unwrap();
        proxy.set_fault(fault);
        clients[0].say("PING\r\n");
        proxy.kill_all();
        assert_eq!(proxy.open_connections(), 0, "{fault:?}");
        for client in &mut clients {
            // Where nothing delays it, the answer may have come first.
            let mut heard = Vec::new();
            let end = client.0.read_to_end(&mut heard);
            let kind = end.map_err(|error| error.kind());
            assert_eq!(kind, Err(ErrorKind::ConnectionReset), "{fault:?}");
        }
        proxy.heal();
        Client::new(&proxy).pings().unwrap();
        wait_until(|| proxy.open_connections() == 0);
    }
}

#[tokio::test]
async fn a_proxy_works_while_the_runtime_of_the_test_is_blocked() {
    let (_server, proxy) = setup();
    Client::new(&proxy).pings().unwrap();
    proxy.set_fault(Fault::Refuse);
    proxy.heal();
    Client::new(&proxy).pings().unwrap();
}
