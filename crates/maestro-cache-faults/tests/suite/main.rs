//! What `docs/reliability.md` promises, on real servers in trouble.

// A test fails by panicking, and so does what it is built from.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout
)]

use std::time::Duration;

use maestro_cache_faults::{Client, Contender, Fleet, Report, Source, Trouble, scenarios};
use maestro_cache_testkit::Fault;

const MILLIS: fn(u64) -> Duration = Duration::from_millis;
const SECONDS: fn(u64) -> Duration = Duration::from_secs;
const DEADLINE: Duration = Duration::from_secs(1);

/// What holds whatever goes wrong, and when calls succeed again.
fn judge(report: &Report, served_within: Duration) {
    println!("{report}");
    let longest = report.longest();
    assert!(longest < DEADLINE + SECONDS(1), "a call took {longest:?}");
    assert_eq!(report.hanging, 0, "calls never came back");
    assert!(report.wrong.is_empty(), "{:?}", report.wrong);
    assert!(
        report.counted_twice.is_empty(),
        "{:?}",
        report.counted_twice
    );
    assert!(
        report.connections <= 2,
        "{} connections",
        report.connections
    );
    assert_eq!(report.connections_left, 0, "connections that nobody has");
    if let Some((_, took)) = &report.health {
        assert!(*took < DEADLINE + SECONDS(1), "health_check took {took:?}");
    }
    let recovered = report.recovered_after();
    assert!(
        recovered.is_some_and(|after| after <= served_within),
        "served again after {recovered:?}, which should be {served_within:?}"
    );
}

/// What holds where no data is lost either.
fn judge_all(report: &Report, served_within: Duration) {
    judge(report, served_within);
    assert_eq!(report.lost, 0, "acknowledged values are missing");
    assert!(
        report.counted_too_little.is_empty(),
        "{:?}",
        report.counted_too_little
    );
}

fn only_kinds(report: &Report, kinds: &[&str]) {
    let failures = report.failures_during();
    assert!(
        failures.keys().all(|kind| kinds.contains(&kind.as_str())),
        "{failures:?}"
    );
}

fn is_unhealthy(report: &Report) {
    let (kind, _) = report.health.as_ref().expect("the health was asked for");
    assert!(kind.is_some(), "the health is said to be fine");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_back_after_two_seconds() {
    let report = scenarios::killed(Client::Maestro, SECONDS(2)).await;
    judge(&report, SECONDS(2));
    only_kinds(&report, &["Unavailable"]);
    is_unhealthy(&report);
    let p99 = report.p99_during(MILLIS(200));
    assert!(p99 <= MILLIS(50), "p99 was {p99:?} with the breaker open");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_back_after_half_a_minute() {
    let report = scenarios::killed(Client::Maestro, SECONDS(30)).await;
    judge(&report, SECONDS(6));
    is_unhealthy(&report);
    let p99 = report.p99_during(MILLIS(200));
    assert!(p99 <= MILLIS(50), "p99 was {p99:?} with the breaker open");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frozen_for_ten_seconds() {
    let report = scenarios::frozen(Client::Maestro, SECONDS(10)).await;
    judge_all(&report, SECONDS(2));
    only_kinds(&report, &["Timeout", "Unavailable"]);
    is_unhealthy(&report);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reset_in_the_middle_of_a_reply() {
    let fault = Fault::ResetMidReply { after_bytes: 150 };
    let (report, _) = scenarios::network(Client::Maestro, fault, MILLIS(200)).await;
    judge_all(&report, SECONDS(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn greetings_cut_short() {
    let fault = Fault::TruncateHandshake { bytes: 20 };
    let (report, _) = scenarios::network(Client::Maestro, fault, MILLIS(200)).await;
    judge_all(&report, SECONDS(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_open() {
    let report = scenarios::half_open(Client::Maestro).await;
    judge_all(&report, SECONDS(3));
    assert_eq!(report.failed_reads(), 0, "reads are asked again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_open_for_everyone() {
    let (report, _) = scenarios::network(Client::Maestro, Fault::SwallowAll, SECONDS(5)).await;
    judge_all(&report, SECONDS(3));
    is_unhealthy(&report);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_black_hole() {
    let (report, _) = scenarios::network(Client::Maestro, Fault::BlackHole, SECONDS(8)).await;
    judge_all(&report, SECONDS(3));
    is_unhealthy(&report);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_but_below_the_deadline() {
    let fault = Fault::DelayAnswers(MILLIS(300));
    let (report, _) = scenarios::network(Client::Maestro, fault, SECONDS(4)).await;
    judge_all(&report, Duration::ZERO);
    assert_eq!(report.failures(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slower_than_the_deadline() {
    let fault = Fault::DelayAnswers(MILLIS(1500));
    let (report, connects) = scenarios::network(Client::Maestro, fault, SECONDS(5)).await;
    judge_all(&report, SECONDS(1));
    assert!(connects <= 5, "{connects} connections in 5 seconds");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_closed_by_the_server() {
    let report = scenarios::client_kill(Client::Maestro).await;
    judge_all(&report, SECONDS(1));
    assert_eq!(report.failed_reads(), 0, "reads are asked again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_at_first() {
    let report = scenarios::down_at_start(Client::Maestro, SECONDS(3)).await;
    judge(&report, SECONDS(6));
    only_kinds(&report, &["Unavailable"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_password_for_twenty_seconds() {
    let (report, refused) = scenarios::password_changed(Client::Maestro, SECONDS(20)).await;
    judge_all(&report, SECONDS(6));
    is_unhealthy(&report);
    assert!(refused <= 40, "{refused} attempts in 20 seconds");
    let failures = report.failures_during();
    assert!(failures.contains_key("Authentication"), "{failures:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_for_two_seconds() {
    let report = scenarios::read_only(Client::Maestro, SECONDS(2)).await;
    judge(&report, SECONDS(2));
    only_kinds(&report, &["NotWritable"]);
    assert_eq!(report.failed_reads(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_moves_to_another_master() {
    let report = scenarios::address_moved(Client::Maestro).await;
    judge(&report, SECONDS(2));
    only_kinds(&report, &["NotWritable", "Loading"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn out_of_memory_for_two_seconds() {
    let report = scenarios::out_of_memory(Client::Maestro, SECONDS(2)).await;
    judge_all(&report, SECONDS(2));
    only_kinds(&report, &["OutOfMemory"]);
    assert_eq!(report.failed_reads(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_right_to_write_for_two_seconds() {
    let (report, is_kept) = scenarios::not_permitted(Client::Maestro, SECONDS(2)).await;
    judge_all(&report, MILLIS(100));
    only_kinds(&report, &["PermissionDenied"]);
    assert_eq!(report.failed_reads(), 0);
    assert!(is_kept, "a refusal takes no connection away");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_right_to_the_database() {
    let report = scenarios::database_not_permitted(Client::Maestro, SECONDS(5)).await;
    judge_all(&report, SECONDS(6));
    only_kinds(&report, &["PermissionDenied"]);
    is_unhealthy(&report);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_many_clients_for_three_seconds() {
    let report = scenarios::too_many_clients(Client::Maestro, SECONDS(3)).await;
    judge_all(&report, SECONDS(2));
    only_kinds(&report, &["Unavailable"]);
    is_unhealthy(&report);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_certificate_for_five_seconds() {
    let (report, connects) = scenarios::certificate_expired(Client::Maestro, SECONDS(5)).await;
    judge(&report, SECONDS(6));
    only_kinds(&report, &["Tls", "Unavailable"]);
    assert!(report.failures_during().contains_key("Tls"));
    is_unhealthy(&report);
    assert!(connects <= 40, "{connects} connections in 5 seconds");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_set_that_is_being_read() {
    let report = scenarios::loading(Client::Maestro, SECONDS(4)).await;
    judge_all(&report, SECONDS(2));
    only_kinds(&report, &["Loading"]);
    is_unhealthy(&report);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_value_among_small_ones() {
    let report = scenarios::large_value(Client::Maestro).await;
    judge_all(&report, SECONDS(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_of_a_cluster_killed() {
    let report = scenarios::cluster_master(Client::Maestro, false).await;
    judge(&report, SECONDS(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_of_a_cluster_frozen() {
    let report = scenarios::cluster_master(Client::Maestro, true).await;
    judge(&report, SECONDS(3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slots_that_move() {
    let report = scenarios::resharding(Client::Maestro, 1500).await;
    judge_all(&report, Duration::ZERO);
    assert_eq!(report.failures(), 0, "{:?}", report.failures_during());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_master_by_the_sentinels() {
    let report = scenarios::sentinel_failover(Client::Maestro, false).await;
    judge(&report, SECONDS(2));
    assert_eq!(report.failed_reads(), 0, "reads are asked again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_master_killed_behind_sentinels() {
    let report = scenarios::sentinel_failover(Client::Maestro, true).await;
    judge(&report, SECONDS(2));
}

/// Eight processes, one database, writes that invalidate, and processes that are killed and stopped.
#[test]
fn a_fleet_is_never_told_what_was_invalidated() {
    let fleet = Fleet {
        processes: 8,
        time: SECONDS(12),
        keys: 50,
        ttl: MILLIS(500),
        writes_of_a_thousand: 20,
        forgotten_of_a_thousand: 0,
        trouble: Trouble::KillsAndStops,
        source: Source::Well,
    };
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_fleet"));
    let fared = fleet.run(program, Contender::Ours, 1);
    println!("{fared}");
    assert_eq!(fared.stale, 0, "{fared}");
    assert!(fared.reads > 1000 && fared.invalidations > 20, "{fared}");
    // What the check of a history finds where there is something to find.
    let short = Fleet {
        time: SECONDS(4),
        ..fleet
    };
    let fared = short.run(program, Contender::Moka, 1);
    assert!(fared.stale > 0, "{fared}");
}

/// The same while the database fails for six seconds of eight, and some writers forget to invalidate: what
/// they wrote over is served for as long as the policy says, and what was invalidated never is.
#[test]
fn a_fleet_serves_old_values_within_their_windows() {
    let old = SECONDS(1);
    let fleet = Fleet {
        processes: 8,
        time: SECONDS(12),
        keys: 50,
        ttl: MILLIS(500),
        writes_of_a_thousand: 2,
        forgotten_of_a_thousand: 10,
        trouble: Trouble::KillsAndStops,
        source: Source::WithOutages,
    };
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_fleet"));
    // Whether a reader comes across what was written over just before an outage is a matter of chance.
    for seed in 1..=5 {
        let fared = fleet.run(program, Contender::OursServingOld(old), seed);
        println!("{fared}");
        assert_eq!(fared.stale, 0, "{fared}");
        // A load that had read the version before may be under way for as long as a claim lives.
        assert!(fared.oldest < fleet.ttl + old + SECONDS(3), "{fared}");
        if fared.oldest > fleet.ttl && fared.failed > 0 && fared.invalidations > 20 {
            return;
        }
    }
    panic!("nothing old was served in any of the runs");
}
