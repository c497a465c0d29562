use super::*;

/// As the client reads a line of the server.
fn refused(line: &str) -> Error {
    match redis::parse_redis_value(format!("-{line}\r\n").as_bytes()) {
        Ok(redis::Value::ServerError(error)) => refusal(&error),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_refusal_has_its_kind() {
    use ErrorKind::*;
    let cases = [
        ("NOAUTH Authentication required.", Authentication),
        (
            "WRONGPASS invalid username-password pair or user is disabled.",
            Authentication,
        ),
        (
            "ERR AUTH <password> called without any password configured for the default user.",
            Authentication,
        ),
        (
            "NOPERM this user has no permissions to run the 'get' command",
            PermissionDenied,
        ),
        ("NOPERM No permissions to access a key", PermissionDenied),
        (
            "ERR The user executing the script can't run this command or subcommand",
            PermissionDenied,
        ),
        (
            "READONLY You can't write against a read only replica.",
            NotWritable,
        ),
        // As Redis 6.2 tells of what went wrong in a script.
        (
            "@user_script: 1: The user executing the script can't run this command or subcommand",
            PermissionDenied,
        ),
        (
            "@user_script: 7: -READONLY You can't write against a read only replica.",
            NotWritable,
        ),
        (
            "ERR Error running script (call to f_b99f0ec4958051b083342b29ff753194a946a743): \
             @user_script:1: @user_script: 1: -OOM command not allowed when used memory > 'maxmemory'.",
            OutOfMemory,
        ),
        (
            "ERR Error running script (call to f_d1ad8397c172dc0a63e271f0c4c4250ca8d5d1fb): \
             @user_script:1: WRONGTYPE Operation against a key holding the wrong kind of value",
            WrongType,
        ),
        ("ERR Error running script (call to nobody knows", Backend),
        ("@user_script: nobody knows", Backend),
        (
            "MISCONF Redis is configured to save RDB snapshots",
            NotWritable,
        ),
        ("NOREPLICAS Not enough good replicas to write.", NotWritable),
        ("LOADING Redis is loading the dataset in memory", Loading),
        (
            "OOM command not allowed when used memory > 'maxmemory'.",
            OutOfMemory,
        ),
        (
            "WRONGTYPE Operation against a key holding the wrong kind of value",
            WrongType,
        ),
        ("MOVED 3999 127.0.0.1:6381", Moved),
        ("ASK 3999 127.0.0.1:6381", Moved),
        (
            "CROSSSLOT Keys in request don't hash to the same slot",
            Moved,
        ),
        ("CLUSTERDOWN Hash slot not served", Moved),
        ("MASTERDOWN Link with MASTER is down", Unavailable),
        (
            "TRYAGAIN Multiple keys request during rehashing of slot",
            Unavailable,
        ),
        ("BUSY Redis is busy running a script.", Unavailable),
        ("ERR max number of clients reached", Unavailable),
        ("ERR value is not an integer or out of range", NotAnInteger),
        (
            "ERR value is not an integer or out of range script: f00, on @user_script:1.",
            NotAnInteger,
        ),
        ("ERR increment or decrement would overflow", Overflow),
        ("ERR DB index is out of range", Config),
        ("ERR SELECT is not allowed in cluster mode", Config),
        (
            "EXECABORT Transaction discarded because of previous errors.",
            Backend,
        ),
        (
            "EXECABORT Transaction discarded because of: OOM command not allowed",
            OutOfMemory,
        ),
        (
            "ERR unknown command 'X', with args beginning with: 'canary'",
            Backend,
        ),
        ("WHATEVER is new", Backend),
        ("ERR", Backend),
    ];
    for (line, kind) in cases {
        assert_eq!(refused(line).kind(), kind, "{line}");
    }
}

#[test]
fn nothing_of_the_servers_words_is_passed_on() {
    for line in [
        "ERR unknown command 'X', with args beginning with: 'canary'",
        "NOPERM User canary has no permissions to run the 'get' command",
        "canary is not even a code",
        "ERR canary",
    ] {
        let error = refused(line);
        let shown = format!("{error} {error:?} {}", error.source().unwrap());
        assert!(!shown.contains("canary"), "{shown}");
    }
}

#[test]
fn the_source_names_the_code() {
    let source = refused("OOM command not allowed")
        .source()
        .unwrap()
        .to_string();
    assert_eq!(source, "the error code of the server is OOM");
}
