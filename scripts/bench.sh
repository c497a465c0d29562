#!/usr/bin/env bash
# Runs the benchmarks of both backends, each beside its baselines; further arguments go to
# criterion, such as a part of a benchmark's name.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install.sh
cargo bench --locked -p maestro-cache-benches --bench memory --bench redis -- "$@"
