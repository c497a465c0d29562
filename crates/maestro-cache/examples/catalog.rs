//! A catalogue of real packages behind the cache: hit rate and latency, cold and warm, on both
//! backends.
//!
//! The data are the packages installed on this machine, or where there is no Debian-like index,
//! the packages of this workspace's `Cargo.lock`. The source is the file itself, searched from its
//! start for each package, as slow as a source without an index is. What is looked up is real as
//! well: every package and everything it depends on, so that some are asked for once and some,
//! like the C library, thousands of times.
//!
//! `cargo run --release --features redis --example catalog` starts a `redis-server` of its own for
//! the second half; with `MAESTRO_CACHE_URL=redis://…` it uses that one.

#![allow(clippy::print_stdout)] // Showing what it measured is its purpose.

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::{Duration, Instant};

use maestro_cache::{Cache, CacheService};
use maestro_cache_testkit::RedisServer;
use serde::{Deserialize, Serialize};

type AnyError = Box<dyn Error + Send + Sync>;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Package {
    name: String,
    version: String,
    summary: Option<String>,
    depends: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<(), AnyError> {
    let source = Source::find()?;
    let packages = source.all()?;
    let wanted: Vec<&str> = packages
        .iter()
        .flat_map(|package| std::iter::once(&package.name).chain(&package.depends))
        .map(String::as_str)
        .collect();
    println!(
        "{}: {} packages, {} look-ups a pass\n",
        source.path,
        packages.len(),
        wanted.len()
    );
    println!("backend  pass  hit rate  median        99th of 100   pass took");

    let memory = CacheService::builder()
        .url("memory://")
        .environment(nothing())
        .build()?;
    show(&memory, &source, &wanted).await?;

    let configured = std::env::var("MAESTRO_CACHE_URL")
        .ok()
        .filter(|url| !url.starts_with("memory"));
    let own_server = configured.is_none().then(RedisServer::start);
    let url = configured.unwrap_or_else(|| {
        own_server
            .as_ref()
            .map_or_else(String::new, RedisServer::url)
    });
    let redis = CacheService::builder()
        .url(url)
        .key_prefix("catalog-example:")
        .environment(nothing())
        .build()?;
    redis.clear_all().await?;
    show(&redis, &source, &wanted).await?;
    redis.clear_all().await?;
    Ok(())
}

/// The passes of one backend: cold, with an empty cache, and warm.
async fn show(cache: &Cache, source: &Source, wanted: &[&str]) -> Result<(), AnyError> {
    for pass in ["cold", "warm"] {
        let started = Instant::now();
        let mut hits = 0;
        let mut latencies = Vec::with_capacity(wanted.len());
        for name in wanted {
            let asked = Instant::now();
            let hit = look_up(cache, source, name).await?;
            latencies.push(asked.elapsed());
            hits += usize::from(hit);
        }
        latencies.sort_unstable();
        let percentile = |percent: usize| {
            latencies
                .get(latencies.len() * percent / 100)
                .copied()
                .unwrap_or_default()
        };
        println!(
            "{:<7}  {pass}  {:>6.1} %  {:>12}  {:>12}  {:>10}",
            cache.backend_name(),
            100.0 * hits as f64 / wanted.len() as f64,
            micros(percentile(50)),
            micros(percentile(99)),
            format!("{:.0} ms", started.elapsed().as_secs_f64() * 1e3),
        );
    }
    Ok(())
}

/// The cache-aside way: ask the cache, else the source, and remember. True for a hit.
///
/// A package that does not exist is remembered as well: `None` is a value.
async fn look_up(cache: &Cache, source: &Source, name: &str) -> Result<bool, AnyError> {
    let key = format!("package:{name}");
    let cached: Option<Option<Package>> = cache.get(&key).await?;
    if cached.is_some() {
        return Ok(true);
    }
    let package = source.find_package(name)?;
    cache
        .set(&key, &package)
        .ttl(Duration::from_secs(600))
        .await?;
    Ok(false)
}

fn micros(duration: Duration) -> String {
    format!("{:.1} µs", duration.as_secs_f64() * 1e6)
}

/// No variables: this program configures its caches itself.
fn nothing() -> [(&'static str, &'static str); 0] {
    []
}

/// A file of packages: blocks apart by an empty line, a field a line.
struct Source {
    path: &'static str,
    format: Format,
}

#[derive(Clone, Copy, PartialEq)]
enum Format {
    Dpkg,
    CargoLock,
}

impl Source {
    fn find() -> Result<Self, AnyError> {
        let candidates = [
            ("/var/lib/dpkg/status", Format::Dpkg),
            (
                concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.lock"),
                Format::CargoLock,
            ),
        ];
        let (path, format) = candidates
            .into_iter()
            .find(|(path, _)| Path::new(path).exists())
            .ok_or("neither a package index nor a Cargo.lock was found")?;
        Ok(Self { path, format })
    }

    fn all(&self) -> Result<Vec<Package>, AnyError> {
        let mut packages = Vec::new();
        self.search(|package| {
            packages.push(package);
            None::<()>
        })?;
        Ok(packages)
    }

    fn find_package(&self, name: &str) -> Result<Option<Package>, AnyError> {
        self.search(|package| (package.name == name).then_some(package))
    }

    /// Reads blocks from the start of the file until one of them is it.
    fn search<T>(
        &self,
        mut is_it: impl FnMut(Package) -> Option<T>,
    ) -> Result<Option<T>, AnyError> {
        let mut block = Vec::new();
        for line in BufReader::new(File::open(self.path)?).lines() {
            let line = line?;
            if !line.is_empty() {
                block.push(line);
                continue;
            }
            if let Some(found) = self.package(&block).and_then(&mut is_it) {
                return Ok(Some(found));
            }
            block.clear();
        }
        Ok(self.package(&block).and_then(is_it))
    }

    fn package(&self, block: &[String]) -> Option<Package> {
        let separator = if self.format == Format::Dpkg {
            ": "
        } else {
            " = "
        };
        let field = |wanted: &str| {
            block
                .iter()
                .filter_map(|line| line.split_once(separator))
                .find(|(name, _)| *name == wanted)
                .map(|(_, value)| value.trim_matches('"').to_owned())
        };
        match self.format {
            Format::Dpkg => Some(Package {
                name: field("Package")?,
                version: field("Version")?,
                summary: field("Description"),
                depends: field("Depends")
                    .unwrap_or_default()
                    .split([',', '|'])
                    .filter_map(|depends| depends.split_whitespace().next())
                    .map(|name| name.split(':').next().unwrap_or(name).to_owned())
                    .collect(),
            }),
            Format::CargoLock => Some(Package {
                name: field("name")?,
                version: field("version")?,
                summary: None,
                depends: block
                    .iter()
                    .filter_map(|line| line.strip_prefix(" \"")?.split(['"', ' ']).next())
                    .map(str::to_owned)
                    .collect(),
            }),
        }
    }
}
