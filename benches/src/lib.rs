//! Benchmarks of maestro-cache; `scripts/bench.sh` runs them. Nothing lives here.
