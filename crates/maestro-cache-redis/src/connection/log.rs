//! What is written to the log of a server's connections: each change of state once, and warnings not
//! more often than anybody wants to read them.

use std::sync::Arc;
use std::time::Duration;

use maestro_cache_core::ErrorKind;
use tokio::time::Instant;

use crate::limit::Limit;

#[derive(Debug)]
pub(super) struct Log {
    name: Arc<str>,
    refusals: Limit,
    drops: Limit,
}

impl Log {
    pub(super) fn new(name: Arc<str>) -> Self {
        Self {
            name,
            refusals: Limit::default(),
            drops: Limit::default(),
        }
    }

    pub(super) fn connected(&self) {
        tracing::debug!(target: "maestro_cache::redis", address = &*self.name, "connected");
    }

    /// The breaker closed.
    pub(super) fn connected_again(&self, down_for: Duration) {
        tracing::info!(
            target: "maestro_cache::redis",
            address = &*self.name,
            ?down_for,
            "connected again"
        );
    }

    /// The breaker opened.
    pub(super) fn cannot_connect(&mut self, kind: ErrorKind, now: Instant) {
        if let Some(left_out) = self.refusals.may_warn(now) {
            tracing::warn!(
                target: "maestro_cache::redis",
                address = &*self.name,
                ?kind,
                left_out,
                "cannot connect"
            );
        }
    }

    /// The breaker stays open.
    pub(super) fn still_cannot_connect(&self, kind: ErrorKind) {
        tracing::debug!(
            target: "maestro_cache::redis",
            address = &*self.name,
            ?kind,
            "still cannot connect"
        );
    }

    pub(super) fn suspected(&self) {
        tracing::debug!(
            target: "maestro_cache::redis",
            address = &*self.name,
            "a connection is silent; another one is asked for"
        );
    }

    pub(super) fn writes_are_refused(&self) {
        tracing::warn!(
            target: "maestro_cache::redis",
            address = &*self.name,
            "the server is a replica and refuses writes; looking whether the address leads to a master"
        );
    }

    pub(super) fn dropped(&mut self, why: &'static str, now: Instant) {
        if let Some(left_out) = self.drops.may_warn(now) {
            tracing::warn!(
                target: "maestro_cache::redis",
                address = &*self.name,
                why,
                left_out,
                "connection dropped"
            );
        }
    }
}
