//! A private master with replicas for tests, and the sentinels that watch over them.

mod builder;

pub use builder::RedisSentinelsBuilder;

use std::collections::BTreeMap;

use crate::poll;
use crate::redis_server::{Answer, RedisServer};

/// What the sentinels call the master.
const NAME: &str = "mymaster";

/// A private master with replicas, and three sentinels that promote one of those when it fails. All
/// of it lives as long as this value and never longer than the test process.
///
/// A master counts as failed after a second of silence, and the sentinels agree by two of three.
///
/// # Examples
///
/// ```no_run
/// use maestro_cache_testkit::RedisSentinels;
///
/// let sentinels = RedisSentinels::start();
/// println!("connect to {}", sentinels.url());
/// let old = sentinels.kill_master();
/// let new = sentinels.wait_until_promoted(old);
/// assert_ne!(old, new);
/// ```
#[derive(Debug)]
pub struct RedisSentinels {
    password: Option<String>,
    /// The first was master at first.
    servers: Vec<RedisServer>,
    sentinels: Vec<RedisServer>,
}

impl RedisSentinels {
    /// Starts a master, a replica and three sentinels, without passwords.
    ///
    /// # Panics
    ///
    /// As [`RedisSentinelsBuilder::start`].
    #[must_use]
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// Settings that are not the usual ones.
    pub fn builder() -> RedisSentinelsBuilder {
        RedisSentinelsBuilder::default()
    }

    /// `redis-sentinel://127.0.0.1:<port>,…/mymaster/0`, with the password of the master; it is
    /// `rediss-sentinel://` if all speak TLS. The password of the sentinels is for the caller to give.
    #[must_use]
    pub fn url(&self) -> String {
        let password = self.password.as_deref();
        let user_info = password.map(|password| format!(":{password}@"));
        let hosts: Vec<_> = self
            .sentinels
            .iter()
            .map(|sentinel| format!("127.0.0.1:{}", port(sentinel)))
            .collect();
        let user_info = user_info.unwrap_or_default();
        let scheme = self.sentinels[0].scheme();
        format!(
            "{scheme}-sentinel://{user_info}{}/{NAME}/0",
            hosts.join(",")
        )
    }

    /// The servers that hold data; the first was the master at first.
    #[must_use]
    pub fn servers(&self) -> &[RedisServer] {
        &self.servers
    }

    /// The sentinels, to ask them something.
    #[must_use]
    pub fn sentinels(&self) -> &[RedisServer] {
        &self.sentinels
    }

    /// The port of the master, as a sentinel that answers says now; it may have failed since.
    ///
    /// # Panics
    ///
    /// If no sentinel answers.
    #[must_use]
    pub fn master(&self) -> u16 {
        let mut awake = self.awake();
        master_of(awake.next().expect("some sentinel is awake")).expect("the sentinel answers")
    }

    /// The server on this port, such as that of [`master`](Self::master).
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn server(&self, at: u16) -> &RedisServer {
        let mut servers = self.servers.iter();
        let found = servers.find(|server| server.port() == Some(at));
        found.expect("it is one of our servers")
    }

    /// Asks the sentinels to promote a replica though the master is well, and returns the port of
    /// the new master once it is one and all know it.
    ///
    /// # Panics
    ///
    /// If they do not within a minute.
    #[allow(clippy::must_use_candidate, reason = "called for what it does as well")]
    pub fn failover(&self) -> u16 {
        let old = self.master();
        // They refuse while the last one is not over, or no replica has been heard of lately.
        poll::until("a failover begins", || {
            let sentinel = self.awake().next()?;
            let answer = sentinel.try_ask(&["SENTINEL", "FAILOVER", NAME]).ok()?;
            (!answer.is_error()).then_some(())
        });
        self.wait_until_promoted(old)
    }

    /// Kills the master, as a crash would, and returns its port.
    ///
    /// # Panics
    ///
    /// If no sentinel answers.
    #[allow(clippy::must_use_candidate, reason = "called for what it does as well")]
    pub fn kill_master(&self) -> u16 {
        let master = self.master();
        self.server(master).stop();
        master
    }

    /// Waits until another server is master, by its own word and that of all sentinels that answer;
    /// returns its port.
    ///
    /// # Panics
    ///
    /// If it does not happen within a minute.
    #[allow(clippy::must_use_candidate, reason = "called for what it does as well")]
    pub fn wait_until_promoted(&self, old_master: u16) -> u16 {
        poll::until("a replica is promoted", || {
            let new = self.awake().next().and_then(master_of)?;
            let agreed = self
                .awake()
                .all(|sentinel| master_of(sentinel) == Some(new));
            let is_master = self.server(new).info("role").as_deref() == Some("master");
            (new != old_master && agreed && is_master).then_some(new)
        })
    }

    /// Waits until all servers that run are the master or replicas of it that are in sync, and each
    /// sentinel knows the others: what a test asks after it brought something back.
    ///
    /// # Panics
    ///
    /// If it does not happen within a minute.
    pub fn wait_until_well(&self) {
        poll::until("the sentinels and their servers are well", || {
            self.is_well().then_some(())
        });
    }

    /// Kills a sentinel, as a crash would.
    ///
    /// # Panics
    ///
    /// If there are not so many.
    pub fn kill_sentinel(&self, at: usize) {
        self.sentinels[at].stop();
    }

    /// Starts a sentinel anew, at the same address and with what it knew.
    ///
    /// # Panics
    ///
    /// If there are not so many, or it does not come up.
    pub fn restart_sentinel(&self, at: usize) {
        self.sentinels[at].restart();
        ask_often(&self.sentinels[at]);
    }

    /// Freezes a sentinel: connections stay open and nothing is answered.
    ///
    /// # Panics
    ///
    /// If there are not so many, or it does not run.
    pub fn pause_sentinel(&self, at: usize) {
        self.sentinels[at].pause();
    }

    /// Lets a frozen sentinel go on.
    ///
    /// # Panics
    ///
    /// If there are not so many, or it does not run.
    pub fn resume_sentinel(&self, at: usize) {
        self.sentinels[at].resume();
    }

    fn is_well(&self) -> bool {
        let Some(master) = self.awake().next().and_then(master_of) else {
            return false;
        };
        let mut running = self.servers.iter().filter(|server| server.is_awake());
        let servers = running.all(|server| {
            let info = |name| server.info(name);
            if server.port() == Some(master) {
                info("role").as_deref() == Some("master")
            } else {
                info("master_port") == Some(master.to_string())
                    && info("master_link_status").as_deref() == Some("up")
            }
        });
        let others = (self.sentinels.len() - 1).to_string();
        let replicas = (self.servers.len() - 1).to_string();
        servers
            && self.awake().all(|sentinel| {
                let known = known_of(sentinel).unwrap_or_default();
                known.get("num-other-sentinels") == Some(&others)
                    && known.get("num-slaves") == Some(&replicas)
                    && known.get("flags").map(String::as_str) == Some("master")
                    && self.knows_the_replicas(sentinel)
            })
    }

    /// A sentinel asks for roles from time to time. A server that came back as a master, and was made
    /// a replica since, is still a master to those that asked in between: they would make it a
    /// replica once more, even if it is being promoted by then.
    fn knows_the_replicas(&self, sentinel: &RedisServer) -> bool {
        let is_known = |replica: &BTreeMap<String, String>| {
            let port = replica.get("port").and_then(|port| port.parse().ok());
            let is_awake = port.is_some_and(|port| self.server(port).is_awake());
            !is_awake || replica.get("role-reported").map(String::as_str) == Some("slave")
        };
        replicas_of(sentinel).is_some_and(|replicas| replicas.iter().all(is_known))
    }

    fn awake(&self) -> impl Iterator<Item = &RedisServer> {
        self.sentinels.iter().filter(|sentinel| sentinel.is_awake())
    }
}

/// Has a sentinel ask the servers for their roles each second; otherwise it is every ten, which is
/// what a test would wait for.
fn ask_often(sentinel: &RedisServer) {
    let answer = sentinel.ask(&["SENTINEL", "DEBUG", "INFO-PERIOD", "1000"]);
    assert!(!answer.is_error(), "{}", answer.text());
}

/// What a sentinel takes for the master.
fn master_of(sentinel: &RedisServer) -> Option<u16> {
    let answer = sentinel.try_ask(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME]);
    match answer.ok()? {
        Answer::List(address) => address.get(1)?.text().parse().ok(),
        _ => None,
    }
}

/// What a sentinel knows of the master.
fn known_of(sentinel: &RedisServer) -> Option<BTreeMap<String, String>> {
    let answer = sentinel.try_ask(&["SENTINEL", "MASTER", NAME]);
    fields(&answer.ok()?)
}

/// What a sentinel knows of each replica.
fn replicas_of(sentinel: &RedisServer) -> Option<Vec<BTreeMap<String, String>>> {
    let answer = sentinel.try_ask(&["SENTINEL", "REPLICAS", NAME]);
    match answer.ok()? {
        Answer::List(replicas) => replicas.iter().map(fields).collect(),
        _ => None,
    }
}

/// Names and values, one after the other.
fn fields(answer: &Answer) -> Option<BTreeMap<String, String>> {
    let Answer::List(list) = answer else {
        return None;
    };
    let pairs = list.chunks_exact(2);
    let texts = pairs.map(|pair| (pair[0].text().to_owned(), pair[1].text().to_owned()));
    Some(texts.collect())
}

fn port(server: &RedisServer) -> u16 {
    server.port().expect("all listen on ports")
}
