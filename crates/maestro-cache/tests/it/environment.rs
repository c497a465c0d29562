//! Every variable and every setting, from literal pairs; the process environment is not touched.

use maestro_cache::{Cache, CacheService, ErrorKind, Result};

pub(crate) fn from<const N: usize>(pairs: [(&str, &str); N]) -> Result<Cache> {
    // Settings are the same for every backend; memory is the one that any test can build.
    CacheService::builder().environment(pairs).build()
}

/// The text of the `Config` error that these pairs give.
pub(crate) fn refusal<const N: usize>(pairs: [(&str, &str); N]) -> String {
    let error = from(pairs).expect_err("the setting is wrong");
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
    format!("{error}; {error:?}")
}

pub(crate) fn assert_names(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "{part:?} is missing in: {text}");
    }
}

#[cfg(feature = "memory")]
mod with_memory {
    use std::time::Duration;

    use maestro_cache::{Codec, Expiry, Ttl};

    use super::{Cache, CacheService, ErrorKind, assert_names, from, refusal};

    const NOTHING: [(&str, &str); 0] = [];

    fn after(seconds: u64) -> Expiry {
        Expiry::after(Duration::from_secs(seconds)).unwrap()
    }

    #[test]
    fn an_environment_that_says_nothing_gives_the_defaults() {
        let cache = from([("HOME", "/"), ("MAESTRO_CACHE", "x")]).unwrap();
        assert_eq!(cache.backend_name(), "memory");
        assert_eq!(cache.key_prefix(), "");
        assert_eq!(cache.default_expiry(), after(3600));
        assert_eq!(cache.codec(), Codec::MessagePack);
        assert_eq!(cache.timeout(), Duration::from_secs(1));
    }

    #[test]
    fn every_time_to_live_that_the_docs_name_is_read() {
        for (text, expected) in [
            ("7", after(7)),
            ("90s", after(90)),
            ("15m", after(900)),
            ("1h", after(3600)),
            ("2d", after(172_800)),
            ("1h30m", after(5400)),
            ("never", Expiry::Never),
        ] {
            let cache = from([("MAESTRO_CACHE_TTL", text)]).unwrap();
            assert_eq!(cache.default_expiry(), expected, "{text}");
        }
        let cache = from([("MAESTRO_CACHE_TTL", "1500ms")]).unwrap();
        assert_eq!(
            cache.default_expiry(),
            Expiry::after(Duration::from_millis(1500)).unwrap()
        );
    }

    #[test]
    fn a_time_to_live_of_zero_is_refused_and_the_text_names_never() {
        for text in ["0", "0s", "0ms"] {
            assert_names(
                &refusal([("MAESTRO_CACHE_TTL", text)]),
                &["MAESTRO_CACHE_TTL", "`never`"],
            );
        }
    }

    #[test]
    fn a_time_to_live_beyond_all_bounds_is_refused_and_the_text_names_never() {
        let text = refusal([("MAESTRO_CACHE_TTL", "10000000000000000")]);
        assert_names(&text, &["MAESTRO_CACHE_TTL", "`never`"]);
    }

    #[test]
    fn a_time_to_live_that_is_none_is_refused_and_the_text_shows_how_to_write_one() {
        for text in [
            "15M",
            "1H",
            "+5",
            "90s ",
            "\t1h\n",
            "soon",
            "-5",
            "1.5",
            "1 fortnight",
            "Never",
            " 5",
            "99999999999999999999",
        ] {
            let text = refusal([("MAESTRO_CACHE_TTL", text)]);
            assert_names(&text, &["MAESTRO_CACHE_TTL", "90s", "never"]);
        }
    }

    #[test]
    fn prefix_codec_timeout_and_size_are_read() {
        let cache = from([
            ("MAESTRO_CACHE_URL", "memory://"),
            ("MAESTRO_CACHE_PREFIX", "qf:"),
            ("MAESTRO_CACHE_CODEC", "json"),
            ("MAESTRO_CACHE_TIMEOUT", "250ms"),
            ("MAESTRO_CACHE_MAX_SIZE", "7"),
        ])
        .unwrap();
        assert_eq!(cache.key_prefix(), "qf:");
        assert_eq!(cache.codec(), Codec::Json);
        assert_eq!(cache.timeout(), Duration::from_millis(250));
        let messagepack = from([("MAESTRO_CACHE_CODEC", "messagepack")]).unwrap();
        assert_eq!(messagepack.codec(), Codec::MessagePack);
        let legacy = from([("MAESTRO_CACHE_CODEC", "json-legacy-python-strings")]).unwrap();
        assert_eq!(legacy.codec(), Codec::JsonLegacyPythonStrings);
        let seconds = from([("MAESTRO_CACHE_TIMEOUT", "3")]).unwrap();
        assert_eq!(seconds.timeout(), Duration::from_secs(3));
    }

    #[test]
    fn a_bad_number_codec_or_timeout_is_refused_and_named() {
        for size in ["0", "-1", "+5", "many", "1.5", "10k", " 7"] {
            let text = refusal([("MAESTRO_CACHE_MAX_SIZE", size)]);
            assert_names(&text, &["MAESTRO_CACHE_MAX_SIZE", "10000"]);
        }
        for timeout in ["0", "0s", "fast", "-1"] {
            let text = refusal([("MAESTRO_CACHE_TIMEOUT", timeout)]);
            assert_names(&text, &["MAESTRO_CACHE_TIMEOUT", "500ms"]);
        }
        for codec in ["yaml", "JSON", "pickle"] {
            let text = refusal([("MAESTRO_CACHE_CODEC", codec)]);
            assert_names(&text, &["MAESTRO_CACHE_CODEC", "messagepack", "json"]);
        }
    }

    #[test]
    fn an_empty_variable_is_refused_but_for_the_prefix() {
        for name in [
            "URL",
            "TTL",
            "MAX_SIZE",
            "CODEC",
            "TIMEOUT",
            "TLS_CA",
            "TLS_CERT",
            "TLS_KEY",
            "TLS_VERIFY",
            "TLS_ACCEPT_ANY_SERVER",
        ] {
            let name = format!("MAESTRO_CACHE_{name}");
            assert_names(&refusal([(name.as_str(), "")]), &[&name, "unset"]);
        }
        assert_eq!(
            from([("MAESTRO_CACHE_PREFIX", "")]).unwrap().key_prefix(),
            ""
        );
    }

    #[test]
    fn code_goes_before_the_environment_an_empty_prefix_included() {
        let cache = CacheService::builder()
            .environment([
                ("MAESTRO_CACHE_URL", "nonsense://"),
                ("MAESTRO_CACHE_PREFIX", "env:"),
                ("MAESTRO_CACHE_TTL", "never"),
                ("MAESTRO_CACHE_CODEC", "json"),
                ("MAESTRO_CACHE_TIMEOUT", "9"),
            ])
            .url("memory://")
            .key_prefix("")
            .default_ttl(Duration::from_secs(5))
            .codec(Codec::MessagePack)
            .timeout(Duration::from_secs(2))
            .build()
            .unwrap();
        assert_eq!(cache.key_prefix(), "");
        assert_eq!(cache.default_expiry(), after(5));
        assert_eq!(cache.codec(), Codec::MessagePack);
        assert_eq!(cache.timeout(), Duration::from_secs(2));
    }

    #[test]
    fn code_can_ask_for_no_expiry_and_is_refused_zero() {
        let cache = CacheService::builder()
            .environment(NOTHING)
            .default_ttl(Ttl::Never)
            .build();
        assert_eq!(cache.unwrap().default_expiry(), Expiry::Never);
        let error = CacheService::builder()
            .environment(NOTHING)
            .default_ttl(Duration::ZERO)
            .build()
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert_names(&error.to_string(), &["Ttl::Never"]);
    }

    /// How many entries are left after many were set.
    async fn kept(cache: Cache) -> usize {
        for index in 0..100 {
            cache.set(&format!("k{index}"), &index).await.unwrap();
        }
        let keys: Vec<_> = (0..100).map(|index| format!("k{index}")).collect();
        let values = cache.get_many::<i64>(&keys).await.unwrap();
        values.into_iter().flatten().count()
    }

    #[tokio::test]
    async fn the_bound_is_the_codes_then_the_urls_then_the_environments() {
        let builder = || CacheService::builder().environment([("MAESTRO_CACHE_MAX_SIZE", "7")]);
        assert_eq!(kept(builder().build().unwrap()).await, 7);
        let by_url = builder().url("memory://?max_entries=8");
        assert_eq!(kept(by_url.build().unwrap()).await, 8);
        let by_code = builder().url("memory://?max_entries=8").max_entries(9);
        assert_eq!(kept(by_code.build().unwrap()).await, 9);
    }

    #[test]
    fn an_unknown_query_key_of_the_url_is_refused_and_the_known_ones_are_named() {
        let text = refusal([("MAESTRO_CACHE_URL", "memory://?max_size=5")]);
        assert_names(&text, &["max_size", "max_entries", "max_bytes"]);
    }

    #[test]
    fn names_that_others_make_are_let_pass() {
        from([
            ("MAESTRO_CACHE_SERVICE_HOST", "10.0.0.1"),
            ("MAESTRO_CACHE_SERVICE_PORT", "6379"),
            ("MAESTRO_CACHE_PORT", "tcp://10.0.0.1:6379"),
            ("MAESTRO_CACHE_PORT_6379_TCP_ADDR", "10.0.0.1"),
            ("MAESTRO_CACHE_WARMUP_JOB", "nightly"),
            ("MAESTRO_CACHE_NODE", "7"),
            ("MAESTRO_CACHE_MODE", "fast"),
        ])
        .unwrap();
    }
}

#[test]
fn a_misspelt_name_is_refused_and_the_right_one_named() {
    for (misspelt, meant) in [
        ("MAESTRO_CACHE_TTTL", "MAESTRO_CACHE_TTL"),
        ("MAESTRO_CACHE_TLT", "MAESTRO_CACHE_TTL"),
        ("MAESTRO_CACHE_ULR", "MAESTRO_CACHE_URL"),
        ("MAESTRO_CACHE_URI", "MAESTRO_CACHE_URL"),
        ("MAESTRO_CACHE_PERFIX", "MAESTRO_CACHE_PREFIX"),
        ("MAESTRO_CACHE_MAXSIZE", "MAESTRO_CACHE_MAX_SIZE"),
        ("MAESTRO_CACHE_MAX_SISE", "MAESTRO_CACHE_MAX_SIZE"),
        ("MAESTRO_CACHE_CODECS", "MAESTRO_CACHE_CODEC"),
        ("MAESTRO_CACHE_TIME_OUT", "MAESTRO_CACHE_TIMEOUT"),
        ("MAESTRO_CACHE_url", "MAESTRO_CACHE_URL"),
        ("MAESTRO_CACHE_TLS_CAA", "MAESTRO_CACHE_TLS_CA"),
        ("MAESTRO_CACHE_TLSCERT", "MAESTRO_CACHE_TLS_CERT"),
        ("MAESTRO_CACHE_TLS_KYE", "MAESTRO_CACHE_TLS_KEY"),
        ("MAESTRO_CACHE_TLS_VERFY", "MAESTRO_CACHE_TLS_VERIFY"),
        (
            "MAESTRO_CACHE_TLS_ACCEPT_ANY_SERVERS",
            "MAESTRO_CACHE_TLS_ACCEPT_ANY_SERVER",
        ),
    ] {
        assert_names(&refusal([(misspelt, "5")]), &[misspelt, meant]);
    }
}

#[test]
fn an_unknown_scheme_is_refused_and_the_known_ones_are_listed() {
    for url in [
        "redsi://localhost",
        "memcached://localhost",
        "http://localhost",
        "://",
    ] {
        let text = refusal([("MAESTRO_CACHE_URL", url)]);
        assert_names(
            &text,
            &["not known", "memory://", "redis://", "redis+unix://"],
        );
    }
    for url in ["localhost:6379", "memory", "redis:", "/var/run/redis.sock"] {
        let text = refusal([("MAESTRO_CACHE_URL", url)]);
        assert_names(&text, &["no scheme", "memory://", "redis://"]);
    }
}

#[cfg(feature = "memory")]
#[test]
fn a_scheme_has_no_case() {
    assert_eq!(
        from([("MAESTRO_CACHE_URL", "Memory://")])
            .unwrap()
            .backend_name(),
        "memory"
    );
}

#[test]
fn no_error_shows_what_a_url_may_hide() {
    for url in [
        "redsi://user:canary@localhost",
        "canary://user:canary@localhost",
        "user:canary@localhost:6379",
        "redis//user:canary@localhost",
        "redis://user:canary@",
        "redis://user:canary@localhost/not-a-db",
        "redis://user:canary@localhost?canary=1",
        "redis://user:canary@local host",
        "redis://user:canary/canary@localhost",
        "rediss://user:canary@localhost?canary",
        "redis-cluster://user:canary@localhost?canary",
        "redis-sentinel://user:canary@localhost/s?sentinel_password=a&canary",
        "redis+unix:///tmp/x?password=canary&oops=canary",
        "memory://user:canary@localhost",
    ] {
        let text = refusal([("MAESTRO_CACHE_URL", url)]);
        let shown_as_scheme = url.starts_with("canary://");
        assert!(shown_as_scheme || !text.contains("canary"), "{url}: {text}");
    }
    let builder = CacheService::builder()
        .url("redis://user:canary@localhost")
        .environment([("MAESTRO_CACHE_URL", "redis://user:canary@localhost")]);
    assert!(!format!("{builder:?}").contains("canary"));
}

#[cfg(feature = "redis")]
#[test]
fn a_cache_on_redis_is_built_without_a_server_or_a_runtime() {
    let cache = from([("MAESTRO_CACHE_URL", "redis://user:canary@127.0.0.1:1/0")]).unwrap();
    assert_eq!(cache.backend_name(), "redis");
    assert!(!format!("{cache:?}").contains("canary"));
}

#[cfg(feature = "memory")]
proptest::proptest! {
    #[test]
    fn any_text_is_a_setting_or_an_error_that_names_the_variable(
        name in proptest::sample::select(vec!["URL", "TTL", "PREFIX", "MAX_SIZE", "CODEC", "TIMEOUT"]),
        text in "\\PC{0,12}|[0-9]{0,25}[a-z ]{0,5}|memory://\\PC{0,12}|redis://\\PC{0,12}",
    ) {
        let name = format!("MAESTRO_CACHE_{name}");
        if let Err(error) = from([(name.as_str(), text.as_str())]) {
            proptest::prop_assert_eq!(error.kind(), ErrorKind::Config);
            proptest::prop_assert!(name.ends_with("URL") || error.to_string().contains(&name));
        }
    }

    #[test]
    fn any_name_is_one_of_ours_a_misspelt_one_or_nobodys_business(name in "[A-Z_]{0,12}") {
        let name = format!("MAESTRO_CACHE_{name}");
        if let Err(error) = from([(name.as_str(), "memory://")]) {
            proptest::prop_assert_eq!(error.kind(), ErrorKind::Config);
            proptest::prop_assert!(error.to_string().contains(&name));
        }
    }
}
