//! The private cluster: it serves all slots, promotes replicas and moves slots.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};

use maestro_cache_testkit::{ClusterNode, RedisCluster};

/// Says these lines in one connection to a port, and returns the first line of the last answer.
fn talk(port: u16, lines: &[&str]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut answers = BufReader::new(stream.try_clone().unwrap());
    let mut answer = String::new();
    for line in lines {
        stream.write_all(format!("{line}\r\n").as_bytes()).unwrap();
        answer.clear();
        answers.read_line(&mut answer).unwrap();
    }
    answer.trim_end().to_owned()
}

/// Asks as a client does, which follows redirections.
fn ask(mut port: u16, line: &str) -> String {
    let mut answer = talk(port, &[line]);
    // A client that is sent in circles waits for the nodes to agree, and not for ever.
    for _ in 0..1000 {
        let words: Vec<_> = answer.split(' ').collect();
        let port_in = |address: &str| address.rsplit_once(':').unwrap().1.parse().unwrap();
        answer = match words[0] {
            "-MOVED" => {
                port = port_in(words[2]);
                talk(port, &[line])
            }
            "-ASK" => talk(port_in(words[2]), &["ASKING", line]),
            _ => return answer,
        };
    }
    panic!("redirected too often: {answer}");
}

/// Ends the load when the test does, even by a panic.
struct EndsLoad<'a>(&'a AtomicBool);

impl Drop for EndsLoad<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn other_master(cluster: &RedisCluster, not: ClusterNode) -> ClusterNode {
    let masters = cluster.masters();
    masters.into_iter().find(|master| *master != not).unwrap()
}

#[test]
fn a_cluster_serves_all_slots_and_its_replicas_are_in_sync() {
    let cluster = RedisCluster::start();
    let nodes = cluster.nodes();
    assert_eq!(nodes.len(), 6);
    assert_eq!(cluster.masters(), nodes[..3]);
    let port = |at: usize| cluster.port(nodes[at]);
    let url = format!(
        "redis-cluster://127.0.0.1:{},127.0.0.1:{},127.0.0.1:{}",
        port(0),
        port(1),
        port(2)
    );
    assert_eq!(cluster.url(), url);
    for slot in [0, 5461, 10_922, 16_383] {
        assert!(nodes[..3].contains(&cluster.node_of_slot(slot)), "{slot}");
    }
    let master = cluster.node_of_key("key");
    assert_eq!(cluster.slot_of_key("key"), 12_539);
    // What `WAIT` waits for is what its own connection wrote.
    let replicated = talk(cluster.port(master), &["SET key value", "WAIT 1 10000"]);
    assert_eq!(replicated, ":1");
    let moved = format!("-MOVED 12539 127.0.0.1:{}", cluster.port(master));
    let other = cluster.port(other_master(&cluster, master));
    assert_eq!(talk(other, &["GET key"]), moved);
    let replica = cluster.companions(master)[0];
    assert_eq!(talk(cluster.port(replica), &["READONLY", "GET key"]), "$5");
}

#[test]
fn a_killed_master_is_replaced_and_comes_back_as_a_replica() {
    let cluster = RedisCluster::builder().password("secret").start();
    assert!(
        cluster
            .url()
            .starts_with("redis-cluster://:secret@127.0.0.1:")
    );
    let master = cluster.node_of_key("key");
    let write = ["AUTH secret", "SET key value", "WAIT 1 10000"];
    assert_eq!(talk(cluster.port(master), &write), ":1");
    cluster.kill(master);
    let promoted = cluster.wait_until_promoted(master);
    assert_eq!(cluster.companions(master), [promoted]);
    assert_eq!(cluster.node_of_key("key"), promoted);
    assert!(!cluster.masters().contains(&master));
    assert_eq!(cluster.server(promoted).command(&["GET", "key"]), "$5");
    cluster.restart(master);
    cluster.wait_until_well();
    let answer = cluster.server(master).ask(&["ROLE"]);
    assert_eq!(answer.list()[0].text(), "slave");
}

#[test]
fn a_frozen_master_is_replaced_too() {
    let cluster = RedisCluster::start();
    let master = cluster.node_of_key("key");
    cluster.pause(master);
    let promoted = cluster.wait_until_promoted(master);
    cluster.resume(master);
    cluster.wait_until_well();
    assert_eq!(cluster.node_of_key("key"), promoted);
}

#[test]
fn slots_move_under_load_and_nothing_is_lost() {
    let cluster = RedisCluster::builder().replicas(0).start();
    let from = cluster.node_of_key("{key}");
    let (to, slot) = (other_master(&cluster, from), cluster.slot_of_key("{key}"));
    let port = cluster.port(from);
    let done = AtomicBool::new(false);
    let rounds = std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut rounds = 0;
            while !done.load(Ordering::Relaxed) || rounds == 0 {
                rounds += 1;
                for key in 0..20 {
                    let answer = ask(port, &format!("INCR {{key}}{key}"));
                    assert_eq!(answer, format!(":{rounds}"));
                }
            }
            rounds
        });
        let ends_load = EndsLoad(&done);
        for _ in 0..5 {
            cluster.move_slots(slot - 2..=slot + 2, from, to);
            cluster.move_slots(slot - 2..=slot + 2, to, from);
        }
        cluster.move_slots(slot..=slot, from, to);
        drop(ends_load);
        load.join().unwrap()
    });
    assert_eq!(cluster.node_of_slot(slot), to);
    for key in 0..20 {
        let answer = ask(port, &format!("INCR {{key}}{key}"));
        assert_eq!(answer, format!(":{}", rounds + 1));
    }
}

#[test]
fn a_test_can_stand_in_the_middle_of_a_move() {
    let cluster = RedisCluster::builder()
        .replicas(0)
        .password("secret")
        .start();
    let from = cluster.node_of_key("{key}");
    let (to, slot) = (other_master(&cluster, from), cluster.slot_of_key("{key}"));
    for key in ["{key}1", "{key}2", "{key}3"] {
        assert_eq!(cluster.server(from).command(&["SET", key, "v"]), "+OK");
    }
    cluster.begin_slot_migration(slot, from, to);
    assert_eq!(cluster.migrate_keys(slot, 1), 1);
    let all = ["{key}1", "{key}2", "{key}3"];
    let answers = all.map(|key| cluster.server(from).command(&["GET", key]));
    let gone = format!("-ASK {slot} 127.0.0.1:{}", cluster.port(to));
    let count = |answer: &str| answers.iter().filter(|one| *one == answer).count();
    assert_eq!((count(&gone), count("$1")), (1, 2), "{answers:?}");
    let together = cluster
        .server(from)
        .command(&["MGET", all[0], all[1], all[2]]);
    assert!(together.starts_with("-TRYAGAIN"), "{together}");
    assert_eq!(cluster.node_of_slot(slot), from);
    cluster.finish_slot_migration(slot);
    assert_eq!(cluster.node_of_slot(slot), to);
    assert_eq!(
        cluster
            .server(to)
            .command(&["EXISTS", all[0], all[1], all[2]]),
        ":3"
    );
}
