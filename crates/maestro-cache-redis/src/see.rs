//! Operations that are one plain command where no load has to do with the key, and are asked again
//! where one has.

use std::sync::Arc;

use bytes::Bytes;
#[cfg(feature = "cluster")]
use futures_util::future::join_all;
use maestro_cache_core::{
    Claim, ClaimOver, ClaimRequest, Error, ErrorKind, Expiry, LookFor, Lookup, Outcome, Result,
    Value,
};

use crate::call::{Deadline, Intent};
#[cfg(feature = "cluster")]
use crate::cluster::in_order;
use crate::commands;
use crate::deployment::{Deployment, Slot};
use crate::each::answers;
use crate::found::{Found, Probe, at_a_glance, claimed, looked_for, removed, taken};
use crate::mark;
use crate::reply::Reply;
use crate::request::{Coalescible, HEAVY_BYTES, Request, Weight};
use crate::scripts::{self, Increment, MOST_KEYS, ScriptCall};

impl Deployment {
    pub(crate) async fn get(
        &self,
        slot: Slot,
        deadline: Deadline,
        key: &Arc<str>,
    ) -> Result<Option<Value>> {
        match self.get_marked(slot, deadline, key).await? {
            Some(value) if mark::is_on(value.bytes()) => {
                let found = Box::pin(self.find(slot, deadline, key)).await?;
                Ok(found.into_live())
            }
            value => Ok(value),
        }
    }

    /// Whether the key is live, and for how long.
    pub(crate) async fn probe(&self, slot: Slot, deadline: Deadline, key: &str) -> Result<Probe> {
        let request = Request::several(commands::is_live(key), Weight::Light);
        let reply = self.call(slot, deadline, Intent::Read, &request).await?;
        let [left, end] = reply.parts()?;
        Probe::read(left, end)
    }

    /// Removes the value and returns it if it was live.
    pub(crate) async fn take(
        &self,
        slot: Slot,
        deadline: Deadline,
        key: &str,
    ) -> Result<Option<Value>> {
        let request = Request::several(commands::take(key), Weight::Light);
        let reply = self.call(slot, deadline, Intent::Write, &request).await?;
        let outcome_unclear = reply.outcome_unclear();
        let [left, value] = reply.parts()?;
        let value = value.value()?.map(Value::into_bytes);
        let left = left.integer();
        let left = left.map_err(|error| error.with_outcome(outcome_unclear))?;
        Ok(taken(left, value))
    }

    /// Removes the keys from one server, and counts those that were live. None is there twice.
    pub(crate) async fn delete(&self, deadline: Deadline, keys: &[&str]) -> Result<u64> {
        let mut count = 0;
        for keys in keys.chunks(MOST_KEYS) {
            let weight = if keys.len() > 1 {
                Weight::Heavy
            } else {
                Weight::Light
            };
            let request = Request::several(commands::delete(keys), weight);
            let reply = self
                .call(Slot::ANY, deadline, Intent::Write, &request)
                .await;
            match reply.and_then(|reply| removed(reply, keys.len())) {
                Ok(removed) => count += removed,
                // A part is gone already, whatever became of the rest.
                Err(error) if count > 0 => return Err(error.with_outcome(Outcome::Unknown)),
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }

    /// Tells a live value when it is gone. A loaded one becomes a plain one, which takes a second message.
    pub(crate) async fn set_expiry(
        &self,
        slot: Slot,
        deadline: Deadline,
        key: &str,
        expiry: Expiry,
    ) -> Result<bool> {
        let request = Request::several(commands::set_expiry(key, expiry), Weight::Light);
        let reply = self.call(slot, deadline, Intent::Write, &request).await?;
        let [left, end, told] = reply.parts()?;
        let was_told = told.yes()?;
        let unclear = |error: Error| error.with_outcome(Outcome::Unknown);
        let probe = Probe::read(left, end).map_err(unclear)?;
        let Some(mark) = probe.mark() else {
            return Ok(was_told);
        };
        let is_live = probe.is_live();
        if is_live && !was_told {
            // It had no expiry to be removed.
            return Ok(false);
        }
        let finish = scripts::finish_expiry(key, mark, is_live, expiry);
        let reply = self.run(slot, deadline, Intent::Write, &finish).await;
        reply.and_then(Reply::yes).map_err(unclear)?;
        Ok(is_live)
    }

    pub(crate) async fn look_up(
        &self,
        slot: Slot,
        deadline: Deadline,
        key: &Arc<str>,
        look_for: LookFor,
    ) -> Result<Lookup> {
        let glance = match (self, look_for) {
            (_, LookFor::Fresh) => match self.get_marked(slot, deadline, key).await? {
                Some(value) if mark::is_on(value.bytes()) => None,
                value => Some(plain(value)),
            },
            (Self::Server(server), LookFor::FreshOrStale) => {
                let (left, value) = server.look(deadline, key).await?;
                at_a_glance(left.integer()?, value.value()?.map(Value::into_bytes))
            }
            // What is redirected goes as one command.
            #[cfg(feature = "cluster")]
            (Self::Cluster(_), LookFor::FreshOrStale) => None,
        };
        match glance {
            Some(lookup) => Ok(lookup),
            None => {
                let found = Box::pin(self.find(slot, deadline, key)).await?;
                Ok(looked_for(look_for, found.into_lookup()))
            }
        }
    }

    /// What the key holds, with a mark if it has one.
    #[cfg_attr(not(feature = "cluster"), allow(unused_variables))] // One server has no slots.
    async fn get_marked(
        &self,
        slot: Slot,
        deadline: Deadline,
        key: &Arc<str>,
    ) -> Result<Option<Value>> {
        let reply = match self {
            Self::Server(server) => server.get(deadline, Arc::clone(key)).await?,
            // Each goes on its own, since the keys of a batch would have to be of one slot.
            #[cfg(feature = "cluster")]
            Self::Cluster(_) => {
                let get = commands::keyed("GET", key).into();
                self.call(slot, deadline, Intent::Read, &get).await?
            }
        };
        reply.value()
    }

    /// All that is to be known of the key, at one instant.
    async fn find(&self, slot: Slot, deadline: Deadline, key: &str) -> Result<Found> {
        let is_large = match self {
            Self::Server(server) => server.large().holds(key),
            #[cfg(feature = "cluster")]
            Self::Cluster(_) => false,
        };
        let look_up = scripts::look_up(&[key]).heavy_if(is_large);
        let reply = self.run(slot, deadline, Intent::Read, &look_up).await?;
        let [found] = reply.parts()?;
        Found::read(found)
    }

    /// What is live of the keys, of which there is at least one, and who is at the others. What becomes of a
    /// node of a cluster is nothing to the keys of the others, also if it takes all the time that there is.
    pub(crate) async fn find_live(&self, deadline: Deadline, keys: &[&str]) -> Vec<Result<Lookup>> {
        #[cfg(feature = "cluster")]
        if let Self::Cluster(cluster) = self {
            let slots: Vec<Slot> = keys.iter().map(|key| self.slot(key.as_bytes())).collect();
            let by_node = cluster.by_node(deadline, &slots).await;
            let asked = by_node.of_nodes.into_iter().map(|(_, places)| async move {
                let keys: Vec<&str> = places
                    .iter()
                    .filter_map(|at| keys.get(*at).copied())
                    .collect();
                let found = self.find_live_together(deadline, &keys).await;
                places.into_iter().zip(found)
            });
            let known = join_all(asked).await.into_iter().flatten();
            let unknown = by_node.of_nobody.into_iter();
            let found = known.chain(unknown.map(|(at, error)| (at, Err(error))));
            return in_order(found.collect());
        }
        self.find_live_together(deadline, keys).await
    }

    /// The same for keys that are asked for in one message, and once more for those that have a mark.
    async fn find_live_together(&self, deadline: Deadline, keys: &[&str]) -> Vec<Result<Lookup>> {
        let replies = self.get_many_marked(deadline, keys).await.into_iter();
        let found = replies.map(|reply| reply.and_then(plain_or_missing));
        self.see_through(deadline, keys, found.collect()).await
    }

    /// What each of the keys holds, with a mark if it has one.
    async fn get_many_marked(&self, deadline: Deadline, keys: &[&str]) -> Vec<Result<Reply>> {
        #[cfg(feature = "cluster")]
        if let Self::Cluster(cluster) = self {
            let gets = keys
                .iter()
                .map(|key| {
                    let get = Request::from(commands::keyed("GET", key));
                    (self.slot(key.as_bytes()), get)
                })
                .collect();
            return cluster.read_each(deadline, gets).await;
        }
        let get = commands::over_keys("MGET", keys).into();
        let reply = self.call(Slot::ANY, deadline, Intent::Read, &get).await;
        each_of(reply, keys.len())
    }

    /// Leaves what it means in place of what has a mark, of what was read for these keys.
    async fn see_through(
        &self,
        deadline: Deadline,
        keys: &[&str],
        mut found: Vec<Result<Lookup>>,
    ) -> Vec<Result<Lookup>> {
        let is_marked = |found: &Result<Lookup>| match found {
            Ok(Lookup::Fresh { value, .. }) => mark::is_on(value.bytes()),
            _ => false,
        };
        let marked: Vec<(usize, &str)> = (0..)
            .zip(keys)
            .zip(&found)
            .filter_map(|((place, key), found)| is_marked(found).then_some((place, *key)))
            .collect();
        for marked in marked.chunks(MOST_KEYS) {
            let keys: Vec<&str> = marked.iter().map(|(_, key)| *key).collect();
            let replies = Box::pin(self.find_many(deadline, &keys)).await;
            for ((place, _), reply) in marked.iter().zip(replies) {
                if let Some(found) = found.get_mut(*place) {
                    *found = reply.and_then(fresh_or_missing);
                }
            }
        }
        found
    }

    /// What is found under each of the keys.
    async fn find_many(&self, deadline: Deadline, keys: &[&str]) -> Vec<Result<Reply>> {
        #[cfg(feature = "cluster")]
        if let Self::Cluster(cluster) = self {
            let calls = keys
                .iter()
                .map(|key| (self.slot(key.as_bytes()), scripts::look_up(&[key])))
                .collect();
            let replies = cluster.read_each(deadline, calls).await.into_iter();
            let found = replies.map(|reply| reply?.parts().map(|[found]| found));
            return found.collect();
        }
        let look_up = scripts::look_up(keys).heavy_if(true);
        let reply = self.run(Slot::ANY, deadline, Intent::Read, &look_up).await;
        each_of(reply, keys.len())
    }

    /// Stores the value where there is no live one.
    pub(crate) async fn add(
        &self,
        slot: Slot,
        deadline: Deadline,
        key: &str,
        value: &Bytes,
        expiry: Expiry,
    ) -> Result<bool> {
        let add = Request::several(commands::add(key, value, expiry), weight_of(value));
        let reply = self.call(slot, deadline, Intent::Write, &add).await?;
        let [end, was_set] = reply.parts()?;
        if was_set.was_set()? {
            return Ok(true);
        }
        match end.value() {
            Ok(Some(end)) if !end.bytes().is_empty() && !mark::is_on(end.bytes()) => Ok(false),
            Err(error) if error.kind() == ErrorKind::WrongType => Ok(false),
            // What is there may be a claim, or stale.
            _ => {
                let add = scripts::add(key, value, expiry);
                let reply = self.run(slot, deadline, Intent::Write, &add).await?;
                reply.yes()
            }
        }
    }

    /// Claims the key, so that its value can be loaded.
    pub(crate) async fn claim(
        &self,
        slot: Slot,
        deadline: Deadline,
        request: ClaimRequest,
    ) -> Result<Claim> {
        if matches!(request.over, ClaimOver::Gap) {
            // Mostly there is nothing, which is what the script would do then.
            let claim = commands::claim(&request.key, request.token).into();
            let reply = self.call(slot, deadline, Intent::Write, &claim).await?;
            if reply.was_set()? {
                return Ok(Claim::Granted);
            }
        }
        let claim = scripts::claim(&[request]);
        let reply = Box::pin(self.run(slot, deadline, Intent::Write, &claim)).await?;
        claimed(reply)
    }

    /// Adds to a counter that is created without an expiry.
    pub(crate) async fn increment(
        &self,
        slot: Slot,
        deadline: Deadline,
        key: &str,
        by: i64,
    ) -> Result<i64> {
        let increment = commands::increment(key, by).into();
        let reply = self.call(slot, deadline, Intent::Write, &increment).await?;
        match reply.integer() {
            // A refusal did nothing. It may be a mark that is no integer.
            Err(error) if error.kind() == ErrorKind::NotAnInteger => {
                let increment = Increment {
                    key: key.into(),
                    by,
                    millis: None,
                };
                let script = scripts::increment(&[&increment]);
                let reply = self.run(slot, deadline, Intent::Write, &script).await?;
                reply.integer()
            }
            sum => sum,
        }
    }

    /// Adds to a counter that is created with an expiry.
    pub(crate) async fn increment_or_create(
        &self,
        slot: Slot,
        deadline: Deadline,
        increment: Arc<Increment>,
    ) -> Result<i64> {
        let script = || scripts::increment(&[&increment]);
        let request = match self {
            Self::Server(_) => Coalescible::Increment(Arc::clone(&increment)).into(),
            #[cfg(feature = "cluster")]
            Self::Cluster(_) => script().request(false),
        };
        let mut reply = self.call(slot, deadline, Intent::Write, &request).await?;
        if reply.is_unknown_script() {
            let in_full = script().request(true);
            reply = self.call(slot, deadline, Intent::Write, &in_full).await?;
        }
        match (reply.integer(), increment.millis) {
            // A user without scripts. What is there may be a loaded value, which this refuses.
            (Err(error), Some(millis)) if error.kind() == ErrorKind::PermissionDenied => {
                let commands = commands::create_and_increment(&increment.key, increment.by, millis);
                let request = Request::several(commands, Weight::Light);
                let reply = self.call(slot, deadline, Intent::Write, &request).await?;
                let [_, sum] = reply.parts()?;
                sum.integer()
            }
            (sum, _) => sum,
        }
    }

    /// Sends a call of a script, and sends it in full if the server has to be told the script.
    pub(crate) async fn run(
        &self,
        slot: Slot,
        deadline: Deadline,
        intent: Intent,
        script: &ScriptCall,
    ) -> Result<Reply> {
        let by_digest = script.request(false);
        let reply = self.call(slot, deadline, intent, &by_digest).await?;
        if !reply.is_unknown_script() {
            return Ok(reply);
        }
        // A refusal like this did nothing, so asking again is no second time.
        let in_full = script.request(true);
        self.call(slot, deadline, intent, &in_full).await
    }
}

/// What a request with this value is like for others.
fn weight_of(value: &Bytes) -> Weight {
    if value.len() < HEAVY_BYTES {
        Weight::Light
    } else {
        Weight::Heavy
    }
}

/// The answers about so many keys, or what went wrong for each of them.
fn each_of(reply: Result<Reply>, count: usize) -> Vec<Result<Reply>> {
    answers(count, reply.and_then(|reply| reply.many_of(count)), Ok)
}

/// What a key holds that has no mark: a live value, or nothing, which nobody is at.
fn plain(value: Option<Value>) -> Lookup {
    match value {
        Some(value) => Lookup::Fresh { value, age: None },
        None => Lookup::Missing { held: None },
    }
}

fn plain_or_missing(reply: Reply) -> Result<Lookup> {
    or_missing(reply.value().map(plain))
}

fn fresh_or_missing(reply: Reply) -> Result<Lookup> {
    let found = Found::read(reply).map(Found::into_lookup);
    or_missing(found.map(|found| looked_for(LookFor::Fresh, found)))
}

/// What holds another type is missing, as with `MGET`.
fn or_missing(found: Result<Lookup>) -> Result<Lookup> {
    match found {
        Err(error) if error.kind() == ErrorKind::WrongType => Ok(Lookup::Missing { held: None }),
        found => found,
    }
}
