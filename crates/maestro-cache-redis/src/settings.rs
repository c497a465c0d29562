//! From a URL to the settings of the connections.
//!
//! No error here ever shows the URL, nor a part of it that could be a piece of a password which
//! somebody forgot to percent-encode.

use std::collections::HashMap;
use std::path::PathBuf;

use ::url::{Host, Url};
use maestro_cache_core::{Error, ErrorKind, Result};
use percent_encoding::percent_decode_str;
use redis::io::tcp::TcpSettings;
use redis::{
    ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo,
};

use crate::RedisCacheBuilder;

/// The URL schemes that [`RedisCache`](crate::RedisCache) takes.
pub const SCHEMES: &[&str] = &["redis", "redis+unix", "unix"];

/// URL schemes of Redis that are recognised and refused: TLS, clusters and sentinels.
///
/// They are named so that an error can say what is missing, instead of that the scheme is unknown.
pub const RESERVED_SCHEMES: &[&str] = &[
    "rediss",
    "redis-cluster",
    "redis+cluster",
    "rediss-cluster",
    "rediss+cluster",
    "redis-sentinel",
    "redis+sentinel",
    "rediss-sentinel",
    "rediss+sentinel",
];

const DEFAULT_PORT: u16 = 6379;

/// Where to connect and how, checked.
pub(crate) struct Settings {
    pub(crate) info: ConnectionInfo,
    /// The address and the database, without the user: for people.
    pub(crate) address: String,
    pub(crate) connections: usize,
}

/// The user info of a connection.
#[derive(Default)]
struct Login {
    user: Option<String>,
    password: Option<String>,
}

impl Settings {
    pub(crate) fn new(url: &str, connections: Option<usize>) -> Result<Self> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(config(format!(
                "the URL of a Redis server starts with {}",
                alternatives(SCHEMES)
            )));
        };
        let scheme = scheme.to_ascii_lowercase();
        match scheme.as_str() {
            "redis" => over_tcp(url, rest, connections),
            "redis+unix" | "unix" => over_unix_socket(rest, connections),
            reserved if RESERVED_SCHEMES.contains(&reserved) => Err(config(format!(
                "`{reserved}://` is not supported: this version speaks to a single server without \
                 TLS; use {}",
                alternatives(SCHEMES)
            ))),
            _ => Err(config(format!(
                "the scheme of the URL is not one of a Redis server; use {}",
                alternatives(SCHEMES)
            ))),
        }
    }

    fn assemble(
        addr: ConnectionAddr,
        shown: &str,
        db: i64,
        login: Login,
        connections: Option<usize>,
    ) -> Result<Self> {
        let connections = connections.unwrap_or(RedisCacheBuilder::DEFAULT_CONNECTIONS);
        if !(1..=RedisCacheBuilder::MAX_CONNECTIONS).contains(&connections) {
            return Err(config(format!(
                "`connections` is the number of shared connections, 1 to {}",
                RedisCacheBuilder::MAX_CONNECTIONS
            )));
        }
        if !addr.is_supported() {
            return Err(config("this platform has no unix sockets; use `redis://`"));
        }
        // RESP3 for two reasons: its greeting keeps the server's own error code, where the older
        // one only says that the password was refused, and the driver reports a lost link.
        // `CLIENT SETINFO` is left out, since users with few rights may not run it.
        let mut redis = RedisConnectionInfo::default()
            .set_db(db)
            .set_protocol(ProtocolVersion::RESP3)
            .set_skip_set_lib_name();
        if let Some(user) = login.user {
            redis = redis.set_username(user);
        }
        if let Some(password) = login.password {
            redis = redis.set_password(password);
        }
        let info = addr
            .into_connection_info()
            .map_err(|_| config("the address of the server cannot be used"))?
            .set_tcp_settings(TcpSettings::default().set_nodelay(true))
            .set_redis_settings(redis);
        Ok(Self {
            info,
            address: format!("{shown}/{db}"),
            connections,
        })
    }
}

/// `redis://[user[:password]@]host[:port][/db][?connections=n]`
fn over_tcp(url: &str, rest: &str, connections: Option<usize>) -> Result<Settings> {
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, behind) = rest.split_at(authority_end);
    // What stands before this `@` may be the end of a password: look at nothing behind it.
    if behind.contains('@') {
        return Err(config(
            "there is an `@` behind the host of the URL; percent-encode special characters of the \
             user and the password (`/` as %2F, `?` as %3F, `#` as %23, `@` as %40)",
        ));
    }
    let (user_info, _) = authority.rsplit_once('@').unwrap_or(("", authority));
    let login = login_from(user_info)?;
    let parsed = Url::parse(url).map_err(|error| {
        config(format!(
            "the URL of the server is malformed ({error}); write \
             `redis://[user:password@]host[:port][/db]`, with special characters of the user and \
             the password percent-encoded"
        ))
    })?;
    if parsed.fragment().is_some() {
        return Err(no_fragment());
    }
    let (host, shown) = match parsed.host() {
        Some(Host::Domain(host)) if !host.is_empty() && !host.contains('%') => {
            (host.to_owned(), host.to_owned())
        }
        Some(Host::Ipv4(address)) => (address.to_string(), address.to_string()),
        Some(Host::Ipv6(address)) => (address.to_string(), format!("[{address}]")),
        _ => {
            return Err(config(
                "the URL names no host; write `redis://host:port`, for example \
                 `redis://localhost:6379`",
            ));
        }
    };
    let port = parsed.port().unwrap_or(DEFAULT_PORT);
    let path = parsed.path();
    let db = database(path.strip_prefix('/').unwrap_or(path))?;
    let mut query = Query::parse(
        parsed.query().unwrap_or_default(),
        &["connections"],
        !user_info.is_empty(),
    )?;
    let connections = query.connections(connections)?;
    Settings::assemble(
        ConnectionAddr::Tcp(host, port),
        &format!("{shown}:{port}"),
        db,
        login,
        connections,
    )
}

/// `redis+unix:///path/to.sock[?db=1&user=name&password=secret&connections=n]`
fn over_unix_socket(rest: &str, connections: Option<usize>) -> Result<Settings> {
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    if rest.contains('#') {
        return Err(no_fragment());
    }
    if !path.starts_with('/') {
        return Err(config(
            "the path of the unix socket has to be absolute, as in `redis+unix:///run/redis.sock`; \
             user and password follow as `?user=…&password=…`",
        ));
    }
    let path = decode(path)?;
    if path.ends_with('/') || path.contains('\0') {
        return Err(config("the URL names a folder and no unix socket"));
    }
    let known = &["db", "user", "password", "pass", "connections"];
    let mut query = Query::parse(query, known, false)?;
    let db = database(&query.take("db").unwrap_or_default())?;
    let password = match (query.take("password"), query.take("pass")) {
        (Some(_), Some(_)) => {
            return Err(config(
                "the URL gives the password twice, as `password` and as `pass`; keep one",
            ));
        }
        (password, pass) => password.or(pass),
    };
    let login = login(query.take("user").unwrap_or_default(), password)?;
    let connections = query.connections(connections)?;
    let addr = ConnectionAddr::Unix(PathBuf::from(&path));
    Settings::assemble(addr, &path, db, login, connections)
}

fn login_from(user_info: &str) -> Result<Login> {
    match user_info.split_once(':') {
        Some((user, password)) => login(decode(user)?, Some(decode(password)?)),
        None => login(decode(user_info)?, None),
    }
}

fn login(user: String, password: Option<String>) -> Result<Login> {
    match (user.is_empty(), password) {
        (true, None) => Ok(Login::default()),
        (true, Some(password)) => Ok(Login {
            user: None,
            password: (!password.is_empty()).then_some(password),
        }),
        (false, Some(password)) => Ok(Login {
            user: Some(user),
            password: Some(password),
        }),
        (false, None) => Err(config(
            "the URL names a user and no password; write `user:password@host`, or `:password@host` \
             for the default user",
        )),
    }
}

fn database(text: &str) -> Result<i64> {
    let digits = text.strip_suffix('/').unwrap_or(text);
    if digits.is_empty() {
        return Ok(0);
    }
    // `parse` alone would take a sign.
    Some(digits)
        .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|digits| digits.parse::<u32>().ok())
        .map(i64::from)
        .ok_or_else(|| config("the database in the URL is a number from 0 up, as in `/0`"))
}

/// The settings behind the question mark; every known key at most once.
struct Query(HashMap<String, String>);

impl Query {
    fn parse(text: &str, known: &[&str], has_secrets: bool) -> Result<Self> {
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
        let which = if has_secrets || !is_plain {
            "a setting in the query of the URL".to_owned()
        } else {
            format!("the setting `{key}` in the query of the URL")
        };
        Err(config(format!(
            "{which} is not known; the known ones are {}",
            known
                .iter()
                .map(|key| format!("`{key}`"))
                .collect::<Vec<_>>()
                .join(", ")
        )))
    }

    fn take(&mut self, key: &str) -> Option<String> {
        self.0.remove(key)
    }

    /// The number of connections: what the builder says, or else the URL.
    fn connections(&mut self, from_builder: Option<usize>) -> Result<Option<usize>> {
        let from_url = self
            .take("connections")
            .map(|text| {
                // Out of range is found out where the builder's number is.
                text.parse::<usize>().map_err(|_| {
                    config(format!(
                        "`connections` in the URL is a number from 1 to {}",
                        RedisCacheBuilder::MAX_CONNECTIONS
                    ))
                })
            })
            .transpose()?;
        Ok(from_builder.or(from_url))
    }
}

/// True if the key may be meant for a user or a password, a misspelt or unknown one included.
fn may_name_a_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["pass", "pw", "user", "auth"]
        .iter()
        .any(|start| key.starts_with(start))
}

fn decode(text: &str) -> Result<String> {
    percent_decode_str(text)
        .decode_utf8()
        .map(Into::into)
        .map_err(|_| config("the percent-encoded parts of the URL have to be UTF-8"))
}

fn alternatives(schemes: &[&str]) -> String {
    schemes
        .iter()
        .map(|scheme| format!("`{scheme}://`"))
        .collect::<Vec<_>>()
        .join(" or ")
}

fn no_fragment() -> Error {
    config("a `#` in the URL starts a part that has no meaning here; write it as %23")
}

fn config(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorKind::Config, message)
}
