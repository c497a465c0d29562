//! A cache on a Redis server over TLS, which demands a certificate of its clients.
//!
//! `scripts/local-tls.sh` makes the certificates, starts such a server and runs this on it.

#![allow(clippy::print_stdout)] // Showing what it does is its purpose.

use maestro_cache::{CacheService, Result};

#[tokio::main]
async fn main() -> Result<()> {
    // MAESTRO_CACHE_URL is `rediss://…`; whom to trust and who this is say MAESTRO_CACHE_TLS_CA,
    // _CERT and _KEY. Wrong files are found here, an untrusted server upon the first call.
    let cache = CacheService::from_env()?;
    cache.set("tls-example:greeting", "hello").await?;
    let greeting: Option<String> = cache.get("tls-example:greeting").await?;
    println!("over TLS: {greeting:?}");
    cache.delete("tls-example:greeting").await?;
    cache.close().await
}
