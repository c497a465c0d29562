//! What servers say behind the back of the client: the truth that its answers are held against.

use maestro_cache_testkit::{Answer, RedisCluster, RedisSentinels, RedisServer};
use tokio::task::block_in_place;

/// One who knows what the servers hold, and who is connected to them.
pub trait Witness: Sync {
    /// What the key holds now.
    fn value(&self, key: &str) -> Answer;

    /// How many connections of clients the server with the most of them has.
    fn connections(&self) -> usize;
}

impl Witness for RedisServer {
    fn value(&self, key: &str) -> Answer {
        block_in_place(|| self.ask(&["GET", key]))
    }

    fn connections(&self) -> usize {
        connections(self).len()
    }
}

/// A server, and the number of the database that holds the data.
pub(crate) struct InDatabase<'a>(pub(crate) &'a RedisServer, pub(crate) i64);

impl Witness for InDatabase<'_> {
    fn value(&self, key: &str) -> Answer {
        let Self(server, db) = self;
        let command = "return redis.call('SELECT', ARGV[1]) and redis.call('GET', KEYS[1])";
        block_in_place(|| server.ask(&["EVAL", command, "1", key, &db.to_string()]))
    }

    fn connections(&self) -> usize {
        self.0.connections()
    }
}

impl Witness for RedisCluster {
    fn value(&self, key: &str) -> Answer {
        block_in_place(|| self.server(self.node_of_key(key)).ask(&["GET", key]))
    }

    fn connections(&self) -> usize {
        let masters = block_in_place(|| self.masters());
        let each = masters
            .into_iter()
            .map(|node| self.server(node).connections());
        each.max().unwrap_or_default()
    }
}

impl Witness for RedisSentinels {
    fn value(&self, key: &str) -> Answer {
        block_in_place(|| self.server(self.master()).ask(&["GET", key]))
    }

    fn connections(&self) -> usize {
        self.server(block_in_place(|| self.master())).connections()
    }
}

/// The numbers that the server gave to the connections of clients. These come over TCP; those who ask
/// come over a unix socket, and sentinels have a name.
pub(crate) fn connections(server: &RedisServer) -> Vec<String> {
    let list = block_in_place(|| server.ask(&["CLIENT", "LIST", "TYPE", "normal"]));
    list.text()
        .lines()
        .filter(|line| line.contains(" addr=127.0.0.1:") && !line.contains(" name=sentinel"))
        .filter_map(|line| line.split(' ').next().map(str::to_owned))
        .collect()
}
