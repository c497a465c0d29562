//! What a server says of itself, over a connection of the driver and not of the backend.

use std::time::Duration;

use maestro_cache_core::Cache;
use maestro_cache_testkit::RedisServer;

/// The whole answer to a command, as text.
pub(crate) fn ask(server: &RedisServer, command: &[&str]) -> String {
    let client = redis::Client::open(server.url()).unwrap();
    let mut connection = client.get_connection().unwrap();
    let (name, arguments) = command.split_first().unwrap();
    redis::cmd(name)
        .arg(arguments)
        .query(&mut connection)
        .unwrap()
}

/// Waits until the cache writes again: after a failure it is up to the supervisor when that is.
pub(crate) async fn served(cache: &Cache) {
    let served = async { while cache.set("served", "again").await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(60), served)
        .await
        .expect("a cache whose server is well serves again");
}
