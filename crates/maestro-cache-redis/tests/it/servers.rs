//! What a server says of itself, over a connection of the driver and not of the backend.

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
