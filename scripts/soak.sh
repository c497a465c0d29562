#!/usr/bin/env bash
# A long run under load with one random fault after the other, on a server of its own: 30 minutes
# unless other seconds are given. What it measures stands in docs/reliability.md.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install.sh
exec cargo run --locked --release --quiet -p maestro-cache-faults --bin soak -- "${1:-1800}" ${2:+"$2"}
