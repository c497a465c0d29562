#!/usr/bin/env bash
# Proves that neither backend drags in the other, and that each feature set stays small.
set -euo pipefail
cd "$(dirname "$0")/.."

# The crates that a build with these features compiles, one a line.
crates() {
    cargo tree --locked -p maestro-cache --no-default-features --features "$1" \
        --edges normal,build --prefix none --format '{p}' | sed 's/ (\*)$//; s/ (.*)$//' | sort -u
}

check() { # features, most crates, crates that must not be there
    local found
    found=$(crates "$1")
    local count
    count=$(wc -l <<<"$found")
    echo "features '$1': $count crates (at most $2)"
    if [ "$count" -gt "$2" ]; then
        echo "The build with '$1' has grown beyond $2 crates:" >&2
        echo "$found" >&2
        return 1
    fi
    if grep -E "^($3) " <<<"$found" >&2; then
        echo "The build with '$1' contains the crates above, which belong to the other backend." >&2
        return 1
    fi
}

check memory 55 'deadpool|deadpool-redis|redis|maestro-cache-redis'
check redis 90 'moka|maestro-cache-memory|rustls|crc16'
check tls,cluster,sentinel 115 'moka|maestro-cache-memory'

# Each backend stands on the crate that it is named for.
stands_on() { # features, crate
    if ! crates "$1" | grep -qE "^$2 "; then
        echo "The build with '$1' does not contain $2." >&2
        exit 1
    fi
}
stands_on memory moka
stands_on redis redis
stands_on redis deadpool-redis

# The crate redis opens sockets and reads the protocol, and nobody else does: but for the doubles and the
# faults, whose business it is. Unit tests stand outside of `src`.
git ls-files 'crates/*/src/*.rs' 'crates/*/src/**/*.rs' |
    grep -vE '^crates/maestro-cache-(testkit|faults)/' |
    xargs grep -nE 'TcpStream|TcpListener|UnixStream|UdpSocket|TlsConnector|parse_redis_value|[+:$*][0-9A-Z]*\\r\\n' >&2 && {
    echo "The lines above open a socket or speak the protocol of Redis; that is for the crate redis." >&2
    exit 1
}
echo "no socket and no RESP outside of the doubles and the faults"
