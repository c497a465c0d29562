//! Reads and removals of many keys, each of which has an answer of its own.

#[cfg(feature = "cluster")]
use std::collections::{BTreeMap, BTreeSet, HashMap};

use bytes::Bytes;
#[cfg(feature = "cluster")]
use maestro_cache_core::SetWhen;
use maestro_cache_core::{ErrorKind, Expiry, LookFor, Lookup, Result};

#[cfg(feature = "cluster")]
use super::KeyTarget;
use super::parts::answers;
use crate::call::{Deadline, Intent};
use crate::commands;
use crate::deployment::{Deployment, Slot};
use crate::error;
use crate::found::{looked_for, plain, removed};
use crate::mark;
use crate::request::{Request, Weight};
use crate::scripts::MOST_KEYS;
#[cfg(feature = "cluster")]
use crate::together::{AT_ONCE, all_of};

impl Deployment {
    /// What is live of the keys, of which there is at least one. On a cluster, what becomes of a node is
    /// nothing to the keys of the others, also if it takes all the time that there is.
    pub(crate) async fn find_live(&self, deadline: Deadline, keys: &[&str]) -> Vec<Result<Lookup>> {
        #[cfg(feature = "cluster")]
        if let Self::Cluster(_) = self {
            // A key that is named twice is read once.
            let distinct: BTreeSet<&str> = keys.iter().copied().collect();
            let look_up = async |key: &&str| {
                let target = KeyTarget::new(self, deadline, (*key).into());
                or_missing(target.look_up(LookFor::Fresh).await)
            };
            let looked_up = all_of(distinct.iter().map(look_up).collect(), AT_ONCE);
            let found = Box::pin(looked_up).await;
            let found: HashMap<_, _> = distinct.iter().zip(found).collect();
            return keys
                .iter()
                .filter_map(|key| found.get(key).cloned())
                .collect();
        }
        let get = commands::over_keys("MGET", keys).into();
        let reply = self.call(Slot::ANY, deadline, Intent::Read, &get).await;
        let replies = reply.and_then(|reply| reply.many_of(keys.len()));
        let found = answers(keys.len(), replies, |reply| {
            or_missing(reply.value().map(plain))
        });
        self.see_through(deadline, keys, found).await
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
        let (places, keys): (Vec<usize>, Vec<&str>) = (0..)
            .zip(keys)
            .zip(&found)
            .filter_map(|((place, key), found)| is_marked(found).then_some((place, *key)))
            .unzip();
        if keys.is_empty() {
            return found;
        }
        let seen = Box::pin(self.look_up_each(deadline, &keys)).await;
        for (place, seen) in places.into_iter().zip(seen) {
            if let Some(found) = found.get_mut(place) {
                *found = or_missing(seen.map(|seen| looked_for(LookFor::Fresh, seen)));
            }
        }
        found
    }

    /// Stores all entries: on one server all or none, in one round trip.
    pub(crate) async fn set_many(
        &self,
        deadline: Deadline,
        entries: &[(&str, Bytes)],
        expiry: Expiry,
    ) -> Result<()> {
        #[cfg(feature = "cluster")]
        if let Self::Cluster(cluster) = self {
            // The last word on each key alone: commands of slots that move may overtake each other.
            let last: BTreeMap<_, _> = entries.iter().map(|(key, value)| (*key, value)).collect();
            let sets = last.into_iter().map(|(key, value)| {
                let set = commands::set(key, value, expiry, SetWhen::Always);
                (self.slot(key.as_bytes()), Request::from(set))
            });
            let sets: Vec<_> = sets.collect();
            let replies = Box::pin(cluster.write_all(deadline, &sets)).await?;
            let mut replies = replies.into_iter();
            return replies.try_for_each(|reply| reply.was_set().map(drop));
        }
        let sets = commands::set_many(entries, expiry).into();
        let reply = self.call(Slot::ANY, deadline, Intent::Write, &sets);
        reply.await?.transaction()
    }

    /// Removes the keys, and counts those that were live. None is there twice.
    pub(crate) async fn delete<K: AsRef<[u8]> + Sync>(
        &self,
        deadline: Deadline,
        keys: &[K],
    ) -> Result<u64> {
        #[cfg(feature = "cluster")]
        if let Self::Cluster(cluster) = self {
            // In a box, or the future for one server would be as large.
            return Box::pin(cluster.delete(deadline, keys)).await;
        }
        let mut count = 0;
        for keys in keys.chunks(MOST_KEYS) {
            let weight = Weight::heavy_if(keys.len() > 1);
            let request = Request::several(commands::delete(keys), weight);
            let reply = self
                .call(Slot::ANY, deadline, Intent::Write, &request)
                .await;
            count += reply
                .and_then(|reply| removed(reply, keys.len()))
                .map_err(|error| error::after_a_part(count, error))?;
        }
        Ok(count)
    }
}

/// What holds another type is missing, as with `MGET`.
fn or_missing(found: Result<Lookup>) -> Result<Lookup> {
    match found {
        Err(error) if error.kind() == ErrorKind::WrongType => Ok(Lookup::Missing { held: None }),
        found => found,
    }
}
