//! What goes wrong, one function each: the fault, how long it lasts, and how long to watch.

use std::time::Duration;

use maestro_cache_testkit::{
    Fault, FaultProxy, RedisCluster, RedisSentinels, RedisServer, TestAuthority,
};
use tokio::task::block_in_place;

use crate::witness::{InDatabase, connections};
use crate::{Client, Report, Run};

const MILLIS: fn(u64) -> Duration = Duration::from_millis;
const SECONDS: fn(u64) -> Duration = Duration::from_secs;

/// A server behind a proxy.
fn behind_a_proxy() -> (RedisServer, FaultProxy) {
    let server = RedisServer::builder().tcp().start();
    let proxy = FaultProxy::start(server.port().unwrap());
    (server, proxy)
}

/// A command that has to succeed.
fn tell(server: &RedisServer, command: &[&str]) {
    let answer = block_in_place(|| server.ask(command));
    assert!(
        !answer.is_error(),
        "{command:?} is answered with {answer:?}"
    );
}

/// The server is killed and comes back, empty, at the same address.
pub async fn killed(client: Client, down: Duration) -> Report {
    let server = RedisServer::builder().tcp().start();
    let mut run = Run::with(client).start(&server.url()).await;
    run.fault();
    block_in_place(|| server.stop());
    run.lasts(down).await;
    block_in_place(|| server.restart());
    run.healed();
    run.end(SECONDS(9), &server).await
}

/// The server is frozen, and its connections stay open.
pub async fn frozen(client: Client, time: Duration) -> Report {
    let server = RedisServer::builder().tcp().start();
    let mut run = Run::with(client).start(&server.url()).await;
    run.fault();
    server.pause();
    run.lasts(time).await;
    server.resume();
    run.healed();
    run.end(SECONDS(5), &server).await
}

/// A fault of the network, for a time.
pub async fn network(client: Client, fault: Fault, time: Duration) -> (Report, u64) {
    network_within(client, fault, time, SECONDS(1)).await
}

/// A fault of the network, for a time, on calls with this deadline. Also says how many connections
/// were made while it lasted.
pub async fn network_within(
    client: Client,
    fault: Fault,
    time: Duration,
    deadline: Duration,
) -> (Report, u64) {
    let (server, proxy) = behind_a_proxy();
    let mut run = Run::with(client)
        .deadline(deadline)
        .start(&proxy.url())
        .await;
    let before = proxy.connections_accepted();
    run.fault();
    block_in_place(|| proxy.set_fault(fault));
    run.lasts(time).await;
    let connects = proxy.connections_accepted() - before;
    block_in_place(|| proxy.heal());
    run.healed();
    (run.end(SECONDS(5), &server).await, connects)
}

/// The connections that are there swallow all, for ever; new ones are fine.
pub async fn half_open(client: Client) -> Report {
    let (server, proxy) = behind_a_proxy();
    let mut run = Run::with(client).start(&proxy.url()).await;
    run.fault();
    block_in_place(|| proxy.set_fault(Fault::SwallowOld));
    run.healed();
    run.end(SECONDS(8), &server).await
}

/// The server closes all connections, several times.
pub async fn client_kill(client: Client) -> Report {
    let server = RedisServer::builder().tcp().start();
    let mut run = Run::with(client).start(&server.url()).await;
    run.fault();
    for _ in 0..5 {
        tell(
            &server,
            &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"],
        );
        tokio::time::sleep(MILLIS(400)).await;
    }
    run.healed();
    run.end(SECONDS(3), &server).await
}

/// The server is refused at first, and comes up later.
pub async fn down_at_start(client: Client, down: Duration) -> Report {
    let server = RedisServer::builder().tcp().start();
    server.stop();
    let mut run = Run::with(client).down_at_first().start(&server.url()).await;
    run.fault();
    run.lasts(down).await;
    block_in_place(|| server.restart());
    run.healed();
    run.end(SECONDS(9), &server).await
}

/// The password is another one for a time. Also says how often the server refused somebody.
pub async fn password_changed(client: Client, time: Duration) -> (Report, i64) {
    let server = RedisServer::builder().tcp().start();
    let set = |password: &str| {
        let rule = format!(">{password}");
        tell(
            &server,
            &[
                "ACL",
                "SETUSER",
                "user",
                "resetpass",
                "on",
                "~*",
                "+@all",
                &rule,
            ],
        );
    };
    set("right");
    let url = server.url().replace("redis://", "redis://user:right@");
    let mut run = Run::with(client).start(&url).await;
    run.fault();
    set("wrong");
    // Who is in stays in, until the connections are closed.
    tell(&server, &["CLIENT", "KILL", "USER", "user"]);
    run.lasts(time).await;
    let refused = info(&server, "acl_access_denied_auth");
    set("right");
    run.healed();
    (run.end(SECONDS(9), &server).await, refused)
}

fn info(server: &RedisServer, name: &str) -> i64 {
    let info = block_in_place(|| server.ask(&["INFO", "everything"]));
    info.text()
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map_or(0, |number| number.trim().parse().unwrap())
}

/// The server is made a replica of nobody who is there, and a master again.
pub async fn read_only(client: Client, time: Duration) -> Report {
    let server = RedisServer::builder()
        .tcp()
        .arg("--replica-serve-stale-data", "yes")
        .start();
    let mut run = Run::with(client).start(&server.url()).await;
    run.fault();
    tell(&server, &["REPLICAOF", "127.0.0.1", "1"]);
    run.lasts(time).await;
    tell(&server, &["REPLICAOF", "NO", "ONE"]);
    run.healed();
    run.end(SECONDS(3), &server).await
}

/// The address leads to another master from now on, as that of a Kubernetes Service does after a failover,
/// and the connections to the old one, a replica now, stay open.
pub async fn address_moved(client: Client) -> Report {
    let (old, proxy) = behind_a_proxy();
    let new = RedisServer::builder().tcp().start();
    let follow = |follower: &RedisServer, master: &RedisServer| {
        let port = master.port().unwrap().to_string();
        tell(follower, &["REPLICAOF", "127.0.0.1", &port]);
    };
    follow(&new, &old);
    while !is_connected(&new) {
        tokio::time::sleep(MILLIS(5)).await;
    }
    let mut run = Run::with(client).start(&proxy.url()).await;
    run.fault();
    tell(&new, &["REPLICAOF", "NO", "ONE"]);
    follow(&old, &new);
    block_in_place(|| proxy.set_target(new.port().unwrap()));
    run.healed();
    run.end(SECONDS(5), &new).await
}

fn is_connected(replica: &RedisServer) -> bool {
    let info = block_in_place(|| replica.ask(&["INFO", "replication"]));
    info.text().contains("master_link_status:up")
}

/// The server has no memory left, and evicts nothing.
pub async fn out_of_memory(client: Client, time: Duration) -> Report {
    let server = RedisServer::builder().tcp().start();
    let mut run = Run::with(client).start(&server.url()).await;
    run.fault();
    tell(&server, &["CONFIG", "SET", "maxmemory", "1"]);
    run.lasts(time).await;
    tell(&server, &["CONFIG", "SET", "maxmemory", "0"]);
    run.healed();
    run.end(SECONDS(3), &server).await
}

/// The user may not write for a time. Also says whether the connections were kept.
pub async fn not_permitted(client: Client, time: Duration) -> (Report, bool) {
    let server = RedisServer::builder().tcp().start();
    let may = |rule: &str| tell(&server, &["ACL", "SETUSER", "default", rule]);
    let mut run = Run::with(client).start(&server.url()).await;
    let before = connections(&server);
    run.fault();
    may("-set");
    run.lasts(time).await;
    may("+set");
    let is_kept = connections(&server) == before;
    run.healed();
    (run.end(SECONDS(3), &server).await, is_kept)
}

/// The user may not choose the database of the URL until later.
pub async fn database_not_permitted(client: Client, time: Duration) -> Report {
    let server = RedisServer::builder().tcp().start();
    let rules = [
        "ACL", "SETUSER", "user", "on", ">p", "~*", "+@all", "-select",
    ];
    tell(&server, &rules);
    let url = server.url().replace("redis://", "redis://user:p@") + "/3";
    let mut run = Run::with(client).down_at_first().start(&url).await;
    run.fault();
    run.lasts(time).await;
    tell(&server, &["ACL", "SETUSER", "user", "+select"]);
    run.healed();
    run.end(SECONDS(9), &InDatabase(&server, 3)).await
}

/// The server takes no more clients for a time, and has closed the connections of those it had.
pub async fn too_many_clients(client: Client, time: Duration) -> Report {
    let server = RedisServer::builder().tcp().start();
    let mut run = Run::with(client).start(&server.url()).await;
    // The one client that the server has room for.
    let admin = redis::Client::open(server.url()).unwrap();
    let mut admin = admin.get_multiplexed_async_connection().await.unwrap();
    let mut set = async |limit: i64| {
        let mut command = redis::pipe();
        command
            .cmd("CONFIG")
            .arg("SET")
            .arg("maxclients")
            .arg(limit);
        command.cmd("CLIENT").arg("KILL").arg("TYPE").arg("normal");
        let _: (String, i64) = command.query_async(&mut admin).await.unwrap();
    };
    run.fault();
    set(1).await;
    run.lasts(time).await;
    set(10_000).await;
    drop(admin);
    run.healed();
    run.end(SECONDS(5), &server).await
}

/// The server shows a certificate that expired, and later the right one. Also says how many
/// connections were made meanwhile.
pub async fn certificate_expired(client: Client, time: Duration) -> (Report, u64) {
    let authority = TestAuthority::new();
    let server = RedisServer::builder().tls(&authority.server()).start();
    let proxy = FaultProxy::start(server.port().unwrap());
    let address = proxy.url().replace("redis://", "rediss://");
    let url = format!("{address}?tls_ca={}", authority.file().display());
    let mut run = Run::with(client).start(&url).await;
    run.fault();
    block_in_place(|| server.restart_with(&authority.expired_server()));
    let before = proxy.connections_accepted();
    run.lasts(time).await;
    let connects = proxy.connections_accepted() - before;
    block_in_place(|| server.restart_with(&authority.server()));
    run.healed();
    (run.end(SECONDS(9), &server).await, connects)
}

/// The server reads its data set for so long when the first calls come.
pub async fn loading(client: Client, time: Duration) -> Report {
    let server = block_in_place(|| RedisServer::builder().tcp().loading_slowly(time).start());
    let mut run = Run::with(client).down_at_first().start(&server.url()).await;
    run.fault();
    run.lasts(time / 2).await;
    let is_loading = || block_in_place(|| server.ask(&["GET", "key"]).is_error());
    while is_loading() {
        tokio::time::sleep(MILLIS(5)).await;
    }
    run.healed();
    run.end(SECONDS(3), &server).await
}

/// A value of 64 MB is written and read among the small ones, several times.
pub async fn large_value(client: Client) -> Report {
    let server = RedisServer::builder().tcp().start();
    let mut run = Run::with(client).start(&server.url()).await;
    let mut large = client.build(&server.url(), SECONDS(20));
    let value = "x".repeat(64 << 20);
    run.fault();
    for _ in 0..3 {
        let stored = large.set("large", &value).await.is_ok();
        let read = large
            .get("large")
            .await
            .map(|value| value.map(|value| value.len()));
        // The others give up after half a second by default, which may be too short for it.
        let is_fine = stored && matches!(read, Ok(Some(size)) if size == value.len());
        assert!(
            is_fine || client != Client::Maestro,
            "the large value is lost"
        );
    }
    drop(large);
    run.healed();
    run.end(SECONDS(2), &server).await
}

/// The master of a third of a cluster is killed, or frozen, until another one is chosen.
pub async fn cluster_master(client: Client, is_frozen: bool) -> Report {
    let cluster = block_in_place(RedisCluster::start);
    let mut run = Run::with(client).start(&cluster.url()).await;
    let master = block_in_place(|| cluster.node_of_key(&format!("{}c0", run.prefix())));
    run.fault();
    if is_frozen {
        cluster.pause(master);
    } else {
        block_in_place(|| cluster.kill(master));
    }
    block_in_place(|| cluster.wait_until_promoted(master));
    run.healed();
    let report = run.end(SECONDS(5), &cluster).await;
    if is_frozen {
        cluster.resume(master);
    }
    report
}

/// Slots move from one master to another.
pub async fn resharding(client: Client, slots: u16) -> Report {
    let cluster = block_in_place(|| RedisCluster::builder().replicas(0).start());
    let mut run = Run::with(client).start(&cluster.url()).await;
    let masters = cluster.masters();
    run.fault();
    block_in_place(|| cluster.move_slots(0..=slots - 1, masters[0], masters[1]));
    run.healed();
    run.end(SECONDS(2), &cluster).await
}

/// The sentinels choose another master: asked to, or since the old one is gone.
pub async fn sentinel_failover(client: Client, is_killed: bool) -> Report {
    let sentinels = block_in_place(RedisSentinels::start);
    let mut run = Run::with(client).start(&sentinels.url()).await;
    run.fault();
    block_in_place(|| {
        if is_killed {
            let old = sentinels.kill_master();
            sentinels.wait_until_promoted(old);
        } else {
            sentinels.failover();
        }
    });
    run.healed();
    run.end(SECONDS(5), &sentinels).await
}
