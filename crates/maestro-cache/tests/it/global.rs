//! The cache of the whole process, and what the environment of the process makes of it.
//!
//! There is one of each in a process, and setting variables is not safe while others read them. So
//! a test that needs variables runs itself again in a process of its own.

use std::process::Command;
use std::time::Duration;

use maestro_cache::{Cache, CacheService, ErrorKind, Expiry, InMemoryCache};

/// Tells a test that it is the one in the process of its own.
const AGAIN: &str = "TEST_IN_A_PROCESS_OF_ITS_OWN";

/// Runs `test`, whose name in this binary is `name`, in a process with just these variables of the
/// cache.
fn in_a_process_of_its_own(name: &str, variables: &[(&str, &str)], test: impl FnOnce()) {
    if std::env::var_os(AGAIN).is_some() {
        return test();
    }
    let mut process = Command::new(std::env::current_exe().unwrap());
    for (inherited, _) in std::env::vars_os() {
        if inherited.to_string_lossy().starts_with("MAESTRO_CACHE_") {
            process.env_remove(inherited);
        }
    }
    process.env(AGAIN, "1").envs(variables.iter().copied());
    let output = process.args(["--exact", name]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    // A name that no test has passes as well, with none.
    assert!(
        output.status.success() && said.contains("1 passed"),
        "{said}"
    );
}

#[tokio::test]
async fn the_global_cache_is_set_once_and_then_the_same_for_everybody() {
    let cache = Cache::new(InMemoryCache::builder().build().unwrap()).namespace("global:");
    CacheService::set_global(cache.clone()).unwrap();
    cache.set("k", &5).await.unwrap();
    let global = CacheService::global().unwrap();
    assert_eq!(global.key_prefix(), "global:");
    assert_eq!(global.get::<i64>("k").await.unwrap(), Some(5));
    let error = CacheService::set_global(cache).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(std::ptr::eq(global, CacheService::global().unwrap()));
}

#[test]
fn the_environment_of_the_process_makes_the_global_cache() {
    let name = "global::the_environment_of_the_process_makes_the_global_cache";
    let variables = [
        ("MAESTRO_CACHE_PREFIX", "qf:"),
        ("MAESTRO_CACHE_TTL", "90s"),
        ("MAESTRO_CACHE_TIMEOUT", "250ms"),
    ];
    in_a_process_of_its_own(name, &variables, || {
        let global = CacheService::global().unwrap();
        for cache in [global, &CacheService::from_env().unwrap()] {
            assert_eq!(cache.backend_name(), "memory");
            assert_eq!(cache.key_prefix(), "qf:");
            let ttl = Expiry::after(Duration::from_secs(90)).unwrap();
            assert_eq!(cache.default_expiry(), ttl);
            assert_eq!(cache.timeout(), Duration::from_millis(250));
        }
        assert!(std::ptr::eq(global, CacheService::global().unwrap()));
        let error = CacheService::set_global(global.clone()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config, "somebody may hold it");
    });
}

#[test]
fn a_wrong_variable_is_an_error_of_the_global_cache_that_is_not_kept() {
    let name = "global::a_wrong_variable_is_an_error_of_the_global_cache_that_is_not_kept";
    in_a_process_of_its_own(name, &[("MAESTRO_CACHE_TTL", "soon")], || {
        for error in [
            CacheService::from_env().unwrap_err(),
            CacheService::global().unwrap_err(),
            CacheService::global().unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains("MAESTRO_CACHE_TTL"), "{error}");
        }
        let cache = Cache::new(InMemoryCache::builder().build().unwrap()).namespace("set:");
        CacheService::set_global(cache).unwrap();
        assert_eq!(CacheService::global().unwrap().key_prefix(), "set:");
    });
}
