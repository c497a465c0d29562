//! The one place that knows every backend: from the scheme of a URL to what stands behind it.

use std::sync::Arc;

use maestro_cache_core::{CacheBackend, Error, ErrorKind, Result};

/// What is asked of a backend besides its URL.
#[derive(Debug, Clone, Copy, Default)]
#[cfg_attr(not(feature = "memory"), allow(dead_code))] // Only memory has a bound to set.
pub(crate) struct Settings {
    /// The bound by entries that the environment names. The URL's word goes before it.
    pub(crate) max_entries_by_environment: Option<u64>,
    /// The bound by entries that the code names. Its word goes before the URL's.
    pub(crate) max_entries_by_code: Option<u64>,
}

/// The schemes that any build knows, and the feature that each needs.
const SCHEMES: &[(&str, &str)] = &[
    ("memory", "memory"),
    ("redis", "redis"),
    ("redis+unix", "redis"),
    ("unix", "redis"),
];

/// The backend that a URL names. Nothing is connected.
///
/// No error shows the URL: it may hold a password.
pub(crate) fn from_url(url: &str, settings: Settings) -> Result<Arc<dyn CacheBackend>> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(config(format!(
            "the URL of the cache has no scheme; {}",
            known_schemes()
        )));
    };
    // Schemes have no case (RFC 3986, section 3.1).
    let scheme = scheme.to_ascii_lowercase();
    let url = format!("{scheme}://{rest}");
    match SCHEMES.iter().find(|(known, _)| *known == scheme) {
        Some((_, "memory")) => memory(&url, settings),
        Some((_, _)) => redis(&url),
        None if is_reserved(&scheme) => Err(config(format!(
            "{} is reserved: this version speaks to a single Redis server without TLS; {}",
            shown(&scheme),
            known_schemes()
        ))),
        None => Err(config(format!(
            "the scheme {} of the cache's URL is not known; {}",
            shown(&scheme),
            known_schemes()
        ))),
    }
}

/// The backend of a cache that nobody configured.
#[cfg(feature = "memory")]
pub(crate) fn without_url(settings: Settings) -> Result<Arc<dyn CacheBackend>> {
    memory("memory://", settings)
}

#[cfg(not(feature = "memory"))]
pub(crate) fn without_url(_: Settings) -> Result<Arc<dyn CacheBackend>> {
    Err(config(
        "no URL is set, and this build has no cache in memory; set MAESTRO_CACHE_URL or turn on \
         the feature `memory`"
            .to_owned(),
    ))
}

/// Whether a later version will take it: Redis with TLS, as a cluster, behind sentinels.
fn is_reserved(scheme: &str) -> bool {
    let place = scheme
        .strip_prefix("rediss")
        .or_else(|| scheme.strip_prefix("redis"));
    place.is_some_and(|place| {
        matches!(
            place,
            "" | "-cluster" | "+cluster" | "-sentinel" | "+sentinel"
        )
    })
}

#[cfg(feature = "memory")]
fn memory(url: &str, settings: Settings) -> Result<Arc<dyn CacheBackend>> {
    let mut builder = maestro_cache_memory::InMemoryCache::builder();
    if let Some(max_entries) = settings.max_entries_by_environment {
        builder = builder.max_entries(max_entries);
    }
    builder = builder.url(url)?;
    if let Some(max_entries) = settings.max_entries_by_code {
        builder = builder.max_entries(max_entries);
    }
    Ok(Arc::new(builder.build()?))
}

#[cfg(not(feature = "memory"))]
fn memory(_: &str, _: Settings) -> Result<Arc<dyn CacheBackend>> {
    Err(feature_is_off("memory"))
}

#[cfg(feature = "redis")]
fn redis(url: &str) -> Result<Arc<dyn CacheBackend>> {
    Ok(Arc::new(maestro_cache_redis::RedisCache::new(url)?))
}

#[cfg(not(feature = "redis"))]
fn redis(_: &str) -> Result<Arc<dyn CacheBackend>> {
    Err(feature_is_off("redis"))
}

#[cfg(not(all(feature = "memory", feature = "redis")))]
fn feature_is_off(feature: &str) -> Error {
    config(format!(
        "the URL of the cache needs the feature `{feature}` of the crate `maestro-cache`, which is \
         off in this build; turn it on in Cargo.toml"
    ))
}

fn known_schemes() -> String {
    let schemes: Vec<_> = SCHEMES
        .iter()
        .map(|(scheme, _)| format!("{scheme}://"))
        .collect();
    format!("the known ones are {}", schemes.join(", "))
}

/// A scheme as an error may show it: what is no scheme at all may be anything.
fn shown(scheme: &str) -> String {
    let is_scheme = |char: char| char.is_ascii_alphanumeric() || "+-.".contains(char);
    if scheme.len() <= 24 && !scheme.is_empty() && scheme.chars().all(is_scheme) {
        format!("`{scheme}://`")
    } else {
        "(not shown)".to_owned()
    }
}

fn config(message: String) -> Error {
    Error::new(ErrorKind::Config, message)
}

#[cfg(all(test, feature = "memory", feature = "redis"))]
mod tests {
    use super::{SCHEMES, is_reserved};

    #[test]
    fn the_schemes_are_those_that_the_backends_take() {
        let of_feature = |wanted: &str| {
            let mut schemes: Vec<_> = SCHEMES
                .iter()
                .filter(|(_, feature)| *feature == wanted)
                .map(|(scheme, _)| *scheme)
                .collect();
            schemes.sort_unstable();
            schemes
        };
        let sorted = |schemes: &[&'static str]| {
            let mut schemes = schemes.to_vec();
            schemes.sort_unstable();
            schemes
        };
        assert_eq!(of_feature("memory"), sorted(maestro_cache_memory::SCHEMES));
        assert_eq!(of_feature("redis"), sorted(maestro_cache_redis::SCHEMES));
        for scheme in maestro_cache_redis::RESERVED_SCHEMES {
            assert!(is_reserved(scheme), "{scheme}");
        }
    }
}
