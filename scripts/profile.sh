#!/usr/bin/env bash
# Prints where the instructions of an operation go: by function alone, and with all that it calls.
# Without an operation, it prints which there are.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --locked --release --quiet --manifest-path benches/Cargo.toml --bin counted
counted=${CARGO_TARGET_DIR:-benches/target}/release/counted
if [ -z "${1:-}" ]; then
    "$counted" --list | cut -f 1 | grep -v '^loop$'
    exit
fi
times=$("$counted" --list | awk -F '\t' -v operation="$1" '$1 == operation { print $2 }')
[ -n "$times" ] || { echo "There is no operation '$1'; without one, the names are printed." >&2; exit 2; }

out=$(mktemp)
trap 'rm -f "$out"' EXIT
timeout 120 valgrind --quiet --tool=callgrind --callgrind-out-file="$out" --collect-atstart=no \
    --toggle-collect='*counted_by_callgrind*' "$counted" "$1"

# The 15 first functions, as lines of a Markdown table: instructions an operation, share, function.
# callgrind has a line for each file from which something was inlined into a function. What is a
# function's own is their sum; what it calls is in each of them.
functions() { # no, or yes for inclusive
    callgrind_annotate --auto=no --inclusive="$1" --show-percs=no --threshold=100 "$out" |
        awk -v times="$times" -v inclusive="$1" '
            { gsub(",", "", $1) }
            /PROGRAM TOTALS/ { total = $1 }
            $1 !~ /^[0-9]+$/ || $2 !~ /:/ { next }
            {
                count = $1 + 0
                sub(/^ *[0-9]+ +[^:]*:/, "")
                sub(/ \[[^]]*\]$/, "")
                if (inclusive == "no") counts[$0] += count
                else if (count > counts[$0]) counts[$0] = count
            }
            END {
                for (name in counts)
                    printf "%.0f\t%.1f %%\t%s\n", counts[name] / times, 100 * counts[name] / total, name
            }' |
        # What is around the operation is not asked for.
        grep -vE '(0x[0-9a-f]+|main|\(below main\))$|__libc_start|maestro_cache_benches|tokio::runtime|std::(sys|rt|thread)::|call_once' |
        sort -rn | awk -F '\t' '
            { gsub(/\|/, "\\|", $3) }
            length($3) > 110 { $3 = substr($3, 1, 109) "…" }
            NR <= 15 && $1 > 0 { printf "| %d | %s | `%s` |\n", $1, $2, $3 }'
}

echo "| instructions | share | function alone |"
echo "|---|---|---|"
functions no
echo
echo "| instructions | share | function with all that it calls |"
echo "|---|---|---|"
functions yes
