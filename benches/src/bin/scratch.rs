#![allow(missing_docs, clippy::all, clippy::unwrap_used, clippy::print_stdout, clippy::expect_used)]
use maestro_cache::Cache;
use std::sync::Arc;
use std::time::Duration;
fn main() {
    let mut args = std::env::args().skip(1);
    let url = args.next().unwrap();
    let what = args.next().unwrap();
    let tasks: usize = args.next().unwrap().parse().unwrap();
    let ops: usize = args.next().unwrap().parse().unwrap();
    let threads: usize = args.next().map_or(1, |t| t.parse().unwrap());
    let rt = if threads == 1 { tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap() } else { tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap() };
    rt.block_on(async move {
        let value = maestro_cache::Bytes::from(vec![7u8; 88]);
        let backend = maestro_cache::RedisCache::new(&url).unwrap();
        let cache = Cache::builder(backend).key_prefix("bench:").timeout(Duration::from_secs(5)).build().unwrap();
        for k in 0..1000 { cache.set_bytes(&format!("user:{k}"), value.clone()).await.unwrap(); }
        let client = redis::Client::open(url.as_str()).unwrap();
        let raw = client.get_multiplexed_async_connection().await.unwrap();
        for who in ["ours", "raw", "ours", "raw", "ours", "raw"] {
            if what.ends_with("-ours") && who == "raw" { continue; }
            let began = std::time::Instant::now();
            let handles: Vec<_> = (0..tasks).map(|t| {
                let cache = cache.clone(); let mut raw = raw.clone(); let what = what.clone(); let value = value.clone();
                let who = who.to_string();
                tokio::spawn(async move {
                    for i in 0..ops / tasks {
                        let key = format!("user:{}", (t * 31 + i * 7) % 1000);
                        match (who.as_str(), what.trim_end_matches("-ours")) {
                            ("ours", "get") => { let v = cache.get_bytes(&key).await.unwrap(); assert!(v.is_some()); }
                            ("ours", _) => { cache.set_bytes(&key, value.clone()).ttl(Duration::from_secs(60)).await.unwrap(); }
                            (_, "get") => { let v: Option<Vec<u8>> = redis::cmd("GET").arg(["bench:", &key].concat()).query_async(&mut raw).await.unwrap(); assert!(v.is_some()); }
                            _ => { let _: () = redis::cmd("SET").arg(["bench:", &key].concat()).arg(&value[..]).arg("PX").arg(60000).query_async(&mut raw).await.unwrap(); }
                        }
                    }
                })
            }).collect();
            for h in handles { h.await.unwrap(); }
            println!("{who} {what} {tasks}: {:.0} ns/op", began.elapsed().as_nanos() as f64 / ops as f64);
        }
    });
    let _ = Arc::new(0);
}
