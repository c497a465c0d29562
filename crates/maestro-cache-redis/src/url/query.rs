//! The settings behind the question mark of a URL.

use std::collections::HashMap;
use std::time::Duration;

use maestro_cache_core::Result;

use super::{Kind, decode, list, login, number};
use crate::RedisCacheBuilder;
#[cfg(feature = "tls")]
use crate::RedisTls;
use crate::settings::{Options, config};

const OF_ALL: [&str; 3] = ["connections", "connect_timeout", "max_in_flight"];
const OF_SENTINELS: [&str; 2] = ["sentinel_user", "sentinel_password"];
const OF_TLS: [&str; 5] = [
    "tls_ca",
    "tls_cert",
    "tls_key",
    "tls_verify",
    "tls_accept_any_server",
];

/// The settings that a URL of this kind may have.
pub(super) fn known(kind: Kind, is_encrypted: bool) -> Vec<&'static str> {
    let mut known = OF_ALL.to_vec();
    if kind == Kind::Sentinels {
        known.extend(OF_SENTINELS);
    }
    if is_encrypted {
        known.extend(OF_TLS);
    }
    known
}

/// Those of a unix socket, which has no authority that could name the user.
pub(super) fn known_on_a_socket() -> Vec<&'static str> {
    let mut known = vec!["db", "user", "password", "pass"];
    known.extend(OF_ALL);
    known
}

/// The settings of a URL; every known key at most once.
pub(super) struct Query(HashMap<String, String>);

impl Query {
    pub(super) fn parse(text: &str, known: &[&str], has_secrets: bool) -> Result<Self> {
        let mut found = HashMap::new();
        let mut unknown = None;
        let mut has_secrets = has_secrets || text.contains(['@', ':']);
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let key = decode(key)?;
            has_secrets |= may_name_a_secret(&key);
            if !known.contains(&key.as_str()) {
                // What comes behind it may be a piece of its value.
                unknown.get_or_insert(key);
            } else if found.insert(key.clone(), decode(value)?).is_some() {
                return Err(config(format!(
                    "`{key}` is twice in the URL; keep one of them"
                )));
            }
        }
        let Some(key) = unknown else {
            return Ok(Self(found));
        };
        // Behind a bare `&` or `?` of a password, the rest of it looks like a key. So a key is
        // shown only where nothing hints at a password and it looks like a mistyped setting.
        let is_plain = key.len() <= 24
            && key
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let which = if OF_TLS.contains(&key.as_str()) {
            format!("`{key}`, which is for `rediss://`,")
        } else if OF_SENTINELS.contains(&key.as_str()) {
            format!("`{key}`, which is for `redis-sentinel://`,")
        } else if has_secrets || !is_plain {
            "a setting in the query of the URL".to_owned()
        } else {
            format!("the setting `{key}` in the query of the URL")
        };
        Err(config(format!(
            "{which} is not known here; the known ones are {}",
            list(known, |key| format!("`{key}`"))
        )))
    }

    pub(super) fn take(&mut self, key: &str) -> Option<String> {
        self.0.remove(key)
    }

    pub(super) fn options(mut self) -> Result<Options> {
        // Out of range is found out where the builder's number is.
        let up_to = |most: usize| format!("a number from 1 to {most}");
        let most = RedisCacheBuilder::MAX_CONNECTIONS;
        Ok(Options {
            connections: self.read("connections", number, &up_to(most))?,
            connect_timeout: self.read(
                "connect_timeout",
                duration,
                "a time such as 500ms or 2s",
            )?,
            max_in_flight: self.read("max_in_flight", number, &up_to(usize::MAX))?,
            sentinel_login: match (self.take("sentinel_user"), self.take("sentinel_password")) {
                (None, None) => None,
                (user, password) => Some(login(user.unwrap_or_default(), password)?),
            },
            #[cfg(feature = "tls")]
            tls: self.tls()?,
        })
    }

    fn read<T>(&mut self, key: &str, read: fn(&str) -> Option<T>, what: &str) -> Result<Option<T>> {
        let Some(text) = self.take(key) else {
            return Ok(None);
        };
        match read(&text) {
            None => Err(config(format!("`{key}` in the URL is {what}"))),
            value => Ok(value),
        }
    }

    #[cfg(feature = "tls")]
    fn tls(&mut self) -> Result<Option<RedisTls>> {
        let [ca, cert, key, verify, accept] = OF_TLS.map(|key| self.take(key));
        RedisTls::from_text(ca, cert, key, verify, accept)
    }
}

/// A number with its unit; without one it is not clear whether seconds are meant.
fn duration(text: &str) -> Option<Duration> {
    let (digits, unit): (&str, fn(u64) -> Duration) = match text.strip_suffix("ms") {
        Some(digits) => (digits, Duration::from_millis),
        None => (text.strip_suffix('s')?, Duration::from_secs),
    };
    number(digits).map(unit)
}

/// True if the key may be meant for a user or a password, a misspelt or unknown one included.
fn may_name_a_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["pass", "pw", "user", "auth", "sentinel"]
        .iter()
        .any(|start| key.starts_with(start))
}
