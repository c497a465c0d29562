//! From a URL to what it says.
//!
//! No error here ever shows the URL, nor a part of it that could be a piece of a password which
//! somebody forgot to percent-encode.

mod query;

use std::path::PathBuf;
use std::str::FromStr;

use ::url::{Host, Url};
use maestro_cache_core::{Error, Result};
use percent_encoding::percent_decode_str;

use crate::connection::{Address, Credentials};
use crate::settings::{Options, config, feature_is_off};
use query::Query;

/// The URL schemes that [`RedisCache`](crate::RedisCache) takes.
///
/// Those of TLS, of clusters and of sentinels need a feature of their name; without it, the error
/// says so.
pub const SCHEMES: &[&str] = &[
    "redis",
    "rediss",
    "redis+unix",
    "unix",
    "redis-cluster",
    "redis+cluster",
    "rediss-cluster",
    "rediss+cluster",
    "redis-sentinel",
    "redis+sentinel",
    "rediss-sentinel",
    "rediss+sentinel",
];

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

pub(crate) struct ParsedUrl {
    pub(crate) place: Place,
    #[cfg_attr(not(feature = "tls"), allow(dead_code))] // Without the feature it is refused.
    pub(crate) is_encrypted: bool,
    pub(crate) login: Credentials,
    pub(crate) db: i64,
    pub(crate) options: Options,
}

pub(crate) enum Place {
    Server(Address),
    #[cfg_attr(not(feature = "cluster"), allow(dead_code))]
    Cluster(Vec<Address>),
    #[cfg_attr(not(feature = "sentinel"), allow(dead_code))]
    Sentinels {
        sentinels: Vec<Address>,
        service: String,
    },
}

/// What the scheme says of the servers behind it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Server,
    Cluster,
    Sentinels,
}

impl ParsedUrl {
    pub(crate) fn new(url: &str) -> Result<Self> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(config(
                "the URL of a Redis server starts with a scheme, as in `redis://localhost:6379`",
            ));
        };
        let scheme = scheme.to_ascii_lowercase();
        if matches!(scheme.as_str(), "redis+unix" | "unix") {
            return over_unix_socket(rest);
        }
        let (encryption, kind) = match scheme.find(['-', '+']) {
            Some(at) => scheme.split_at(at),
            None => (scheme.as_str(), ""),
        };
        let kind = match kind {
            "" => Some(Kind::Server),
            "-cluster" | "+cluster" => Some(Kind::Cluster),
            "-sentinel" | "+sentinel" => Some(Kind::Sentinels),
            _ => None,
        };
        match (encryption, kind) {
            ("redis", Some(kind)) => over_tcp(rest, kind, false),
            ("rediss", Some(_)) if cfg!(not(feature = "tls")) => Err(feature_is_off("tls")),
            ("rediss", Some(kind)) => over_tcp(rest, kind, true),
            _ => Err(config(format!(
                "the scheme of the URL is not one of Redis; use one of {}",
                list(SCHEMES, |scheme| format!("`{scheme}://`"))
            ))),
        }
    }

    /// For people, without a secret.
    pub(crate) fn name(&self) -> String {
        let all = |addresses: &[Address]| {
            let shown: Vec<_> = addresses.iter().map(Address::to_string).collect();
            shown.join(",")
        };
        let db = self.db;
        match &self.place {
            Place::Server(address) => format!("{address}/{db}"),
            Place::Cluster(seeds) => all(seeds),
            Place::Sentinels { sentinels, service } => format!("{}/{service}/{db}", all(sentinels)),
        }
    }
}

/// `[user[:password]@]host[:port][,host[:port]…][/path][?settings]`
fn over_tcp(rest: &str, kind: Kind, is_encrypted: bool) -> Result<ParsedUrl> {
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, behind) = rest.split_at(authority_end);
    // What stands before this `@` may be the end of a password: look at nothing behind it.
    if behind.contains('@') {
        return Err(config(
            "there is an `@` behind the host of the URL; percent-encode special characters of the \
             user and the password (`/` as %2F, `?` as %3F, `#` as %23, `@` as %40)",
        ));
    }
    if behind.contains('#') {
        return Err(no_fragment());
    }
    let (user_info, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    let login = login_from(user_info)?;
    let (path, query) = behind.split_once('?').unwrap_or((behind, ""));
    let path = path.strip_prefix('/').unwrap_or(path);
    let query = Query::parse(
        query,
        &query::known(kind, is_encrypted),
        authority.contains('@'),
    )?;
    let (place, db) = match kind {
        Kind::Server if hosts.contains(',') => {
            return Err(config(
                "the URL names several hosts; write `redis-cluster://` for the nodes of a cluster, \
                 or `redis-sentinel://` for sentinels",
            ));
        }
        Kind::Server => (Place::Server(address(hosts, PORT)?), database(path)?),
        Kind::Cluster => {
            if database(path)? != 0 {
                return Err(config(
                    "a cluster has no other database than 0; leave it out",
                ));
            }
            (Place::Cluster(addresses(hosts, PORT)?), 0)
        }
        Kind::Sentinels => {
            let (service, db) = path.split_once('/').unwrap_or((path, ""));
            let service = decode(service)?;
            if service.is_empty() {
                return Err(config(
                    "the URL names no service; write `redis-sentinel://host,host/service/db`, with \
                     the name by which the sentinels know the master",
                ));
            }
            let sentinels = addresses(hosts, SENTINEL_PORT)?;
            (Place::Sentinels { sentinels, service }, database(db)?)
        }
    };
    Ok(ParsedUrl {
        place,
        is_encrypted,
        login,
        db,
        options: query.options()?,
    })
}

/// `/path/to.sock[?db=1&user=name&password=secret&connections=n]`
fn over_unix_socket(rest: &str) -> Result<ParsedUrl> {
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
    let mut query = Query::parse(query, &query::known_on_a_socket(), path.contains('@'))?;
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
    Ok(ParsedUrl {
        place: Place::Server(Address::Unix(PathBuf::from(path))),
        is_encrypted: false,
        login,
        db,
        options: query.options()?,
    })
}

fn addresses(hosts: &str, default_port: u16) -> Result<Vec<Address>> {
    hosts
        .split(',')
        .map(|host| address(host, default_port))
        .collect()
}

/// `host[:port]`
fn address(text: &str, default_port: u16) -> Result<Address> {
    let parsed = Url::parse(&format!("redis://{text}")).map_err(|error| {
        config(format!(
            "a host in the URL is malformed ({error}); write `host[:port]`, with special \
             characters of the user and the password percent-encoded"
        ))
    })?;
    let host = match parsed.host() {
        Some(Host::Domain(host)) if !host.is_empty() && !host.contains('%') => host.to_owned(),
        Some(Host::Ipv4(address)) => address.to_string(),
        Some(Host::Ipv6(address)) => address.to_string(),
        _ => {
            return Err(config(
                "the URL names no host; write `redis://host:port`, for example \
                 `redis://localhost:6379`",
            ));
        }
    };
    let port = parsed.port().unwrap_or(default_port);
    Ok(Address::Tcp { host, port })
}

fn login_from(user_info: &str) -> Result<Credentials> {
    match user_info.split_once(':') {
        Some((user, password)) => login(decode(user)?, Some(decode(password)?)),
        None => login(decode(user_info)?, None),
    }
}

fn login(user: String, password: Option<String>) -> Result<Credentials> {
    if !user.is_empty() && password.is_none() {
        return Err(config(
            "the URL names a user and no password; write `user:password@host`, or `:password@host` \
             for the default user",
        ));
    }
    Ok(Credentials {
        password: password.filter(|password| !(user.is_empty() && password.is_empty())),
        user: Some(user).filter(|user| !user.is_empty()),
    })
}

fn database(text: &str) -> Result<i64> {
    let digits = text.strip_suffix('/').unwrap_or(text);
    if digits.is_empty() {
        return Ok(0);
    }
    number::<u32>(digits)
        .map(i64::from)
        .ok_or_else(|| config("the database in the URL is a number from 0 up, as in `/0`"))
}

/// A number of nothing but digits: `parse` alone would take a sign.
fn number<N: FromStr>(digits: &str) -> Option<N> {
    let are_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| are_digits)
}

fn list(words: &[&str], shown: fn(&str) -> String) -> String {
    let shown: Vec<_> = words.iter().map(|word| shown(word)).collect();
    shown.join(", ")
}

fn decode(text: &str) -> Result<String> {
    percent_decode_str(text)
        .decode_utf8()
        .map(Into::into)
        .map_err(|_| config("the percent-encoded parts of the URL have to be UTF-8"))
}

fn no_fragment() -> Error {
    config("a `#` in the URL starts a part that has no meaning here; write it as %23")
}
