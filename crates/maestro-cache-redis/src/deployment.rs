//! Where calls go: to one server, or to the nodes of a cluster.

use std::sync::Arc;

#[cfg(feature = "cluster")]
use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Either};
use maestro_cache_core::{Pattern, Result};

use crate::call::{Deadline, Intent};
#[cfg(feature = "cluster")]
use crate::cluster::Cluster;
#[cfg(feature = "sentinel")]
use crate::connection::Sentinels;
use crate::connection::{Server, Target};
use crate::large::Large;
use crate::reply::Reply;
use crate::request::Request;
use crate::scripts::ScriptCall;
use crate::settings::Settings;
#[cfg(not(all(feature = "cluster", feature = "sentinel")))]
use crate::settings::feature_is_off;
use crate::url::Place;

pub(crate) enum Deployment {
    Server(Arc<Server>),
    #[cfg(feature = "cluster")]
    Cluster(Arc<Cluster>),
}

/// What decides on the node of a key. Of no meaning where there is one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot(pub(crate) u16);

impl Slot {
    /// For what goes to the one server that there is.
    pub(crate) const ANY: Self = Self(0);
}

impl Deployment {
    pub(crate) fn new(settings: Settings) -> Result<Self> {
        let Settings {
            place,
            connect,
            connections,
            name,
            ..
        } = settings;
        let target = match place {
            Place::Server(address) => Target::Address(address),
            #[cfg(feature = "sentinel")]
            Place::Sentinels { sentinels, service } => {
                let login = settings.sentinel_login.unwrap_or_default();
                let connect = connect.with_credentials(login);
                Target::Master(Sentinels::new(sentinels, service, connect))
            }
            #[cfg(not(feature = "sentinel"))]
            Place::Sentinels { .. } => return Err(feature_is_off("sentinel")),
            #[cfg(feature = "cluster")]
            Place::Cluster(seeds) => {
                let cluster = Cluster::new(name, seeds, connect, connections);
                return Ok(Self::Cluster(cluster));
            }
            #[cfg(not(feature = "cluster"))]
            Place::Cluster(_) => return Err(feature_is_off("cluster")),
        };
        let server = Server::new(name, target, connect, connections);
        Ok(Self::Server(server))
    }

    /// The slot of the key, where there are any.
    #[cfg_attr(not(feature = "cluster"), allow(unused_variables))] // One server has none.
    pub(crate) fn slot(&self, key: &[u8]) -> Slot {
        match self {
            Self::Server(_) => Slot::ANY,
            #[cfg(feature = "cluster")]
            Self::Cluster(_) => crate::cluster::slot(key),
        }
    }

    /// Sends the request to the node of the slot.
    #[cfg_attr(not(feature = "cluster"), allow(unused_variables))] // One server has none.
    pub(crate) fn call<'a>(
        &'a self,
        slot: Slot,
        deadline: Deadline,
        intent: Intent,
        request: &'a Request,
    ) -> impl Future<Output = Result<Reply>> {
        match self {
            Self::Server(server) => {
                Either::<_, BoxFuture<'a, _>>::Left(server.call(deadline, intent, request))
            }
            // In a box, or the future of a call to one server would be as large.
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => {
                Either::Right(cluster.call(slot, deadline, intent, request).boxed())
            }
        }
    }

    /// Which keys hold large values. Of a cluster nobody remembers, since nothing is sent together there.
    pub(crate) fn large(&self) -> Option<&Large> {
        match self {
            Self::Server(server) => Some(&server.large),
            #[cfg(feature = "cluster")]
            Self::Cluster(_) => None,
        }
    }

    /// Sends a call of a script, and sends it in full if the server has to be told the script.
    pub(crate) async fn run(
        &self,
        slot: Slot,
        deadline: Deadline,
        intent: Intent,
        script: ScriptCall,
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

    pub(crate) async fn clear(&self, deadline: Deadline, pattern: &Pattern) -> Result<u64> {
        match pattern.as_literal() {
            // Without a wildcard there is one key to remove, or, for a bare prefix, none.
            Some(key) if pattern.selects(&key) => self.delete(deadline, &[key]).await,
            Some(_) => Ok(0),
            None => match self {
                Self::Server(server) => server.clear(deadline, pattern).await,
                #[cfg(feature = "cluster")]
                Self::Cluster(cluster) => cluster.clear(deadline, pattern).await,
            },
        }
    }

    /// Asks the server, or each master of the cluster, whether it answers.
    pub(crate) async fn ping(&self, deadline: Deadline) -> Result<()> {
        match self {
            Self::Server(server) => server.ping(deadline).await,
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => cluster.ping(deadline).await,
        }
    }

    pub(crate) fn close(&self) {
        match self {
            Self::Server(server) => server.close(),
            #[cfg(feature = "cluster")]
            Self::Cluster(cluster) => cluster.close(),
        }
    }
}
