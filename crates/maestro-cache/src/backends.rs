//! The one place that knows every backend: from the scheme of a URL to what stands behind it.

use std::sync::Arc;

use maestro_cache_core::{CacheBackend, Error, ErrorKind, Result};

/// What is asked of a backend besides its URL.
#[derive(Debug, Clone, Default)]
// Only memory has a bound to set, and only TLS whom to trust.
#[cfg_attr(not(all(feature = "memory", feature = "tls")), allow(dead_code))]
pub(crate) struct Settings {
    /// The bound by entries that the environment names. The URL's word goes before it.
    pub(crate) max_entries_by_environment: Option<u64>,
    /// The bound by entries that the code names. Its word goes before the URL's.
    pub(crate) max_entries_by_code: Option<u64>,
    /// What the environment says of TLS. The URL's word goes before it.
    pub(crate) tls: TlsVariables,
}

/// The variables of TLS, as they are.
#[derive(Debug, Clone, Default)]
#[cfg_attr(not(feature = "tls"), allow(dead_code))] // They are refused.
pub(crate) struct TlsVariables {
    pub(crate) ca: Option<String>,
    pub(crate) cert: Option<String>,
    pub(crate) key: Option<String>,
    pub(crate) verify: Option<String>,
    pub(crate) accept_any_server: Option<String>,
}

/// The schemes that any build knows, and the feature that each needs.
const SCHEMES: &[(&str, &str)] = &[
    ("memory", "memory"),
    ("redis", "redis"),
    ("rediss", "tls"),
    ("redis+unix", "redis"),
    ("unix", "redis"),
    ("redis-cluster", "cluster"),
    ("redis+cluster", "cluster"),
    ("rediss-cluster", "cluster"),
    ("rediss+cluster", "cluster"),
    ("redis-sentinel", "sentinel"),
    ("redis+sentinel", "sentinel"),
    ("rediss-sentinel", "sentinel"),
    ("rediss+sentinel", "sentinel"),
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
        Some((scheme, feature)) => {
            for feature in [
                *feature,
                if scheme.starts_with("rediss") {
                    "tls"
                } else {
                    "redis"
                },
            ] {
                if !is_on(feature) {
                    return Err(feature_is_off(feature));
                }
            }
            redis(&url, settings)
        }
        None => Err(config(format!(
            "the scheme {} of the cache's URL is not known; {}",
            shown(&scheme),
            known_schemes()
        ))),
    }
}

fn is_on(feature: &str) -> bool {
    let features = [
        ("redis", cfg!(feature = "redis")),
        ("tls", cfg!(feature = "tls")),
        ("cluster", cfg!(feature = "cluster")),
        ("sentinel", cfg!(feature = "sentinel")),
    ];
    features.contains(&(feature, true))
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
fn redis(url: &str, settings: Settings) -> Result<Arc<dyn CacheBackend>> {
    let builder = maestro_cache_redis::RedisCache::builder(url);
    Ok(Arc::new(with_tls(builder, settings.tls)?.build()?))
}

#[cfg(feature = "tls")]
fn with_tls(
    builder: maestro_cache_redis::RedisCacheBuilder,
    variables: TlsVariables,
) -> Result<maestro_cache_redis::RedisCacheBuilder> {
    let TlsVariables {
        ca,
        cert,
        key,
        verify,
        accept_any_server,
    } = variables;
    let tls = maestro_cache_redis::RedisTls::from_text(ca, cert, key, verify, accept_any_server)
        .map_err(|error| config(format!("of the variables MAESTRO_CACHE_TLS_…: {error}")))?;
    Ok(match tls {
        Some(tls) => builder.default_tls(tls),
        None => builder,
    })
}

#[cfg(all(feature = "redis", not(feature = "tls")))]
fn with_tls(
    builder: maestro_cache_redis::RedisCacheBuilder,
    _: TlsVariables,
) -> Result<maestro_cache_redis::RedisCacheBuilder> {
    Ok(builder)
}

#[cfg(not(feature = "redis"))]
fn redis(_: &str, _: Settings) -> Result<Arc<dyn CacheBackend>> {
    Err(feature_is_off("redis"))
}

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
    use super::SCHEMES;

    #[test]
    fn the_schemes_are_those_that_the_backends_take() {
        let of_backend = |is_memory: bool| {
            let mut schemes: Vec<_> = SCHEMES
                .iter()
                .filter(|(_, feature)| (*feature == "memory") == is_memory)
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
        assert_eq!(of_backend(true), sorted(maestro_cache_memory::SCHEMES));
        assert_eq!(of_backend(false), sorted(maestro_cache_redis::SCHEMES));
    }
}
