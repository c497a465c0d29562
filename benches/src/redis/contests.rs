//! The contests on Redis.

use std::sync::Arc;

use ::redis::cmd;
use maestro_cache::Bytes;

use super::clients::{Client, ClientKind};
use super::operations::{
    GetBytes, GetMany, GetMiss, GetTyped, Increment, IncrementBesideTwoCommands, LoadHit,
    LoadManyMisses, LoadMiss, Mixed, SetBytes, SetMany, SetTyped,
};
use super::raw_socket;
use super::server::setup;
use super::tasks::{Operation, ours, ours_by_name, theirs};
use crate::PREFIX;
use crate::contest::{Contest, Contestant};
use crate::load::Load;
use crate::values::{SIZES, User};

const KEYS: usize = 10_000;
const TASKS: [usize; 4] = [1, 16, 64, 256];
/// Where the number of tasks is not the question. One task would measure the scheduler.
const SOME_TASKS: usize = 16;
const COUNTS: [usize; 4] = [1, 10, 100, 1_000];
/// The size of a [`User`].
const STRUCT_BYTES: usize = 88;

/// Every contest of clients of Redis.
#[must_use]
pub fn contests() -> Vec<Contest> {
    let mut contests = Vec::new();
    for tasks in TASKS {
        let mut add = |what: &str, set_up: fn(usize) -> Vec<Contestant>| {
            let plural = if tasks == 1 { "" } else { "s" };
            let name = format!("redis/{what}, {tasks} task{plural}");
            contests.push(Contest::new(name, move || set_up(tasks)));
        };
        add("get typed", |tasks| beside_all(&GetTyped, tasks));
        add("get bytes", get_bytes);
        add("set typed with TTL", |tasks| {
            beside_all(&set_typed(true), tasks)
        });
        add("set bytes with TTL", |tasks| {
            beside_one(&set_bytes(STRUCT_BYTES), tasks, KEYS)
        });
        add("increment with TTL, beside INCRBY", |tasks| {
            counting(&Increment { has_ttl: true }, tasks)
        });
    }
    let mut add = |what: &str, set_up: fn(usize) -> Vec<Contestant>| {
        let name = format!("redis/{what}, {SOME_TASKS} tasks");
        contests.push(Contest::new(name, move || set_up(SOME_TASKS)));
    };
    add("get miss", get_miss);
    add("set typed", |tasks| {
        beside_one(&set_typed(false), tasks, KEYS)
    });
    add("mixed 95/5 typed", |tasks| {
        let write = set_typed(true);
        beside_one(&Mixed { write }, tasks, KEYS)
    });
    add("increment", |tasks| {
        counting(&Increment { has_ttl: false }, tasks)
    });
    add("increment with TTL, beside INCRBY + EXPIRE NX", |tasks| {
        counting(&IncrementBesideTwoCommands, tasks)
    });
    add("load, hit", load_hit);
    add("load, miss and delete", load_miss);
    for count in [100, 1_000] {
        contests.push(Contest::new(
            format!("redis/load of {count}, miss and delete, 1 task"),
            move || load_many(count),
        ));
    }
    for count in COUNTS {
        contests.push(Contest::new(
            format!("redis/get_many of {count}, {SOME_TASKS} tasks"),
            move || get_many(count),
        ));
        contests.push(Contest::new(
            format!("redis/set_many of {count} with TTL, {SOME_TASKS} tasks"),
            move || set_many(count),
        ));
    }
    for (label, bytes) in SIZES {
        contests.push(Contest::new(
            format!("redis/get bytes of {label}, {SOME_TASKS} tasks"),
            move || get_bytes_of(bytes),
        ));
        contests.push(Contest::new(
            format!("redis/set bytes of {label} with TTL, {SOME_TASKS} tasks"),
            move || beside_one(&set_bytes(bytes), SOME_TASKS, FEW_KEYS),
        ));
    }
    contests.push(Contest::new("redis/clear 10,000 of 100,000", clear));
    contests
}

/// So few that a mebibyte under each takes little room.
const FEW_KEYS: usize = 64;

fn beside_all(operation: &impl Operation, tasks: usize) -> Vec<Contestant> {
    beside(&ClientKind::ALL, operation, tasks, KEYS)
}

fn beside_one(operation: &impl Operation, tasks: usize, keys: usize) -> Vec<Contestant> {
    beside(&[ClientKind::Multiplexed], operation, tasks, keys)
}

fn beside(
    kinds: &[ClientKind],
    operation: &impl Operation,
    tasks: usize,
    keys: usize,
) -> Vec<Contestant> {
    let load = Arc::new(Load::uniform(keys));
    setup().fill_with_users(&load);
    let mut contestants = vec![ours(operation, tasks, &load)];
    for kind in kinds {
        contestants.push(theirs(*kind, operation, tasks, &load));
    }
    contestants
}

fn get_bytes(tasks: usize) -> Vec<Contestant> {
    let mut contestants = beside_all(&GetBytes, tasks);
    let key = format!("{PREFIX}user:7");
    contestants.push(raw_socket::get(&key, STRUCT_BYTES, tasks));
    contestants
}

fn get_bytes_of(bytes: usize) -> Vec<Contestant> {
    let load = Arc::new(Load::uniform(FEW_KEYS));
    setup().fill(&load, |_| vec![7; bytes].into());
    vec![
        ours(&GetBytes, SOME_TASKS, &load),
        theirs(ClientKind::Multiplexed, &GetBytes, SOME_TASKS, &load),
    ]
}

fn get_miss(tasks: usize) -> Vec<Contestant> {
    let load = Arc::new(Load::absent(KEYS));
    vec![
        ours(&GetMiss, tasks, &load),
        theirs(ClientKind::Multiplexed, &GetMiss, tasks, &load),
    ]
}

fn load_hit(tasks: usize) -> Vec<Contestant> {
    let load = Arc::new(Load::uniform(KEYS));
    setup().fill_with_users(&load);
    vec![
        ours(&LoadHit, tasks, &load),
        ours_by_name("maestro-cache, get", &GetTyped, tasks, &load),
        theirs(ClientKind::Multiplexed, &LoadHit, tasks, &load),
    ]
}

fn load_miss(tasks: usize) -> Vec<Contestant> {
    setup().flush();
    let load = Arc::new(Load::absent(KEYS));
    vec![
        ours(&LoadMiss, tasks, &load),
        theirs(ClientKind::Multiplexed, &LoadMiss, tasks, &load),
    ]
}

fn load_many(count: usize) -> Vec<Contestant> {
    setup().flush();
    let load = Arc::new(Load::absent(KEYS));
    let operation = LoadManyMisses {
        load: Arc::clone(&load),
        count,
    };
    vec![
        ours(&operation, 1, &load),
        theirs(ClientKind::Multiplexed, &operation, 1, &load),
    ]
}

fn set_typed(has_ttl: bool) -> SetTyped {
    let user = User::new(7);
    SetTyped { user, has_ttl }
}

fn set_bytes(bytes: usize) -> SetBytes {
    SetBytes {
        bytes: Bytes::from(vec![7; bytes]),
        has_ttl: true,
    }
}

/// On counters instead of users.
fn counting(operation: &impl Operation, tasks: usize) -> Vec<Contestant> {
    let load = Arc::new(Load::uniform(KEYS));
    setup().flush();
    vec![
        ours(operation, tasks, &load),
        theirs(ClientKind::Multiplexed, operation, tasks, &load),
    ]
}

fn get_many(count: usize) -> Vec<Contestant> {
    let load = Arc::new(Load::uniform(KEYS));
    setup().fill_with_users(&load);
    let operation = GetMany {
        load: Arc::clone(&load),
        count,
    };
    vec![
        ours(&operation, SOME_TASKS, &load),
        theirs(ClientKind::Multiplexed, &operation, SOME_TASKS, &load),
    ]
}

fn set_many(count: usize) -> Vec<Contestant> {
    let load = Arc::new(Load::uniform(KEYS));
    setup().flush();
    let operation = SetMany {
        load: Arc::clone(&load),
        count,
        user: User::new(7),
    };
    vec![
        ours(&operation, SOME_TASKS, &load),
        theirs(ClientKind::Multiplexed, &operation, SOME_TASKS, &load),
    ]
}

/// By a pattern, beside what most programs do: SCAN with a COUNT of 100, and DEL.
fn clear() -> Vec<Contestant> {
    const KEPT: usize = 90_000;
    const CLEARED: usize = 10_000;
    let kept = Load::uniform(KEPT);
    setup().fill_with_users(&kept);
    let cleared = Arc::new(Load::absent(CLEARED));
    let fill = move || setup().add(&cleared, |id| User::new(id).encode().into());
    let cache = setup().ours();
    let mut client = setup().client(ClientKind::Multiplexed);
    vec![
        Contestant::prepared("maestro-cache", fill.clone(), move |()| {
            let removed = setup().runtime.block_on(cache.clear("none:*"));
            assert_eq!(removed.expect("the server answers"), CLEARED as u64);
        }),
        Contestant::prepared("SCAN COUNT 100 + DEL", fill, move |()| {
            let removed = setup().runtime.block_on(scan_and_delete(&mut client));
            assert_eq!(removed, CLEARED as u64);
        }),
    ]
}

async fn scan_and_delete(client: &mut Client) -> u64 {
    let mut removed = 0;
    let mut cursor = 0_u64;
    loop {
        let mut scan = cmd("SCAN");
        scan.arg(cursor).arg("MATCH").arg(format!("{PREFIX}none:*"));
        let (next, keys): (u64, Vec<String>) = client.ask(scan.arg("COUNT").arg(100)).await;
        if !keys.is_empty() {
            removed += client.ask::<u64>(cmd("DEL").arg(keys)).await;
        }
        cursor = next;
        if cursor == 0 {
            return removed;
        }
    }
}
