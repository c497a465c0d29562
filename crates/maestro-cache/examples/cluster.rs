//! A cache on a Redis cluster: keys live on several nodes, and the calls are the same.
//!
//! `scripts/local-cluster.sh` starts three nodes and runs this on them.

#![allow(clippy::print_stdout)] // Showing what it does is its purpose.

use maestro_cache::{CacheService, Result};

#[tokio::main]
async fn main() -> Result<()> {
    // MAESTRO_CACHE_URL is `redis-cluster://host,host`: where to begin.
    let cache = CacheService::builder()
        .key_prefix("cluster-example:")
        .build()?;
    let entries: Vec<_> = (0..100).map(|n| (format!("key:{n}"), n)).collect();
    // On a cluster a batch is no transaction: each node takes its part.
    cache.set_many(entries).await?;
    let values: Vec<Option<i64>> = cache.get_many(["key:0", "key:50", "key:100"]).await?;
    println!("of all nodes: {values:?}");
    println!("removed from all nodes: {}", cache.clear("key:*").await?);
    cache.close().await
}
