#!/usr/bin/env bash
# Starts a Redis master, its replica and three sentinels on loopback, runs the example `sentinel` on
# them, kills the master, and runs it again once the replica is the master. Leaves nothing behind.
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

# Sets `port`. A server whose port is taken ends at once; the next attempt takes another.
start() { # what stands in the file of settings; further arguments of the server
    local server folder settings=$1
    shift
    for _ in 1 2 3 4 5; do
        port=$((20000 + RANDOM % 10000))
        folder=$directory/$port
        mkdir -p "$folder"
        echo "$settings" >"$folder/redis.conf"
        redis-server "$folder/redis.conf" --bind 127.0.0.1 --port "$port" --dir "$folder" "$@" \
            >"$folder/log" &
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

# A replica is given its data at once, without waiting for others that may want it.
start 'save ""' --repl-diskless-sync-delay 0
master=$port
start 'save ""' --repl-diskless-sync-delay 0 --replicaof "127.0.0.1 $master"
replica=$port
until redis-cli -p "$replica" info replication | grep -q '^master_link_status:up'; do sleep 0.1; done

sentinels=()
for _ in 1 2 3; do
    start "sentinel monitor mymaster 127.0.0.1 $master 2
sentinel down-after-milliseconds mymaster 500
sentinel failover-timeout mymaster 5000" --sentinel
    sentinels+=("127.0.0.1:$port")
done
asks() { redis-cli -p "${1##*:}" sentinel "${@:2}"; }
# What the sentinels say of the master: its fields and their values, a line each.
knows() { asks "$1" master mymaster | grep -A1 -x "$2" | tail -1; }
for sentinel in "${sentinels[@]}"; do
    until [ "$(knows "$sentinel" num-other-sentinels)" = 2 ] &&
        [ "$(knows "$sentinel" num-slaves)" = 1 ]; do sleep 0.1; done
done

hosts=$(IFS=,; echo "${sentinels[*]}")
export MAESTRO_CACHE_URL=redis-sentinel://$hosts/mymaster
cargo run --locked --quiet --all-features --example sentinel

echo "the master is killed"
kill -9 "${servers[0]}"
wait "${servers[0]}" 2>/dev/null || true
servers=("${servers[@]:1}")
until [ "$(asks "${sentinels[0]}" get-master-addr-by-name mymaster | tail -1)" = "$replica" ] &&
    redis-cli -p "$replica" role | grep -qx master; do sleep 0.1; done
cargo run --locked --quiet --all-features --example sentinel
