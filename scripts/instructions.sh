#!/usr/bin/env bash
# Counts the instructions of each operation under callgrind, and fails when one of ours grew by more
# than 5 % over the figure kept in benches/instructions.tsv. With --keep, it keeps the new figures
# instead: commit them with the change that made them.
set -euo pipefail
cd "$(dirname "$0")/.."

kept=benches/instructions.tsv
export allowed_percent=5

cargo build --locked --release --quiet --manifest-path benches/Cargo.toml --bin counted
export counted=${CARGO_TARGET_DIR:-benches/target}/release/counted
directory=$(mktemp -d)
export directory
trap 'rm -rf "$directory"' EXIT
# Without figures to compare with, every count is repeated.
: >"$directory/kept"
[ "${1:-}" = --keep ] || cp "$kept" "$directory/kept"

# Prints the instructions of an operation, those of the loop around it included.
count_once() { # operation, times
    local out
    out=$(mktemp -p "$directory" callgrind.XXXXXX)
    timeout 120 valgrind --quiet --tool=callgrind --callgrind-out-file="$out" \
        --collect-atstart=no --toggle-collect='*counted_by_callgrind*' "$counted" "$1"
    awk -v times="$2" '$1 == "totals:" { printf "%.0f\n", $2 / times }' "$out"
}

# Prints the operation, its instructions and whose it is. Counts differ by about one percent, and by
# up to 15 % where the operation allocates more than a kilobyte at once, since malloc then searches a heap that
# is another one each time. So what looks as if it had grown is counted six times, and the least is what the
# operation needs. Of loads that fail or are transient, and of insertions, the figure that is kept is the most of
# some ten counts.
count() { # a line of the list
    local operation times whose most least= now
    IFS=$'\t' read -r operation times whose <<<"$1"
    most=$(awk -F '\t' -v operation="$operation" -v allowed="$allowed_percent" \
        '$1 == operation { printf "%.0f\n", $2 * (1 + allowed / 100) }' "$directory/kept")
    for _ in 1 2 3 4 5 6; do
        now=$(count_once "$operation" "$times")
        [ -n "$least" ] && [ "$least" -le "$now" ] || least=$now
        [ "$least" -gt "${most:-0}" ] || break
    done
    printf '%s\t%s\t%s\n' "$operation" "$least" "$whose"
}
export -f count count_once

# What else runs does not change what is counted, so each core counts another operation.
"$counted" --list | xargs -d '\n' -P "$(nproc)" -I{} bash -c 'count "$1"' count {} |
    LC_ALL=C sort >"$directory/now"

if [ "${1:-}" = --keep ]; then
    cut -f 1,2 "$directory/now" >"$kept"
    cat "$kept"
    exit
fi
awk -F '\t' -v allowed="$allowed_percent" '
    NR == FNR { kept[$1] = $2; next }
    {
        is_new = !($1 in kept)
        percent = is_new ? 0 : 100 * ($2 / kept[$1] - 1)
        remark = is_new ? "no figure is kept" : $3 == "ours" && percent > allowed ? "grew" : ""
        printf "%-40s %8d instructions, kept %8d %+7.1f %%  %s\n", $1, $2, kept[$1], percent, remark
        if (remark != "") bad = 1
    }
    END {
        if (!bad) exit
        print "If this is meant, run scripts/instructions.sh --keep, and commit the figures with the change."
        exit 1
    }
' "$kept" "$directory/now"
