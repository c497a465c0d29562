#!/usr/bin/env bash
# Measures everything and writes docs/performance.md: --quick in less than ten minutes, --full (the
# default) with narrower quartiles. Leave the machine alone meanwhile.
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1:---full}" in
    --quick) pace=(--quick) ;;
    --full) pace=() ;;
    *) echo "usage: scripts/bench.sh [--quick|--full]" >&2; exit 2 ;;
esac
scripts/install.sh
cargo build --locked --release --quiet --manifest-path benches/Cargo.toml --bins
programs=${CARGO_TARGET_DIR:-benches/target}/release
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

# The paths that a service takes most often.
mkdir "$directory/profiles"
for operation in "memory/get shared hit" "memory/get owned hit" "memory/set"; do
    scripts/profile.sh "$operation" >"$directory/profiles/${operation#memory/}.md"
done

"$programs/footprint" "$directory/footprint.json"
"$programs/ratios" "${pace[@]}" --footprint "$directory/footprint.json" \
    --json "$directory/ratios.json"
"$programs/page" "$directory/ratios.json" "$directory/profiles"
