//! Whom the memory backend evicts, judged by what it is for: as many hits as moka has.

use maestro_cache_benches::contests;

const WARM_UP: usize = 100_000;
const READS: usize = 300_000;

/// Within a point of a hundred, of 100,000 keys by Zipf's law in a cache of 10,000.
fn hits_as_often_as_moka(contest: &str) {
    let contests = contests();
    let contest = contests.iter().find(|it| it.name() == contest).unwrap();
    let mut rates = contest.contestants().into_iter().map(|mut contestant| {
        contestant.time(WARM_UP);
        let _ = contestant.hit_rate();
        contestant.time(READS);
        100.0 * contestant.hit_rate().unwrap()
    });
    let (ours, mokas) = (rates.next().unwrap(), rates.next().unwrap());
    assert!(
        ours > mokas - 1.0,
        "{ours:.2} of 100, and {mokas:.2} in moka"
    );
}

#[test]
fn least_recently_used_hits_as_often_as_moka() {
    hits_as_often_as_moka("memory/zipf read-through, 1 thread");
}

#[test]
fn tiny_lfu_hits_as_often_as_moka() {
    hits_as_often_as_moka("memory/zipf read-through, TinyLFU, 1 thread");
}
