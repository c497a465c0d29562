//! Operations that are one plain command where no load has to do with the key, and are asked again
//! where one has.

use std::sync::Arc;

use bytes::Bytes;
use maestro_cache_core::{
    Claim, ClaimOver, ClaimRequest, ErrorKind, Expiry, LookFor, Lookup, Result, SetWhen, Value,
};

use crate::call::{Deadline, Intent};
use crate::commands;
use crate::deployment::{Deployment, Slot};
use crate::found::{Found, at_a_glance, claimed, looked_for};
use crate::keys::Keys;
use crate::mark;
use crate::reply::Reply;
use crate::request::Joinable;
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

    pub(crate) async fn exists(&self, slot: Slot, deadline: Deadline, key: &str) -> Result<bool> {
        match self {
            Self::Server(server) => {
                let (exists, end) = server.glance(deadline, key).await?;
                if !exists.yes()? {
                    return Ok(false);
                }
                // It may have been another value that was there before. This one is there by itself.
                if let Ok(Some(end)) = end.value()
                    && mark::is_off(end.bytes())
                {
                    return Ok(true);
                }
            }
            // What is redirected goes as one command.
            #[cfg(feature = "cluster")]
            Self::Cluster(_) => {}
        }
        let exists = scripts::exists(key);
        let reply = Box::pin(self.run(slot, deadline, Intent::Read, &exists)).await?;
        reply.yes()
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
                value => Some(value.into()),
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

    /// Leaves live values in place of what has a mark, of what was read for these keys.
    pub(crate) async fn see_through(
        &self,
        deadline: Deadline,
        keys: &Keys,
        mut values: Vec<Option<Value>>,
    ) -> Result<Vec<Option<Value>>> {
        let is_marked = |value: &Option<Value>| match value {
            Some(value) => mark::is_on(value.bytes()),
            None => false,
        };
        let marked: Vec<usize> = (0..)
            .zip(&values)
            .filter_map(|(place, value)| is_marked(value).then_some(place))
            .collect();
        for places in marked.chunks(MOST_KEYS) {
            let keys: Vec<&str> = places.iter().map(|place| keys.at(*place)).collect();
            let found = Box::pin(self.find_many(deadline, &keys)).await?;
            for (place, found) in places.iter().zip(found) {
                if let Some(value) = values.get_mut(*place) {
                    *value = live_or_missing(found)?;
                }
            }
        }
        Ok(values)
    }

    /// What is found under each of the keys.
    async fn find_many(&self, deadline: Deadline, keys: &[&str]) -> Result<Vec<Reply>> {
        #[cfg(feature = "cluster")]
        if let Self::Cluster(cluster) = self {
            let calls = keys
                .iter()
                .map(|key| (self.slot(key.as_bytes()), scripts::look_up(&[key])))
                .collect();
            let replies = cluster.batch(deadline, Intent::Read, calls).await?;
            return replies
                .into_iter()
                .map(|reply| reply.parts().map(|[found]| found))
                .collect();
        }
        let look_up = scripts::look_up(keys).heavy_if(true);
        let reply = self
            .run(Slot::ANY, deadline, Intent::Read, &look_up)
            .await?;
        reply.many_of(keys.len())
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
        let set = commands::set(key, value, expiry, SetWhen::Absent).into();
        let reply = self.call(slot, deadline, Intent::Write, &set).await?;
        if reply.was_set()? {
            return Ok(true);
        }
        // What is there may be a claim, or stale.
        let add = scripts::add(key, value, expiry);
        let reply = self.run(slot, deadline, Intent::Write, &add).await?;
        reply.yes()
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
            Self::Server(_) => Joinable::Increment(Arc::clone(&increment)).into(),
            #[cfg(feature = "cluster")]
            Self::Cluster(_) => script().request(false),
        };
        let mut reply = self.call(slot, deadline, Intent::Write, &request).await?;
        if reply.is_unknown_script() {
            let in_full = script().request(true);
            reply = self.call(slot, deadline, Intent::Write, &in_full).await?;
        }
        reply.integer()
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

/// What holds another type is missing, as with `MGET`.
fn live_or_missing(reply: Reply) -> Result<Option<Value>> {
    match Found::read(reply) {
        Err(error) if error.kind() == ErrorKind::WrongType => Ok(None),
        found => found.map(Found::into_live),
    }
}
