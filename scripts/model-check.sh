#!/usr/bin/env bash
# Checks the models of the memory store: all orders in which its threads can run, up to three preemptions.
# LOOM_MAX_PREEMPTIONS=4 looks further, and takes longer.
set -euo pipefail
cd "$(dirname "$0")/.."

# A folder of its own, since the flag would have everything else built anew each time.
RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/loom" \
    cargo test --locked --release -p maestro-cache-memory --lib models
