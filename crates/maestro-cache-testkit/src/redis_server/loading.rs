//! A data set that takes a while to read.

use std::time::Duration;

use super::RedisServer;
use super::keeper::Keeper;
use crate::poll;

/// So many keys there are, each of them read after its share of the time.
const KEYS: u32 = 200;

/// Fills the server; each value is as long as what a server reads before it answers again.
const FILL: &str = "
for number = 1, tonumber(ARGV[1]) do
  redis.call('SET', 'loaded:' .. number, string.rep('x', 1024))
end
return redis.status_reply('OK')";

pub(super) fn arguments(loading: Duration) -> Vec<String> {
    let share = (loading / KEYS).as_micros().to_string();
    let settings = [
        ["--dbfilename", "loaded.rdb"],
        ["--rdbcompression", "no"],
        ["--key-load-delay", &share],
        ["--loading-process-events-interval-bytes", "1024"],
    ];
    settings.concat().into_iter().map(str::to_owned).collect()
}

impl RedisServer {
    /// Writes the data set to the file that each start reads, and ends the server.
    pub(super) fn fill(&self) {
        let filled = self.ask(&["EVAL", FILL, "0", &KEYS.to_string()]);
        assert!(!filled.is_error(), "the server takes a data set");
        // There is no answer to that one, only an end.
        let _ = self.try_ask(&["SHUTDOWN", "SAVE"]);
        poll::until("the server has saved its data set and ended", || {
            let running = self.running();
            let keeper = running.keeper.as_ref().expect("it was started");
            Keeper::has_ended(keeper).then_some(())
        });
    }
}
