//! `cargo run --release -p maestro-cache-faults --bin fleet -- 60`: seconds of eight processes that load,
//! invalidate, are killed and stopped, for ours and for others; then loads for each expiry.

#![allow(clippy::print_stdout, clippy::expect_used)]

use std::time::Duration;

use maestro_cache_faults::{Contender, Fleet, Source, Trouble, Worker};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [first, worker] = &arguments[..]
        && first == "worker"
    {
        let worker = Worker::parse(worker).expect("the arguments come from this program");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime starts");
        return runtime.block_on(worker.run());
    }
    let seconds = arguments.first().map_or(60, |text| {
        text.parse().expect("the argument is a number of seconds")
    });
    let program = std::env::current_exe().expect("this program is somewhere");
    let among_writes = Fleet {
        processes: 8,
        time: Duration::from_secs(seconds),
        keys: 50,
        ttl: Duration::from_millis(500),
        writes_of_a_thousand: 20,
        forgotten_of_a_thousand: 0,
        trouble: Trouble::KillsAndStops,
        source: Source::Well,
    };
    for contender in [Contender::Ours, Contender::GetThenSet, Contender::Moka] {
        let fared = among_writes.run(&program, contender, 1);
        println!("{contender:?}, among writes: {fared}");
    }
    let among_outages = Fleet {
        writes_of_a_thousand: 2,
        forgotten_of_a_thousand: 2,
        source: Source::WithOutages,
        ..among_writes
    };
    let serving_old = Contender::OursServingOld(Duration::from_secs(2));
    for contender in [serving_old, Contender::Ours] {
        let fared = among_outages.run(&program, contender, 1);
        println!("{contender:?}, among outages: {fared}");
    }
    let expiring = Fleet {
        keys: 1000,
        ttl: Duration::from_secs(1),
        writes_of_a_thousand: 0,
        trouble: Trouble::None,
        ..among_writes
    };
    for contender in [Contender::Ours, Contender::GetThenSet] {
        let fared = expiring.run(&program, contender, 1);
        let loads = fared.loads as f64 / fared.stored as f64;
        println!("{contender:?}, expiring: {loads:.3} loads for each value stored; {fared}");
    }
}
