//! What is asked of Redis: through our handle, and in the same way with another client.

use std::convert::Infallible;
use std::sync::Arc;

use ::redis::{cmd, pipe};
use maestro_cache::{Bytes, Cache};

use super::clients::Client;
use super::commands::{get, set};
use super::tasks::Operation;
use crate::load::{Load, Step};
use crate::values::User;

const ANSWERED: &str = "the server of this measurement answers";

/// Reads a user and decodes it.
#[derive(Clone)]
pub(super) struct GetTyped;

impl Operation for GetTyped {
    async fn ours(&self, cache: &Cache, step: Step<'_>) {
        let user: Option<User> = cache.get(step.name).await.expect(ANSWERED);
        assert!(user.is_some(), "the key was stored");
    }

    async fn theirs(&self, client: &mut Client, step: Step<'_>) {
        let bytes: Vec<u8> = client.ask(&get(step.stored)).await;
        std::hint::black_box(User::decode(&bytes));
    }
}

/// Reads bytes.
#[derive(Clone)]
pub(super) struct GetBytes;

impl Operation for GetBytes {
    async fn ours(&self, cache: &Cache, step: Step<'_>) {
        let bytes = cache.get_bytes(step.name).await.expect(ANSWERED);
        assert!(bytes.is_some(), "the key was stored");
    }

    async fn theirs(&self, client: &mut Client, step: Step<'_>) {
        let _: Vec<u8> = client.ask(&get(step.stored)).await;
    }
}

/// Asks for keys that are not there.
#[derive(Clone)]
pub(super) struct GetMiss;

impl Operation for GetMiss {
    async fn ours(&self, cache: &Cache, step: Step<'_>) {
        let bytes = cache.get_bytes(step.name).await.expect(ANSWERED);
        assert!(bytes.is_none(), "the key was not stored");
    }

    async fn theirs(&self, client: &mut Client, step: Step<'_>) {
        let _: Option<Vec<u8>> = client.ask(&get(step.stored)).await;
    }
}

/// Reads a user that would be loaded if it were not there.
#[derive(Clone)]
pub(super) struct LoadHit;

impl Operation for LoadHit {
    async fn ours(&self, cache: &Cache, step: Step<'_>) {
        let never = || async { Err::<User, _>("the key was stored") };
        let user = cache.get_or_compute(step.name, never).await;
        std::hint::black_box(user.expect(ANSWERED));
    }

    async fn theirs(&self, client: &mut Client, step: Step<'_>) {
        GetTyped.theirs(client, step).await;
    }
}

/// Loads a user that is not there, and removes it again; the others by GET, SET and UNLINK, which protects
/// from nothing.
#[derive(Clone)]
pub(super) struct LoadMiss;

impl Operation for LoadMiss {
    async fn ours(&self, cache: &Cache, step: Step<'_>) {
        let load = || async { Ok::<_, Infallible>(User::new(step.id)) };
        let user = cache.get_or_compute(step.name, load).await;
        std::hint::black_box(user.expect(ANSWERED));
        cache.delete(step.name).await.expect(ANSWERED);
    }

    async fn theirs(&self, client: &mut Client, step: Step<'_>) {
        let found: Option<Vec<u8>> = client.ask(&get(step.stored)).await;
        if found.is_none() {
            let user = User::new(step.id).encode();
            client.ask::<()>(&set(step.stored, &user)).await;
        }
        let _: u64 = client.ask(cmd("UNLINK").arg(step.stored)).await;
    }
}

/// The same for many; the others by MGET, a pipeline of SET, and UNLINK.
#[derive(Clone)]
pub(super) struct LoadManyMisses {
    pub(super) load: Arc<Load>,
    pub(super) count: usize,
}

impl Operation for LoadManyMisses {
    async fn ours(&self, cache: &Cache, step: Step<'_>) {
        let names = || self.load.following(step, self.count).map(|step| step.name);
        let load = |missing: Vec<String>| async {
            let loaded = missing.into_iter().map(|name| (name, User::new(7)));
            Ok::<_, Infallible>(loaded.collect::<Vec<_>>())
        };
        let users = cache.get_or_compute_many(names(), load).await;
        assert_eq!(users.expect(ANSWERED).len(), self.count);
        cache.delete_many(names()).await.expect(ANSWERED);
    }

    async fn theirs(&self, client: &mut Client, step: Step<'_>) {
        let steps = || self.load.following(step, self.count);
        let (mut read, mut remove, mut write) = (cmd("MGET"), cmd("UNLINK"), pipe());
        for step in steps() {
            read.arg(step.stored);
            remove.arg(step.stored);
        }
        let found: Vec<Option<Vec<u8>>> = client.ask(&read).await;
        for (step, found) in steps().zip(found) {
            if found.is_none() {
                let command = set(step.stored, &User::new(7).encode());
                write.add_command(command).ignore();
            }
        }
        client.pipeline::<()>(&write).await;
        let _: u64 = client.ask(&remove).await;
    }
}

/// Encodes a user and writes it.
#[derive(Clone)]
pub(super) struct SetTyped {
    pub(super) user: User,
}

impl Operation for SetTyped {
    async fn ours(&self, cache: &Cache, step: Step<'_>) {
        cache.set(step.name, &self.user).await.expect(ANSWERED);
    }

    async fn theirs(&self, client: &mut Client, step: Step<'_>) {
        let command = set(step.stored, &self.user.encode());
        client.ask::<()>(&command).await;
    }
}

/// Writes bytes.
#[derive(Clone)]
pub(super) struct SetBytes {
    pub(super) bytes: Bytes,
}

impl Operation for SetBytes {
    async fn ours(&self, cache: &Cache, step: Step<'_>) {
        let write = cache.set_bytes(step.name, self.bytes.clone());
        write.await.expect(ANSWERED);
    }

    async fn theirs(&self, client: &mut Client, step: Step<'_>) {
        let command = set(step.stored, &self.bytes);
        client.ask::<()>(&command).await;
    }
}

/// Nineteen reads and a write, typed.
#[derive(Clone)]
pub(super) struct Mixed {
    pub(super) write: SetTyped,
}

impl Mixed {
    const EVERY_TWENTIETH: usize = 20;
}

impl Operation for Mixed {
    async fn ours(&self, cache: &Cache, step: Step<'_>) {
        if step.turn.is_multiple_of(Self::EVERY_TWENTIETH) {
            self.write.ours(cache, step).await;
        } else {
            GetTyped.ours(cache, step).await;
        }
    }

    async fn theirs(&self, client: &mut Client, step: Step<'_>) {
        if step.turn.is_multiple_of(Self::EVERY_TWENTIETH) {
            self.write.theirs(client, step).await;
        } else {
            GetTyped.theirs(client, step).await;
        }
    }
}

/// Reads many users; the others by MGET.
#[derive(Clone)]
pub(super) struct GetMany {
    pub(super) load: Arc<Load>,
    pub(super) count: usize,
}

impl Operation for GetMany {
    async fn ours(&self, cache: &Cache, step: Step<'_>) {
        let names = self.load.following(step, self.count).map(|step| step.name);
        let users = cache.get_many::<User>(names).await.expect(ANSWERED);
        assert_eq!(users.len(), self.count);
    }

    async fn theirs(&self, client: &mut Client, step: Step<'_>) {
        let mut command = cmd("MGET");
        for step in self.load.following(step, self.count) {
            command.arg(step.stored);
        }
        let values: Vec<Vec<u8>> = client.ask(&command).await;
        let users: Vec<_> = values.iter().map(|bytes| User::decode(bytes)).collect();
        std::hint::black_box(users);
    }
}

/// Writes many users; the others by one pipeline, the fastest way they have.
#[derive(Clone)]
pub(super) struct SetMany {
    pub(super) load: Arc<Load>,
    pub(super) count: usize,
    pub(super) user: User,
}

impl Operation for SetMany {
    async fn ours(&self, cache: &Cache, step: Step<'_>) {
        let steps = self.load.following(step, self.count);
        let write = cache.set_many(steps.map(|step| (step.name, &self.user)));
        write.await.expect(ANSWERED);
    }

    async fn theirs(&self, client: &mut Client, step: Step<'_>) {
        let mut commands = pipe();
        for step in self.load.following(step, self.count) {
            let command = set(step.stored, &self.user.encode());
            commands.add_command(command).ignore();
        }
        client.pipeline::<()>(&commands).await;
    }
}

/// Adds one to a counter that expires; the others by INCRBY alone.
#[derive(Clone)]
pub(super) struct Increment;

impl Operation for Increment {
    async fn ours(&self, cache: &Cache, step: Step<'_>) {
        cache.increment(step.name, 1).await.expect(ANSWERED);
    }

    async fn theirs(&self, client: &mut Client, step: Step<'_>) {
        let mut command = cmd("INCRBY");
        command.arg(step.stored).arg(1);
        let _: i64 = client.ask(&command).await;
    }
}
