//! The contests on Redis.

use std::sync::Arc;

use ::redis::cmd;
use maestro_cache::Bytes;

use super::clients::{Client, ClientKind};
use super::operations::{
    GetBytes, GetMany, GetMiss, GetTyped, Increment, LoadHit, LoadManyMisses, LoadMiss, Mixed,
    SetBytes, SetMany, SetTyped,
};
use super::server::setup;
use super::tasks::{Callers, Operation};
use crate::PREFIX;
use crate::contest::{Contest, Contestant};
use crate::load::Load;
use crate::values::{SIZES, User};

const KEYS: usize = 10_000;
const TASKS: [usize; 4] = [1, 16, 64, 256];
/// Where the number of tasks is not the question. One task would measure the scheduler.
const SOME_TASKS: usize = 16;
/// So few that a mebibyte under each takes little room.
const FEW_KEYS: usize = 64;
/// The size of a [`User`].
const STRUCT_BYTES: usize = 88;

/// Every contest of clients of Redis.
#[must_use]
pub fn contests() -> Vec<Contest> {
    let mut contests = Vec::new();
    let mut add = |what: &str, tasks: usize, set_up: fn(usize) -> Vec<Contestant>| {
        let plural = if tasks == 1 { "" } else { "s" };
        let name = format!("redis/{what}, {tasks} task{plural}");
        contests.push(Contest::new(name, move || set_up(tasks)));
    };
    for tasks in TASKS {
        add("get typed", tasks, get_typed);
        add("get bytes", tasks, |tasks| beside(&users(tasks), &GetBytes));
        add("set bytes with TTL", tasks, |tasks| {
            beside(&users(tasks), &set_bytes(STRUCT_BYTES))
        });
    }
    for tasks in [16, 64, 256] {
        add("get bytes, server on its own core", tasks, |tasks| {
            beside(&users(tasks).beside_server(), &GetBytes)
        });
        let what = "set bytes with TTL, server on its own core";
        add(what, tasks, |tasks| {
            beside(&users(tasks).beside_server(), &set_bytes(STRUCT_BYTES))
        });
    }
    for tasks in [16, 64] {
        add("increment with TTL, beside INCRBY", tasks, |tasks| {
            beside(&nothing_stored(tasks), &Increment)
        });
    }
    add("get miss", SOME_TASKS, |tasks| {
        beside(&nothing_stored(tasks), &GetMiss)
    });
    add("mixed 95/5 typed", SOME_TASKS, |tasks| {
        let write = SetTyped { user: User::new(7) };
        beside(&users(tasks), &Mixed { write })
    });
    add("load, hit", SOME_TASKS, load_hit);
    add("load, miss and delete", SOME_TASKS, |tasks| {
        beside(&nothing_stored(tasks), &LoadMiss)
    });
    add("load of 100, miss and delete", 1, |tasks| {
        let callers = nothing_stored(tasks);
        let load = Arc::clone(&callers.load);
        beside(&callers, &LoadManyMisses { load, count: 100 })
    });
    add("get_many of 100", SOME_TASKS, |tasks| {
        let callers = users(tasks);
        let load = Arc::clone(&callers.load);
        beside(&callers, &GetMany { load, count: 100 })
    });
    add("set_many of 100 with TTL", SOME_TASKS, |tasks| {
        let (callers, user) = (users(tasks), User::new(7));
        let load = Arc::clone(&callers.load);
        let count = 100;
        beside(&callers, &SetMany { load, count, user })
    });
    for (label, bytes) in SIZES {
        contests.push(Contest::new(
            format!("redis/get bytes of {label}, {SOME_TASKS} tasks"),
            move || beside(&of_bytes(bytes), &GetBytes),
        ));
        contests.push(Contest::new(
            format!("redis/set bytes of {label} with TTL, {SOME_TASKS} tasks"),
            move || beside(&of_bytes(bytes), &set_bytes(bytes)),
        ));
    }
    contests.push(Contest::new("redis/clear 10,000 of 100,000", clear));
    contests
}

/// With a user under each key.
fn users(tasks: usize) -> Callers {
    let load = Arc::new(Load::uniform(KEYS));
    setup().fill_with_users(&load);
    Callers::new(tasks, &load)
}

fn nothing_stored(tasks: usize) -> Callers {
    setup().flush();
    Callers::new(tasks, &Arc::new(Load::absent(KEYS)))
}

/// With so many bytes under each of a few keys.
fn of_bytes(bytes: usize) -> Callers {
    let load = Arc::new(Load::uniform(FEW_KEYS));
    setup().fill(&load, |_| vec![7; bytes].into());
    Callers::new(SOME_TASKS, &load)
}

fn set_bytes(bytes: usize) -> SetBytes {
    SetBytes {
        bytes: Bytes::from(vec![7; bytes]),
    }
}

fn beside(callers: &Callers, operation: &impl Operation) -> Vec<Contestant> {
    vec![
        callers.ours(operation),
        callers.theirs(ClientKind::Multiplexed, operation),
    ]
}

/// Beside every way to reach Redis, once.
fn get_typed(tasks: usize) -> Vec<Contestant> {
    let callers = users(tasks);
    let mut contestants = beside(&callers, &GetTyped);
    contestants.push(callers.theirs(ClientKind::Manager, &GetTyped));
    contestants.push(callers.theirs(ClientKind::Pool, &GetTyped));
    contestants
}

fn load_hit(tasks: usize) -> Vec<Contestant> {
    let callers = users(tasks);
    vec![
        callers.ours(&LoadHit),
        callers.ours_by_name("maestro-cache, get", &GetTyped),
        callers.theirs(ClientKind::Multiplexed, &LoadHit),
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
    let mut client = setup().client(ClientKind::Multiplexed, &setup().placement);
    vec![
        Contestant::prepared("maestro-cache", fill.clone(), move |()| {
            let removed = setup().block_on(cache.clear("none:*"));
            assert_eq!(removed.expect("the server answers"), CLEARED as u64);
        }),
        Contestant::prepared("SCAN COUNT 100 + DEL", fill, move |()| {
            let removed = setup().block_on(scan_and_delete(&mut client));
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
