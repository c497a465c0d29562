#!/usr/bin/env bash
# Runs the examples as the README has them: the quick start on memory and on Redis, over a unix
# socket and over TCP; the catalogue, which starts a server of its own; and those on a server with
# TLS, on a cluster and behind sentinels.
set -euo pipefail
cd "$(dirname "$0")/.."

# What the shell has set would choose another cache.
unset "${!MAESTRO_CACHE_@}"

directory=$(mktemp -d)
server=
end() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$directory"
}
trap end EXIT

socket=$directory/redis.sock
answers() { [ "$(redis-cli -s "$socket" ping 2>/dev/null)" = PONG ]; }

# A server whose port is taken ends at once; the next attempt takes another.
for _ in 1 2 3 4 5; do
    port=$((20000 + RANDOM % 10000))
    redis-server --bind 127.0.0.1 --port "$port" --unixsocket "$socket" --dir "$directory" \
        --save '' >"$directory/log" &
    server=$!
    until answers || ! kill -0 "$server" 2>/dev/null; do sleep 0.1; done
    if answers; then break; fi
done
answers || { cat "$directory/log" >&2; exit 1; }

quickstart() { # where it runs, as the program itself tells it
    local shown
    shown=$(cargo run --locked --quiet --features redis --example quickstart)
    echo "$shown"
    grep -qx "backend  *$1" <<<"$shown" || { echo "it has to run on $1" >&2; return 1; }
}

quickstart memory
MAESTRO_CACHE_URL=redis+unix://$socket quickstart redis
MAESTRO_CACHE_URL=redis://127.0.0.1:$port quickstart redis
cargo run --locked --quiet --features redis --example catalog

# Each starts the servers that its example is about.
scripts/local-tls.sh
scripts/local-cluster.sh
scripts/local-sentinel.sh
