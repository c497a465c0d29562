#!/usr/bin/env bash
# Counts the instructions of each operation under callgrind, and fails when one of ours grew by more
# than 5 % over the figure kept in benches/instructions.tsv. With --keep, it keeps the new figures
# instead: commit them with the change that made them.
set -euo pipefail
cd "$(dirname "$0")/.."

kept=benches/instructions.tsv
allowed_percent=5

cargo build --locked --release --quiet -p maestro-cache-benches --bin counted
export counted=${CARGO_TARGET_DIR:-target}/release/counted
directory=$(mktemp -d)
export directory
trap 'rm -rf "$directory"' EXIT

# Prints the operation, its instructions with those of the loop around it, and whose it is.
count() { # a line of the list
    local operation times whose out
    IFS=$'\t' read -r operation times whose <<<"$1"
    out=$(mktemp -p "$directory" callgrind.XXXXXX)
    timeout 120 valgrind --quiet --tool=callgrind --callgrind-out-file="$out" \
        --collect-atstart=no --toggle-collect='*counted_by_callgrind*' "$counted" "$operation"
    awk -v operation="$operation" -v times="$times" -v whose="$whose" -v OFS='\t' \
        '$1 == "totals:" { print operation, sprintf("%.0f", $2 / times), whose }' "$out"
}
export -f count

# What else runs does not change what is counted, so each core counts another operation.
"$counted" --list | xargs -d '\n' -P "$(nproc)" -I{} bash -c 'count "$1"' count {} |
    LC_ALL=C sort >"$directory/with-loop"
awk -F '\t' -v OFS='\t' '
    NR == FNR { if ($1 == "loop") loop = $2; next }
    $1 != "loop" { print $1, $2 - loop, $3 }
' "$directory/with-loop" "$directory/with-loop" >"$directory/now"

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
