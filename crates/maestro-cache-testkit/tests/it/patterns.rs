//! The dialect of patterns against a real server.

use maestro_cache_core::Pattern;
use maestro_cache_testkit::{RedisServer, check_patterns};

/// Stores each key alone and asks for each pattern whether it finds it.
const SCRIPT: &str = r"
local patterns = tonumber(ARGV[1])
local answers = {}
for pattern = 2, patterns + 1 do
    for key = patterns + 2, #ARGV do
        redis.call('FLUSHDB')
        redis.call('SET', ARGV[key], '')
        answers[#answers + 1] = #redis.call('KEYS', ARGV[pattern])
    end
end
return {ok = table.concat(answers)}
";

#[test]
fn patterns_match_what_a_server_says_they_match() {
    let server = RedisServer::shared();
    check_patterns(10_000, |patterns, keys| {
        let count = patterns.len().to_string();
        let mut command = vec!["EVAL", SCRIPT, "0", &count];
        command.extend(patterns.iter().map(Pattern::as_str));
        command.extend(keys.iter().map(String::as_str));
        let answer = server.command(&command);
        let answers: Vec<bool> = answer[1..].chars().map(|answer| answer == '1').collect();
        answers.chunks(keys.len()).map(<[bool]>::to_vec).collect()
    });
}
