//! The glob dialect: the same for the cache and for the server that scans with it.

use std::collections::HashSet;

use maestro_cache_core::Pattern;
use maestro_cache_testkit::{RedisServer, check_patterns};
use redis::Connection;

#[test]
fn patterns_match_here_what_they_match_on_the_server() {
    let server = RedisServer::start();
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    check_patterns(20_000, |patterns, keys| {
        redis::cmd("FLUSHALL").exec(&mut connection).unwrap();
        for key in keys {
            redis::cmd("SET")
                .arg(key)
                .arg(1)
                .exec(&mut connection)
                .unwrap();
        }
        patterns
            .iter()
            .map(|pattern| {
                let matched = scanned(&mut connection, pattern);
                keys.iter().map(|key| matched.contains(key)).collect()
            })
            .collect()
    });
}

fn scanned(connection: &mut Connection, pattern: &Pattern) -> HashSet<String> {
    let mut scan = redis::cmd("SCAN");
    scan.cursor_arg(0).arg("MATCH").arg(pattern.as_str());
    scan.iter(connection).unwrap().map(Result::unwrap).collect()
}
