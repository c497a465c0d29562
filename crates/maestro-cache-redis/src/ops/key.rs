//! Operations on one key: plain commands where no load has to do with the key, and asked again where one
//! has.
//!
//! What tells the two apart, the mark at the end of a value, is read in the same message. Of such a
//! message the last command is the one that changes something.

use std::num::NonZeroU64;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use maestro_cache_core::{
    Claim, ClaimOver, ClaimRequest, Error, ErrorKind, Expiry, Keeping, LoadToken, LookFor, Lookup,
    Outcome, Publication, Result, SetWhen, Value,
};

use crate::call::{Deadline, Intent};
use crate::commands;
use crate::deployment::{Deployment, Slot};
use crate::found::{Probe, at_a_glance, claimed, found, live, looked_for, plain};
use crate::mark;
use crate::reply::Reply;
use crate::request::{Coalescible, Request, Weight};
use crate::scripts::{self, Increment, ScriptCall};

/// A key, where it is, and until when a call about it has to be over.
pub(crate) struct KeyTarget<'a> {
    deployment: &'a Deployment,
    slot: Slot,
    deadline: Deadline,
    key: Arc<str>,
}

impl<'a> KeyTarget<'a> {
    pub(crate) fn new(deployment: &'a Deployment, deadline: Deadline, key: Arc<str>) -> Self {
        Self {
            deployment,
            slot: deployment.slot(key.as_bytes()),
            deadline,
            key,
        }
    }

    async fn read(&self, request: impl Into<Request>) -> Result<Reply> {
        self.call(Intent::Read, &request.into()).await
    }

    async fn write(&self, request: impl Into<Request>) -> Result<Reply> {
        self.call(Intent::Write, &request.into()).await
    }

    fn call<'r>(
        &'r self,
        intent: Intent,
        request: &'r Request,
    ) -> impl Future<Output = Result<Reply>> {
        let (slot, deadline) = (self.slot, self.deadline);
        self.deployment.call(slot, deadline, intent, request)
    }

    /// In a box, or the futures of plain commands that seldom need a script would be as large.
    fn run(
        &self,
        intent: Intent,
        script: ScriptCall,
    ) -> Pin<Box<impl Future<Output = Result<Reply>>>> {
        let (slot, deadline) = (self.slot, self.deadline);
        Box::pin(self.deployment.run(slot, deadline, intent, script))
    }

    pub(crate) async fn get(self) -> Result<Option<Value>> {
        let get = self.get_request();
        let reply = self.call(Intent::Read, &get).await?;
        self.note_size(&reply);
        match reply.value()? {
            Some(value) if mark::is_on(value.bytes()) => Ok(live(self.find().await?)),
            value => Ok(value),
        }
    }

    pub(crate) async fn look_up(self, look_for: LookFor) -> Result<Lookup> {
        let glance = match (self.deployment, look_for) {
            (_, LookFor::Fresh) => {
                let reply = self.read(self.get_request()).await?;
                self.note_size(&reply);
                match reply.value()? {
                    Some(value) if mark::is_on(value.bytes()) => None,
                    value => Some(plain(value)),
                }
            }
            (Deployment::Server(_), LookFor::FreshOrStale) => {
                let look = Request::several(commands::look(&self.key), self.weight());
                let [left, value] = self.read(look).await?.parts()?;
                self.note_size(&value);
                at_a_glance(left.integer()?, value.value()?.map(Value::into_bytes))
            }
            #[cfg(feature = "cluster")]
            (Deployment::Cluster(_), LookFor::FreshOrStale) => None,
        };
        match glance {
            Some(lookup) => Ok(lookup),
            None => Ok(looked_for(look_for, self.find().await?)),
        }
    }

    /// `GET`, together with others unless the key is known to hold a large value. On a cluster each goes on
    /// its own, since the keys of a batch would have to be of one slot.
    fn get_request(&self) -> Request {
        match (self.deployment, self.weight()) {
            (Deployment::Server(_), Weight::Light) => {
                Coalescible::Get(Arc::clone(&self.key)).into()
            }
            (_, weight) => Request::one(commands::keyed("GET", &self.key), weight),
        }
    }

    /// Heavy if the key held a large value when it was read last.
    fn weight(&self) -> Weight {
        let large = self.deployment.large();
        Weight::heavy_if(large.is_some_and(|large| large.holds(&self.key)))
    }

    fn note_size(&self, reply: &Reply) {
        if let Some(large) = self.deployment.large() {
            large.note(&self.key, reply.as_value());
        }
    }

    /// All that is to be known of the key, at one instant.
    async fn find(&self) -> Result<Lookup> {
        let is_large = self.weight() == Weight::Heavy;
        let look_up = scripts::look_up(&[&*self.key]).heavy_if(is_large);
        found(self.run(Intent::Read, look_up).await?)
    }

    /// Whether the key is live, and for how long.
    pub(crate) async fn probe(self) -> Result<Probe> {
        let probe = Request::several(commands::is_live(&self.key), Weight::Light);
        let [left, end] = self.read(probe).await?.parts()?;
        Probe::read(left, end)
    }

    /// Stores the value, if there is no live one or whatever there is.
    pub(crate) async fn set(self, value: Bytes, expiry: Expiry, when: SetWhen) -> Result<bool> {
        if when == SetWhen::Always {
            let set = commands::set(&self.key, &value, expiry, when);
            return self.write(set).await?.was_set();
        }
        let add = commands::add(&self.key, &value, expiry);
        let add = Request::several(add, Weight::of_bytes(value.len()));
        let [end, was_set] = self.write(add).await?.parts()?;
        if was_set.was_set()? {
            return Ok(true);
        }
        match end.value() {
            Ok(Some(end)) if !end.bytes().is_empty() && !mark::is_on(end.bytes()) => Ok(false),
            Err(error) if error.kind() == ErrorKind::WrongType => Ok(false),
            // What is there may be a claim, or stale.
            _ => {
                let add = scripts::add(&self.key, &value, expiry);
                self.run(Intent::Write, add).await?.yes()
            }
        }
    }

    pub(crate) async fn compare_and_set(
        self,
        expected: Bytes,
        new: Bytes,
        expiry: Expiry,
    ) -> Result<bool> {
        let swap = scripts::compare_and_set(&self.key, &expected, &new, expiry);
        self.run(Intent::Write, swap).await?.yes()
    }

    pub(crate) async fn take(self) -> Result<Option<Value>> {
        let take = Request::several(commands::take(&self.key), Weight::Light);
        let reply = self.write(take).await?;
        let unclear = reply.outcome_unclear();
        let [left, value] = reply.parts()?;
        let value = value.value()?.map(Value::into_bytes);
        let left = left.integer();
        let left = left.map_err(|error| error.with_outcome(unclear))?;
        Ok(at_a_glance(left, value).and_then(live))
    }

    /// Tells a live value when it is gone. A loaded one becomes a plain one, which takes a second message.
    pub(crate) async fn set_expiry(self, expiry: Expiry) -> Result<bool> {
        let set_expiry = commands::set_expiry(&self.key, expiry);
        let set_expiry = Request::several(set_expiry, Weight::Light);
        let [left, end, told] = self.write(set_expiry).await?.parts()?;
        let was_told = told.yes()?;
        let unclear = |error: Error| error.with_outcome(Outcome::Unknown);
        let probe = Probe::read(left, end).map_err(unclear)?;
        let Some(mark) = &probe.mark else {
            return Ok(was_told);
        };
        let is_live = probe.is_live();
        if is_live && !was_told {
            // It had no expiry to be removed.
            return Ok(false);
        }
        let finish = scripts::finish_expiry(&self.key, mark, is_live, expiry);
        let reply = self.run(Intent::Write, finish).await;
        reply.and_then(Reply::yes).map_err(unclear)?;
        Ok(is_live)
    }

    pub(crate) async fn increment(self, by: i64, expiry: Expiry) -> Result<i64> {
        let increment = Arc::new(Increment {
            key: (*self.key).into(),
            by,
            millis: commands::millis(expiry),
        });
        let Some(millis) = increment.millis else {
            let sum = self.write(commands::increment(&self.key, by)).await?;
            return match sum.integer() {
                // A refusal did nothing. It may be a mark that is no integer.
                Err(error) if error.kind() == ErrorKind::NotAnInteger => {
                    let script = scripts::increment(&[&increment]);
                    self.run(Intent::Write, script).await?.integer()
                }
                sum => sum,
            };
        };
        let sum = match self.deployment {
            Deployment::Server(_) => {
                let request = Coalescible::Increment(Arc::clone(&increment));
                let reply = self.write(request).await?;
                if reply.is_unknown_script() {
                    self.write(scripts::increment(&[&increment]).request(true))
                        .await?
                } else {
                    reply
                }
            }
            #[cfg(feature = "cluster")]
            Deployment::Cluster(_) => {
                self.run(Intent::Write, scripts::increment(&[&increment]))
                    .await?
            }
        };
        match sum.integer() {
            // A user without scripts. What is there may be a loaded value, which this refuses.
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                let create = commands::create_and_increment(&self.key, by, millis);
                let create = Request::several(create, Weight::Light);
                let [_, sum] = self.write(create).await?.parts()?;
                sum.integer()
            }
            sum => sum,
        }
    }

    pub(crate) async fn claim(self, token: LoadToken, over: ClaimOver) -> Result<Claim> {
        if matches!(over, ClaimOver::Gap) {
            // Mostly there is nothing, which is what the script would do then.
            let claim = self.write(commands::claim(&self.key, token)).await?;
            if claim.was_set()? {
                return Ok(Claim::Granted);
            }
        }
        let key = (*self.key).into();
        let claim = scripts::claim(&[ClaimRequest { key, token, over }]);
        claimed(self.run(Intent::Write, claim).await?)
    }

    pub(crate) async fn renew(self, token: LoadToken) -> Result<bool> {
        let renew = scripts::renew(&self.key, token);
        self.run(Intent::Write, renew).await?.yes()
    }

    pub(crate) async fn publish(
        self,
        token: LoadToken,
        value: Bytes,
        keeping: Keeping,
    ) -> Result<bool> {
        let key = (*self.key).into();
        let publish = scripts::publish(&[Publication {
            key,
            token,
            value,
            keeping,
        }]);
        self.run(Intent::Write, publish).await?.yes()
    }

    pub(crate) async fn release(
        self,
        token: LoadToken,
        back_off_millis: Option<NonZeroU64>,
    ) -> Result<bool> {
        let release = scripts::release(&self.key, token, back_off_millis);
        self.run(Intent::Write, release).await?.yes()
    }
}
