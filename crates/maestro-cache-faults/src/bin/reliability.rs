//! `cargo run --release -p maestro-cache-faults --bin reliability [part of a fault's name]`: the table
//! of `docs/reliability.md`, or some rows of it, measured now.

#![allow(clippy::print_stdout)]

use std::time::Duration;

use maestro_cache_faults::{Client, Report, scenarios};
use maestro_cache_testkit::Fault;

const MILLIS: fn(u64) -> Duration = Duration::from_millis;
const SECONDS: fn(u64) -> Duration = Duration::from_secs;

#[tokio::main]
async fn main() {
    println!(
        "| fault | client | failures during | p99 during | longest call | calls fail until, after heal | wrong values | counted twice | hanging tasks |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for client in Client::ALL {
        row(
            "killed, back after 2 s",
            client,
            scenarios::killed(client, SECONDS(2)),
        )
        .await;
    }
    for client in Client::ALL {
        row(
            "killed, back after 30 s",
            client,
            scenarios::killed(client, SECONDS(30)),
        )
        .await;
    }
    for client in Client::ALL {
        row(
            "frozen for 10 s",
            client,
            scenarios::frozen(client, SECONDS(10)),
        )
        .await;
    }
    let faults = [
        (
            "reset in mid-reply, 200 ms",
            Fault::ResetMidReply { after_bytes: 150 },
            MILLIS(200),
        ),
        (
            "greeting cut short, 200 ms",
            Fault::TruncateHandshake { bytes: 20 },
            MILLIS(200),
        ),
        ("half-open for everyone, 5 s", Fault::SwallowAll, SECONDS(5)),
        ("black hole, 8 s", Fault::BlackHole, SECONDS(8)),
        (
            "answers 300 ms late, 4 s",
            Fault::DelayAnswers(MILLIS(300)),
            SECONDS(4),
        ),
        (
            "answers 1.5 s late, 5 s",
            Fault::DelayAnswers(MILLIS(1500)),
            SECONDS(5),
        ),
    ];
    for (name, fault, time) in faults {
        for client in Client::ALL {
            row(name, client, async {
                scenarios::network(client, fault, time).await.0
            })
            .await;
        }
    }
    for client in Client::ALL {
        row(
            "old links swallow, never healed",
            client,
            scenarios::half_open(client),
        )
        .await;
    }
    for client in Client::ALL {
        row(
            "CLIENT KILL, 5 times",
            client,
            scenarios::client_kill(client),
        )
        .await;
    }
    for client in Client::ALL {
        row(
            "refused at start, up after 3 s",
            client,
            scenarios::down_at_start(client, SECONDS(3)),
        )
        .await;
    }
    for client in Client::ALL {
        row("another password for 20 s", client, async {
            scenarios::password_changed(client, SECONDS(20)).await.0
        })
        .await;
    }
    for client in Client::ALL {
        row(
            "replica for 2 s",
            client,
            scenarios::read_only(client, SECONDS(2)),
        )
        .await;
    }
    for client in Client::ALL {
        row(
            "address moved to another master",
            client,
            scenarios::address_moved(client),
        )
        .await;
    }
    for client in Client::ALL {
        row(
            "out of memory for 2 s",
            client,
            scenarios::out_of_memory(client, SECONDS(2)),
        )
        .await;
    }
    for client in Client::ALL {
        row("no right to SET for 2 s", client, async {
            scenarios::not_permitted(client, SECONDS(2)).await.0
        })
        .await;
    }
    for client in Client::ALL {
        row(
            "no right to SELECT for 5 s",
            client,
            scenarios::database_not_permitted(client, SECONDS(5)),
        )
        .await;
    }
    for client in Client::ALL {
        row(
            "too many clients for 3 s",
            client,
            scenarios::too_many_clients(client, SECONDS(3)),
        )
        .await;
    }
    for client in Client::ALL {
        row(
            "data set being read for 4 s",
            client,
            scenarios::loading(client, SECONDS(4)),
        )
        .await;
    }
    for client in Client::ALL {
        row(
            "64 MB among small values",
            client,
            scenarios::large_value(client),
        )
        .await;
    }
    let client = Client::Maestro;
    row("expired certificate for 5 s", client, async {
        scenarios::certificate_expired(client, SECONDS(5)).await.0
    })
    .await;
    row(
        "cluster: master killed",
        client,
        scenarios::cluster_master(client, false),
    )
    .await;
    row(
        "cluster: master frozen",
        client,
        scenarios::cluster_master(client, true),
    )
    .await;
    row(
        "cluster: 1500 slots moved",
        client,
        scenarios::resharding(client, 1500),
    )
    .await;
    row(
        "sentinels: asked to fail over",
        client,
        scenarios::sentinel_failover(client, false),
    )
    .await;
    row(
        "sentinels: master killed",
        client,
        scenarios::sentinel_failover(client, true),
    )
    .await;
}

/// Measures, if the fault is asked for.
async fn row(fault: &str, client: Client, scenario: impl Future<Output = Report>) {
    let asked_for = std::env::args().nth(1).unwrap_or_default();
    if fault.contains(&asked_for) {
        println!("| {fault} | {} | {} |", client.name(), scenario.await);
    }
}
