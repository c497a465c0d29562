//! The private sentinels: they name the master, and promote a replica when it fails.

use maestro_cache_testkit::{RedisSentinels, RedisServer};

fn role(server: &RedisServer) -> String {
    server.ask(&["ROLE"]).list()[0].text().to_owned()
}

#[test]
fn sentinels_name_the_master_and_the_url_names_them() {
    let sentinels = RedisSentinels::start();
    let port = |at: usize| sentinels.sentinels()[at].port().unwrap();
    let url = format!(
        "redis-sentinel://127.0.0.1:{},127.0.0.1:{},127.0.0.1:{}/mymaster/0",
        port(0),
        port(1),
        port(2)
    );
    assert_eq!(sentinels.url(), url);
    let servers = sentinels.servers();
    assert_eq!(Some(sentinels.master()), servers[0].port());
    assert_eq!(role(&servers[0]), "master");
    assert_eq!(role(&servers[1]), "slave");
}

#[test]
fn a_killed_master_is_replaced_and_comes_back_as_a_replica() {
    let sentinels = RedisSentinels::builder()
        .replicas(2)
        .password("secret")
        .sentinel_password("hidden")
        .start();
    assert!(sentinels.url().starts_with("redis-sentinel://:secret@"));
    let old = sentinels.kill_master();
    let new = sentinels.wait_until_promoted(old);
    assert_ne!(new, old);
    assert_eq!(sentinels.master(), new);
    assert_eq!(role(sentinels.server(new)), "master");
    sentinels.server(old).restart();
    sentinels.wait_until_well();
    assert_eq!(role(sentinels.server(old)), "slave");
}

#[test]
fn a_failover_can_be_asked_for_again_and_again() {
    let sentinels = RedisSentinels::start();
    for _ in 0..2 {
        let before = sentinels.master();
        assert_ne!(sentinels.failover(), before);
        sentinels.wait_until_well();
    }
}

#[test]
fn a_master_that_came_back_as_a_replica_can_be_promoted() {
    let sentinels = RedisSentinels::start();
    let old = sentinels.kill_master();
    sentinels.wait_until_promoted(old);
    sentinels.server(old).restart();
    sentinels.wait_until_well();
    // On a machine that stands still for a second, the sentinels may have promoted it by themselves.
    let before = sentinels.master();
    assert_ne!(sentinels.failover(), before);
}

#[test]
fn two_sentinels_of_three_are_enough() {
    let sentinels = RedisSentinels::start();
    sentinels.pause_sentinel(0);
    let old = sentinels.kill_master();
    let new = sentinels.wait_until_promoted(old);
    sentinels.resume_sentinel(0);
    sentinels.kill_sentinel(1);
    assert_eq!(sentinels.wait_until_promoted(old), new);
    sentinels.restart_sentinel(1);
    assert_eq!(sentinels.wait_until_promoted(old), new);
}
