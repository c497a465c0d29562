//! TLS to all nodes of a cluster, those that the URL names and those that other nodes name.

use maestro_cache_core::Cache;
use maestro_cache_testkit::{RedisCluster, RedisClusterBuilder, TestAuthority};

use crate::errors::cache;
use crate::servers::served;
use crate::tls::{cache_with, distrusted, shows, trusting};

/// Without replicas, which take long to come together.
fn masters() -> RedisClusterBuilder {
    RedisCluster::builder().replicas(0).password("p")
}

/// Names one node only, so that the others are found by what it says.
fn url_of_one(cluster: &RedisCluster) -> String {
    let url = cluster.url();
    url.split(',').next().unwrap().to_owned()
}

/// Each kind of call, with keys on all masters.
async fn works_on_all(cluster: &RedisCluster, cache: &Cache) {
    let keys: Vec<_> = (0..30).map(|number| format!("key-{number}")).collect();
    for (value, key) in (0_i64..).zip(&keys) {
        cache.set(key, &value).await.unwrap();
        assert_eq!(cache.get(key).await.unwrap(), Some(value));
    }
    for master in cluster.masters() {
        let held = cluster.server(master).ask(&["DBSIZE"]).number();
        assert!(held > 0, "{master:?} has none of the keys");
    }
    let values = (100_i64..).take(keys.len());
    cache.set_many(keys.iter().zip(values)).await.unwrap();
    for (value, key) in (101..).zip(&keys) {
        assert_eq!(cache.increment(key, 1).await.unwrap(), value);
    }
    let values: Vec<_> = (101..).map(Some).take(keys.len()).collect();
    assert_eq!(cache.get_many::<i64>(&keys).await.unwrap(), values);
    assert_eq!(cache.clear("key-*").await.unwrap(), 30);
    assert_eq!(cache.get_many::<i64>(&keys).await.unwrap(), [None; 30]);
}

#[tokio::test]
async fn all_masters_are_spoken_to_by_the_authority_of_the_builder_or_of_the_url() {
    let authority = TestAuthority::new();
    let cluster = masters().tls(&authority.server()).start();
    let url = url_of_one(&cluster);
    assert!(url.starts_with("rediss-cluster://:p@127.0.0.1:"), "{url}");
    works_on_all(&cluster, &cache_with(&url, trusting(&authority))).await;
    let by_url = |url: &str| format!("{url}?tls_ca={}", authority.file().display());
    works_on_all(&cluster, &cache(&by_url(&url))).await;
    works_on_all(&cluster, &cache(&by_url(&cluster.url()))).await;
    let other = TestAuthority::new();
    distrusted(&cache_with(&cluster.url(), trusting(&other))).await;
    distrusted(&cache(&cluster.url())).await;
}

#[tokio::test]
async fn nodes_are_trusted_by_the_name_that_they_go_by() {
    let authority = TestAuthority::new();
    let by_name = authority.server_for("localhost");
    for (endpoint, is_named) in [
        ("hostname", true),
        ("unknown-endpoint", true),
        ("ip", false),
    ] {
        let cluster = masters()
            .tls(&by_name)
            .arg("--cluster-announce-hostname", "localhost")
            .arg("--cluster-preferred-endpoint-type", endpoint)
            .start();
        let url = url_of_one(&cluster).replace("127.0.0.1", "localhost");
        let cache = cache_with(&url, trusting(&authority));
        if is_named {
            works_on_all(&cluster, &cache).await;
        } else {
            distrusted(&cache).await;
        }
    }
}

#[tokio::test]
async fn nodes_that_ask_for_a_certificate_take_one_of_their_authority_and_no_other() {
    let (authority, other) = (TestAuthority::new(), TestAuthority::new());
    let cluster = masters()
        .tls(&authority.server())
        .demand_client_certificates()
        .start();
    let url = url_of_one(&cluster);
    let known = shows(trusting(&authority), &authority.client());
    works_on_all(&cluster, &cache_with(&url, known)).await;
    distrusted(&cache_with(&url, trusting(&authority))).await;
    let stranger = shows(trusting(&authority), &other.client());
    distrusted(&cache_with(&url, stranger)).await;
}

#[tokio::test]
async fn a_replica_that_was_promoted_is_spoken_to() {
    let authority = TestAuthority::new();
    let cluster = RedisCluster::builder().tls(&authority.server()).start();
    let cache = cache_with(&url_of_one(&cluster), trusting(&authority));
    works_on_all(&cluster, &cache).await;
    let master = cluster.node_of_key("served");
    cluster.kill(master);
    let promoted = cluster.wait_until_promoted(master);
    served(&cache).await;
    let held = cluster.server(promoted).command(&["EXISTS", "served"]);
    assert_eq!(held, ":1");
    works_on_all(&cluster, &cache).await;
    cluster.restart(master);
    cluster.wait_until_well();
    assert_eq!(cluster.node_of_key("served"), promoted);
}

#[tokio::test]
async fn redirections_are_followed() {
    let authority = TestAuthority::new();
    let cluster = masters().tls(&authority.server()).start();
    let cache = cache_with(&url_of_one(&cluster), trusting(&authority));
    let keys = ["{key}1", "{key}2", "{key}3"];
    cache.set_many(keys.map(|key| (key, key))).await.unwrap();
    let from = cluster.node_of_key("{key}");
    let masters = cluster.masters();
    let to = masters.into_iter().find(|master| *master != from).unwrap();
    let slot = cluster.slot_of_key("{key}");
    cluster.begin_slot_migration(slot, from, to);
    assert_eq!(cluster.migrate_keys(slot, 1), 1);
    for key in keys {
        assert_eq!(cache.get(key).await.unwrap(), Some(key.to_owned()));
    }
    cluster.finish_slot_migration(slot);
    for key in keys {
        assert_eq!(cache.get(key).await.unwrap(), Some(key.to_owned()));
    }
    assert_eq!(cluster.server(from).ask(&["DBSIZE"]).number(), 0);
}
