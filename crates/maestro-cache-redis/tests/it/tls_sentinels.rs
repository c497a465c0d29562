//! TLS to sentinels, and to the masters that they name.

use maestro_cache_testkit::{RedisSentinels, TestAuthority};

use crate::errors::cache;
use crate::servers::served;
use crate::tls::{cache_with, distrusted, shows, trusting, works};

#[tokio::test]
async fn sentinels_are_spoken_to_and_so_are_the_masters_that_they_name() {
    let authority = TestAuthority::new();
    let sentinels = RedisSentinels::builder()
        .password("p")
        .sentinel_password("s")
        .tls(&authority.server())
        .start();
    let url = sentinels.url();
    assert!(url.starts_with("rediss-sentinel://:p@127.0.0.1:"), "{url}");
    let url = url + "?sentinel_password=s";
    let by_builder = cache_with(&url, trusting(&authority));
    works(&by_builder).await;
    let by_url = cache(&format!("{url}&tls_ca={}", authority.file().display()));
    works(&by_url).await;
    distrusted(&cache_with(&url, trusting(&TestAuthority::new()))).await;
    distrusted(&cache(&url)).await;

    let old = sentinels.kill_master();
    let new = sentinels.wait_until_promoted(old);
    for cache in [by_builder, by_url] {
        served(&cache).await;
        works(&cache).await;
    }
    let held = sentinels.server(new).command(&["EXISTS", "served"]);
    assert_eq!(held, ":1");
}

#[tokio::test]
async fn those_who_ask_for_a_certificate_take_one_of_their_authority_and_no_other() {
    let (authority, other) = (TestAuthority::new(), TestAuthority::new());
    let sentinels = RedisSentinels::builder()
        .tls(&authority.server())
        .demand_client_certificates()
        .start();
    let url = sentinels.url();
    let known = shows(trusting(&authority), &authority.client());
    let cache = cache_with(&url, known);
    works(&cache).await;
    distrusted(&cache_with(&url, trusting(&authority))).await;
    let stranger = shows(trusting(&authority), &other.client());
    distrusted(&cache_with(&url, stranger)).await;
    sentinels.failover();
    served(&cache).await;
    works(&cache).await;
}
