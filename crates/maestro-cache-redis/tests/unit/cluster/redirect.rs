use super::*;

fn tcp(host: &str, port: u16) -> Address {
    Address::Tcp {
        host: host.to_owned(),
        port,
    }
}

fn read(line: &str) -> Option<Redirect> {
    match redis::parse_redis_value(format!("-{line}\r\n").as_bytes()) {
        Ok(redis::Value::ServerError(error)) => Redirect::new(&error, &tcp("asked", 1)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn redirections_are_told_from_other_refusals() {
    let moved = |host| Some(Redirect::Moved(Slot(3999), tcp(host, 6381)));
    assert_eq!(read("MOVED 3999 127.0.0.1:6381"), moved("127.0.0.1"));
    assert_eq!(read("MOVED 3999 ::1:6381"), moved("::1"));
    assert_eq!(
        read("MOVED 3999 node.internal:6381"),
        moved("node.internal")
    );
    assert_eq!(read("MOVED 3999 :6381"), moved("asked"));
    assert_eq!(read("MOVED 3999 ?:6381"), moved("asked"));
    assert_eq!(
        read("ASK 3999 127.0.0.1:6381"),
        Some(Redirect::Ask(tcp("127.0.0.1", 6381)))
    );
    assert_eq!(
        read("CLUSTERDOWN The cluster is down"),
        Some(Redirect::Down)
    );
    for other in [
        "MOVED",
        "MOVED x 127.0.0.1:6381",
        "MOVED 1 127.0.0.1",
        "MOVED 1 127.0.0.1:x",
        "MOVED 99999 127.0.0.1:1",
        "ERR other",
    ] {
        assert_eq!(read(other), None, "{other}");
    }
}
