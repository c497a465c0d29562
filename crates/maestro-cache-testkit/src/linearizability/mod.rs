//! Whether what concurrent tasks saw of one key can be put into one order.
//!
//! `register` is what one key does when calls follow one another, `history` is what was called and
//! answered when, `checker` looks for an order; here threads make histories on a backend.

mod checker;
mod history;
mod register;

use std::sync::atomic::{AtomicUsize, Ordering};

use maestro_cache_core::Cache;
use proptest::collection::vec;
use proptest::prelude::any;
use tokio::runtime::Handle;

use crate::conformance::runtime;
use crate::seed::{Seed, sample};
use crate::{Fixture, Subject};

pub use checker::is_linearizable;
pub use history::{Call, Recorder};
pub use register::{Answer, Operation, Register};

/// Threads that meet at a key, and what each of them does. At most 64 calls in all, which is what
/// the checker takes.
const THREADS: usize = 4;
const CALLS_A_THREAD: usize = 12;

/// How often the same calls are made before others are: what differs is how they meet.
const REPEATS: usize = 10;

/// Lets four threads work on one key at once, round for round, and judges what they saw.
///
/// In each round every thread makes random calls on a fresh key and writes down when each began,
/// when it ended and what it answered. The round is right if all calls can be put into one order in
/// which each takes effect between its begin and its end, and answers as it would alone.
///
/// # Examples
///
/// ```
/// use maestro_cache_testkit::{ModelBackend, check_linearizability};
///
/// check_linearizability(ModelBackend::new, 100);
/// ```
///
/// # Panics
///
/// If there is no such order for a round, which is then shown, or if a call fails.
#[allow(clippy::print_stderr)] // How much was tried is part of what a random test has to say.
pub fn check_linearizability<F: Fixture>(fixture: impl Fn() -> F, rounds: usize) {
    let seed = Seed::new();
    let mut runner = seed.runner();
    // Whether a thread gives way before a call is part of the script: some errors need it.
    let script = vec((any::<bool>(), register::operation()), CALLS_A_THREAD);
    let scripts = vec(script, THREADS);
    let mut overlapping = 0;
    let runtime = runtime();
    let subject = runtime.block_on(async { Subject::new(fixture()) });
    let cache = subject.cache();
    let mut played = Vec::new();
    for round in 0..rounds {
        if round % REPEATS == 0 {
            played = sample(&scripts, &mut runner);
        }
        let history = play(runtime.handle(), &cache, &format!("key-{round}"), &played);
        overlapping += usize::from(history::any_overlap(&history));
        assert!(
            is_linearizable(&history),
            "round {round}: what the threads saw fits no order\n{}\n{seed}",
            history::table(&history)
        );
    }
    // Whether what is left goes now or expires later is no matter here.
    let _ = runtime.block_on(cache.clear_all());
    eprintln!(
        "{rounds} rounds are linearizable, in {overlapping} of them calls overlapped; {seed}"
    );
}

/// Plays one script in each thread, all at the same key, and returns what happened.
///
/// These are threads and not tasks, so that they meet even where every call answers at once.
fn play(
    runtime: &Handle,
    cache: &Cache,
    key: &str,
    scripts: &[Vec<(bool, Operation)>],
) -> Vec<Call> {
    let recorder = Recorder::new();
    let arrived = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for script in scripts {
            let (recorder, arrived) = (&recorder, &arrived);
            scope.spawn(move || {
                arrived.fetch_add(1, Ordering::SeqCst);
                // Wakes from a barrier come one after the other; threads that are awake start
                // together.
                while arrived.load(Ordering::SeqCst) < scripts.len() {
                    std::thread::yield_now();
                }
                runtime.block_on(async {
                    for (gives_way, operation) in script {
                        if *gives_way {
                            std::thread::yield_now();
                        }
                        let begun = recorder.begin();
                        let answer = operation.run(cache, key).await;
                        recorder.end(begun, *operation, answer);
                    }
                });
            });
        }
    });
    recorder.calls()
}
