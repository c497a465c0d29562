#!/usr/bin/env bash
# Makes a certificate authority, starts a Redis server that speaks TLS on loopback and demands
# certificates of its clients, and runs the example `tls` on it. Leaves nothing behind.
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

key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
openssl req -x509 "${key[@]}" -keyout "$directory/ca.key" -out "$directory/ca.pem" -days 30 \
    -subj "/CN=a local authority" 2>/dev/null

issue() { # name, what stands in the certificate
    openssl req "${key[@]}" -keyout "$directory/$1.key" -out "$directory/$1.csr" -subj "/CN=$1" \
        2>/dev/null
    openssl x509 -req -in "$directory/$1.csr" -CA "$directory/ca.pem" -CAkey "$directory/ca.key" \
        -CAcreateserial -days 30 -extfile <(echo "$2") -out "$directory/$1.pem" 2>/dev/null
}
# A client looks at the names, not at the subject.
issue server "subjectAltName=DNS:localhost,IP:127.0.0.1"
issue client "extendedKeyUsage=clientAuth"

socket=$directory/redis.sock
answers() { [ "$(redis-cli -s "$socket" ping 2>/dev/null)" = PONG ]; }

# A server whose port is taken ends at once; the next attempt takes another.
for _ in 1 2 3 4 5; do
    port=$((20000 + RANDOM % 10000))
    redis-server --bind 127.0.0.1 --port 0 --tls-port "$port" --unixsocket "$socket" \
        --tls-cert-file "$directory/server.pem" --tls-key-file "$directory/server.key" \
        --tls-ca-cert-file "$directory/ca.pem" --tls-auth-clients yes \
        --dir "$directory" --save '' >"$directory/log" &
    servers=("$!")
    until answers || ! kill -0 "${servers[0]}" 2>/dev/null; do sleep 0.1; done
    if answers; then break; fi
done
answers || { cat "$directory/log" >&2; exit 1; }

export MAESTRO_CACHE_URL=rediss://localhost:$port
export MAESTRO_CACHE_TLS_CA=$directory/ca.pem
export MAESTRO_CACHE_TLS_CERT=$directory/client.pem
export MAESTRO_CACHE_TLS_KEY=$directory/client.key
cargo run --locked --quiet --all-features --example tls
