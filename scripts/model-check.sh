#!/usr/bin/env bash
# Checks the models of the memory backend (cells, front and stripes), in all orders in which threads can
# run, up to three preemptions, and those of loads, in some thousand orders of their tasks.
# LOOM_MAX_PREEMPTIONS=4 looks further, and takes longer.
set -euo pipefail
cd "$(dirname "$0")/.."

# Folders of their own, since the flags would have everything else built anew each time.
RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/loom" \
    cargo test --locked --release -p maestro-cache-memory --lib models
RUSTFLAGS="--cfg shuttle" CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/shuttle" \
    cargo test --locked --release -p maestro-cache-testkit --test load_models
