//! Settings in a URL such as `memory://?max_bytes=1048576`.

use maestro_cache_core::Result;

use crate::builder::InMemoryCacheBuilder;
use crate::capacity::{EvictionPolicy, config};

/// The schemes of the URLs that [`InMemoryCacheBuilder::url`] reads.
pub const SCHEMES: &[&str] = &["memory"];

impl InMemoryCacheBuilder {
    /// These settings, with those of a URL in their place: `memory://`, with `max_entries`,
    /// `max_bytes` and `eviction` (`lru` or `tinylfu`) as query keys.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> maestro_cache_core::Result<()> {
    /// use maestro_cache_memory::InMemoryCache;
    ///
    /// let url = "memory://?max_entries=500&eviction=tinylfu";
    /// let cache = InMemoryCache::builder().url(url)?.build()?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Config`](maestro_cache_core::ErrorKind::Config) for another scheme, a host or path, an unknown or repeated
    /// query key, or a value that is not understood.
    pub fn url(mut self, url: &str) -> Result<Self> {
        let (place, query) = url
            .strip_prefix("memory://")
            .map(|rest| rest.split_once('?').unwrap_or((rest, "")))
            .ok_or_else(|| config("the URL of a cache in memory starts with memory://"))?;
        if !matches!(place, "" | "/") {
            return Err(config(
                "a cache in memory has no host and no path; write memory:// and settings behind \
                 a question mark, such as memory://?max_entries=500",
            ));
        }
        let mut seen = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if seen.contains(&name) {
                return Err(config(format!(
                    "the query key {name:?} is there twice; keep one"
                )));
            }
            seen.push(name);
            self = match name {
                "max_entries" => self.max_entries(number(name, value)?),
                "max_bytes" => self.max_bytes(number(name, value)?),
                "eviction" => self.eviction_policy(match value {
                    "lru" => EvictionPolicy::Lru,
                    "tinylfu" => EvictionPolicy::TinyLfu,
                    _ => {
                        return Err(config(format!(
                            "eviction={value} is not known; it is `lru` or `tinylfu`"
                        )));
                    }
                }),
                _ => {
                    return Err(config(format!(
                        "the query key {name:?} is not known; a memory:// URL takes max_entries, \
                         max_bytes and eviction"
                    )));
                }
            };
        }
        Ok(self)
    }
}

/// A number in digits alone; Rust's own parser also takes a plus sign.
fn number(name: &str, value: &str) -> Result<u64> {
    let digits = value.bytes().all(|byte| byte.is_ascii_digit());
    value.parse().ok().filter(|_| digits).ok_or_else(|| {
        config(format!(
            "{name}={value} is not a number; write digits only, such as {name}=10000"
        ))
    })
}
