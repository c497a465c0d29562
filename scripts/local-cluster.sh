#!/usr/bin/env bash
# Starts a Redis cluster of three masters on loopback, and runs the example `cluster` on it. Leaves
# nothing behind.
set -euo pipefail
cd "$(dirname "$0")/.."

# What the shell has set would choose another cache.
unset "${!MAESTRO_CACHE_@}"

directory=$(mktemp -d)
servers=()
end() {
    for server in "${servers[@]}"; do
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    done
    rm -rf "$directory"
}
trap end EXIT

# Somebody else may listen on the port.
is_up() { # port, process
    redis-cli -p "$1" info server 2>/dev/null | grep -qw "process_id:$2"
}

# Sets `port`. A server whose port is taken ends at once; the next attempt takes another. The nodes
# talk to one another at a port of their own, 10000 above.
start_node() {
    local server folder
    for _ in 1 2 3 4 5; do
        port=$((20000 + RANDOM % 10000))
        folder=$directory/$port
        mkdir -p "$folder"
        redis-server --bind 127.0.0.1 --port "$port" --cluster-enabled yes --dir "$folder" \
            --save '' >"$folder/log" &
        server=$!
        until is_up "$port" "$server" || ! kill -0 "$server" 2>/dev/null; do sleep 0.1; done
        if is_up "$port" "$server"; then
            servers+=("$server")
            return
        fi
    done
    cat "$folder/log" >&2
    exit 1
}

hosts=()
for _ in 1 2 3; do
    start_node
    hosts+=("127.0.0.1:$port")
done
redis-cli --cluster create "${hosts[@]}" --cluster-yes >"$directory/log" ||
    { cat "$directory/log" >&2; exit 1; }
# Each node learns in its own time that all slots are served.
for host in "${hosts[@]}"; do
    until redis-cli -p "${host##*:}" cluster info | grep -q '^cluster_state:ok'; do sleep 0.1; done
done

export MAESTRO_CACHE_URL=redis-cluster://${hosts[0]},${hosts[1]}
cargo run --locked --quiet --all-features --example cluster
