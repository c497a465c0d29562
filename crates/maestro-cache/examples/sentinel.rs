//! A cache on the master that sentinels name: when another one takes its place, the cache follows.
//!
//! `scripts/local-sentinel.sh` starts a master, a replica and three sentinels, and runs this on them
//! before and after the master is killed.

#![allow(clippy::print_stdout)] // Showing what it does is its purpose.

use maestro_cache::{CacheService, Result};

#[tokio::main]
async fn main() -> Result<()> {
    // MAESTRO_CACHE_URL is `redis-sentinel://host,host,host/service`: the sentinels, and the name by
    // which they know the master.
    let cache = CacheService::from_env()?;
    let runs = cache.increment("sentinel-example:runs", 1).await?;
    println!("written to the master, run {runs}");
    cache.close().await
}
