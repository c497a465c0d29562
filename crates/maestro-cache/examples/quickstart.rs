//! The quick start, step by step, printing what it does.
//!
//! `cargo run --example quickstart` needs no server. With `--features redis` and
//! `MAESTRO_CACHE_URL=redis://localhost` the same program does the same on Redis.

#![allow(clippy::print_stdout)] // Showing what it does is its purpose.

use std::time::Duration;

use maestro_cache::{CacheService, LoadError, TimeToLive, Ttl};
use serde::{Deserialize, Serialize};

const HOUR: Duration = Duration::from_secs(3600);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
    email: Option<String>,
}

#[tokio::main]
async fn main() -> Result<(), LoadError> {
    // Which backend, where and how, the environment says. The prefix keeps this program's keys
    // apart from everybody else's.
    let cache = CacheService::builder().key_prefix("quickstart:").build()?;
    println!("backend          {}", cache.backend_name());
    println!("left over        {} removed", cache.clear_all().await?);

    let user = User {
        name: "Ada".to_owned(),
        email: None,
    };
    cache.set("user:123", &user).await?;
    let found: Option<User> = cache.get("user:123").await?;
    println!("set, get         user:123 = {found:?}");
    println!(
        "get              user:999 = {:?}",
        cache.get::<User>("user:999").await?
    );
    println!(
        "exists           user:123 = {}",
        cache.exists("user:123").await?
    );
    println!(
        "delete           user:123 = {}",
        cache.delete("user:123").await?
    );
    println!(
        "exists           user:123 = {}",
        cache.exists("user:123").await?
    );

    println!(
        "increment        page:views = {}",
        cache.increment("page:views", 1).await?
    );
    println!(
        "increment by 10  page:views = {}",
        cache.increment("page:views", 10).await?
    );
    println!(
        "decrement        page:views = {}",
        cache.decrement("page:views", 1).await?
    );
    println!(
        "get              page:views = {:?}",
        cache.get::<i64>("page:views").await?
    );

    cache
        .set_many([("key1", "value1"), ("key2", "value2")])
        .ttl(HOUR)
        .await?;
    let values: Vec<Option<String>> = cache.get_many(["key1", "key2", "key3"]).await?;
    println!("set_many, get_many  key1, key2, key3 = {values:?}");

    for id in 1..=3 {
        let user = User {
            name: format!("user {id}"),
            email: None,
        };
        cache.set(&format!("user:{id}"), &user).await?;
    }
    println!(
        "clear            user:* = {} removed",
        cache.clear("user:*").await?
    );
    println!("exists           key1 = {}", cache.exists("key1").await?);

    for _ in 0..2 {
        let load = cache.get_or_compute("user:7:name", || name_of(7)).ttl(HOUR);
        println!("get_or_compute   user:7:name = {}", load.await?);
    }

    println!(
        "add              lock = {}",
        cache.add("lock", "first").await?
    );
    println!(
        "add              lock = {}",
        cache.add("lock", "second").await?
    );
    println!(
        "take             lock = {:?}",
        cache.take::<String>("lock").await?
    );

    cache
        .set("session", "token")
        .ttl(Duration::from_millis(200))
        .await?;
    println!(
        "ttl              session = {}",
        shown(cache.ttl("session").await?)
    );
    while cache.exists("session").await? {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!(
        "ttl              session = {}, its 200 ms over",
        shown(cache.ttl("session").await?)
    );
    cache.set("setting", "kept").ttl(Ttl::Never).await?;
    println!(
        "ttl              setting = {}",
        shown(cache.ttl("setting").await?)
    );
    println!(
        "expire           setting = {}",
        cache.expire("setting", HOUR).await?
    );
    println!(
        "ttl              setting = {}",
        shown(cache.ttl("setting").await?)
    );

    let health = cache.health_check().await;
    println!("health           healthy = {}", health.is_healthy());

    println!("clear_all        {} removed", cache.clear_all().await?);
    cache.close().await?;
    let closed = cache.get::<String>("setting").await;
    println!(
        "close            then get: {}",
        closed.map_or_else(|e| e.to_string(), |_| "?".into())
    );
    Ok(())
}

/// Stands for a query.
async fn name_of(id: u64) -> std::io::Result<String> {
    println!("                 the database is asked for user {id}");
    Ok("Ada".to_owned())
}

/// The remaining time in whole seconds, so that each run prints the same.
fn shown(ttl: TimeToLive) -> String {
    match ttl {
        TimeToLive::Missing => "missing".to_owned(),
        TimeToLive::NoExpiry => "no expiry".to_owned(),
        TimeToLive::Left(left) => format!("{:.0} s left, rounded up", left.as_secs_f64().ceil()),
    }
}
