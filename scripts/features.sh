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

check memory 55 'deadpool|deadpool-redis|maestro-cache-redis'
check redis 80 'redis|rustls|crc16|maestro-cache-memory'
check tls,cluster,sentinel 110 'redis|maestro-cache-memory'
