//! The environment variables: their names, what they may say, and what looks like a misspelt one.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use maestro_cache_core::{Codec, Error, ErrorKind, Expiry, Result, Ttl};

use crate::backends::TlsVariables;

/// What every variable of the cache starts with.
const PREFIX: &str = "MAESTRO_CACHE_";

const URL: &str = "MAESTRO_CACHE_URL";
const TTL: &str = "MAESTRO_CACHE_TTL";
const KEY_PREFIX: &str = "MAESTRO_CACHE_PREFIX";
const MAX_SIZE: &str = "MAESTRO_CACHE_MAX_SIZE";
const CODEC: &str = "MAESTRO_CACHE_CODEC";
const TIMEOUT: &str = "MAESTRO_CACHE_TIMEOUT";

const TLS_CA: &str = "MAESTRO_CACHE_TLS_CA";
const TLS_CERT: &str = "MAESTRO_CACHE_TLS_CERT";
const TLS_KEY: &str = "MAESTRO_CACHE_TLS_KEY";
const TLS_VERIFY: &str = "MAESTRO_CACHE_TLS_VERIFY";
const TLS_ACCEPT_ANY_SERVER: &str = "MAESTRO_CACHE_TLS_ACCEPT_ANY_SERVER";

const NAMES: [&str; 11] = [
    URL,
    TTL,
    KEY_PREFIX,
    MAX_SIZE,
    CODEC,
    TIMEOUT,
    TLS_CA,
    TLS_CERT,
    TLS_KEY,
    TLS_VERIFY,
    TLS_ACCEPT_ANY_SERVER,
];

/// What the environment says; none where it says nothing.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    pub(crate) url: Option<String>,
    pub(crate) default_ttl: Option<Ttl>,
    pub(crate) key_prefix: Option<String>,
    pub(crate) max_entries: Option<u64>,
    pub(crate) codec: Option<Codec>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) tls: TlsVariables,
}

impl Environment {
    /// Reads the variables among these pairs; others are no concern of the cache.
    pub(crate) fn read(
        pairs: impl IntoIterator<Item = (impl Into<OsString>, impl Into<OsString>)>,
    ) -> Result<Self> {
        let mut values = BTreeMap::new();
        for (name, value) in pairs {
            let Ok(name) = name.into().into_string() else {
                continue;
            };
            let Some(own_part) = name.strip_prefix(PREFIX) else {
                continue;
            };
            if !NAMES.contains(&name.as_str()) {
                refuse_misspelt(&name, own_part)?;
                continue;
            }
            let value = value
                .into()
                .into_string()
                .map_err(|_| config(format!("{name} is not UTF-8; set it to plain text")))?;
            if value.is_empty() && name != KEY_PREFIX {
                return Err(config(format!(
                    "{name} is empty; give it a value or unset it"
                )));
            }
            values.insert(name, value);
        }
        Ok(Self {
            default_ttl: values.remove(TTL).map(|text| ttl(&text)).transpose()?,
            max_entries: values
                .remove(MAX_SIZE)
                .map(|text| max_size(&text))
                .transpose()?,
            codec: values.remove(CODEC).map(|text| codec(&text)).transpose()?,
            timeout: values
                .remove(TIMEOUT)
                .map(|text| timeout(&text))
                .transpose()?,
            tls: TlsVariables {
                ca: values.remove(TLS_CA),
                cert: values.remove(TLS_CERT),
                key: values.remove(TLS_KEY),
                verify: values.remove(TLS_VERIFY),
                accept_any_server: values.remove(TLS_ACCEPT_ANY_SERVER),
            },
            key_prefix: values.remove(KEY_PREFIX),
            url: values.remove(URL),
        })
    }
}

/// Refuses a name that is almost one of ours. Others are let pass: Kubernetes, for one, makes
/// `MAESTRO_CACHE_SERVICE_HOST` and `MAESTRO_CACHE_PORT` of a service called `maestro-cache`.
fn refuse_misspelt(name: &str, own_part: &str) -> Result<()> {
    let meant = NAMES.into_iter().find(|known| {
        let known = known.strip_prefix(PREFIX).unwrap_or(known);
        // One slip in a short name, which is near to many words; two in a longer one.
        let slips = if known.len() < 6 { 1 } else { 2 };
        let own_part = own_part.to_ascii_uppercase();
        strsim::damerau_levenshtein(&own_part, known) <= slips
            || own_part.replace(['_', '-'], "") == known.replace('_', "")
    });
    match meant {
        Some(meant) => Err(config(format!(
            "{name} is no variable of the cache; {meant} is. Rename it, or unset it"
        ))),
        None => {
            if !own_part.starts_with("SERVICE_") && !own_part.starts_with("PORT") {
                tracing::warn!(target: "maestro_cache", name, "not a variable of the cache");
            }
            Ok(())
        }
    }
}

fn ttl(text: &str) -> Result<Ttl> {
    if text == "never" {
        return Ok(Ttl::Never);
    }
    let ttl = duration(text).ok_or_else(|| {
        config(format!(
            "{TTL}={text:?} is no time to live; write seconds such as 3600, a time such as 90s, \
             15m or 1h, or `never`"
        ))
    })?;
    if ttl.is_zero() {
        return Err(config(format!(
            "{TTL}={text:?} would store nothing; write `never` for entries that do not expire"
        )));
    }
    if Expiry::after(ttl).is_err() {
        return Err(config(format!(
            "{TTL}={text:?} is longer than i64::MAX milliseconds; write `never` for entries that \
             do not expire"
        )));
    }
    Ok(Ttl::After(ttl))
}

fn timeout(text: &str) -> Result<Duration> {
    duration(text)
        .filter(|timeout| !timeout.is_zero())
        .ok_or_else(|| {
            config(format!(
                "{TIMEOUT}={text:?} is no time that a call may take; write seconds such as 1, or a \
             time such as 500ms or 2s"
            ))
        })
}

/// Whole seconds, or a number with a unit.
///
/// `15M`, which some write for minutes, would be months: units are in lower case here. Nor are there
/// blanks at the ends.
fn duration(text: &str) -> Option<Duration> {
    if text.trim() != text || text.chars().any(char::is_uppercase) {
        return None;
    }
    match digits(text) {
        Some(seconds) => Some(Duration::from_secs(seconds)),
        None => humantime::parse_duration(text).ok(),
    }
}

/// A number in digits alone; Rust's own parser also takes a plus sign.
fn digits(text: &str) -> Option<u64> {
    text.parse()
        .ok()
        .filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

fn max_size(text: &str) -> Result<u64> {
    digits(text).filter(|entries| *entries > 0).ok_or_else(|| {
        config(format!(
            "{MAX_SIZE}={text:?} is no number of entries; write digits such as 10000, at least 1"
        ))
    })
}

fn codec(text: &str) -> Result<Codec> {
    text.parse()
        .map_err(|error| config(format!("{CODEC}={text:?}: {error}")))
}

fn config(message: String) -> Error {
    Error::new(ErrorKind::Config, message)
}
