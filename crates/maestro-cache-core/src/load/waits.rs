//! Which calls of loaders wait for which loads: one that would wait for itself is told so.
//!
//! What is noted is what each call waits for by itself. What it waits for by way of others is found by
//! going along, when somebody who runs in a loader joins a load.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::flight::FlightId;

/// A call of a loader, for one key or for many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct LoaderCall(pub(super) u64);

#[derive(Default)]
pub(super) struct Waits {
    /// Those that wait for something, or load many keys.
    calls: HashMap<LoaderCall, Call, RandomState>,
}

#[derive(Default)]
struct Call {
    /// The loads that it waits for, and how many times each.
    waits_for: HashMap<FlightId, usize, RandomState>,
    /// What it loads, if that is more than one key.
    keys: HashSet<Arc<str>, RandomState>,
}

impl Waits {
    /// The call does not go on until the load has ended.
    pub(super) fn begin(&mut self, call: Option<LoaderCall>, id: FlightId) {
        if let Some(call) = call {
            let waits_for = &mut self.calls.entry(call).or_default().waits_for;
            *waits_for.entry(id).or_default() += 1;
        }
    }

    /// It does go on.
    pub(super) fn end(&mut self, call: Option<LoaderCall>, id: FlightId) {
        let Some(call) = call else { return };
        let Some(state) = self.calls.get_mut(&call) else {
            return;
        };
        if let Some(times) = state.waits_for.get_mut(&id) {
            *times -= 1;
            if *times == 0 {
                state.waits_for.remove(&id);
            }
        }
        if state.waits_for.is_empty() && state.keys.is_empty() {
            self.calls.remove(&call);
        }
    }

    /// The call loads this key, among others.
    pub(super) fn add_key(&mut self, call: LoaderCall, key: &Arc<str>) {
        let keys = &mut self.calls.entry(call).or_default().keys;
        keys.insert(Arc::clone(key));
    }

    /// Whether the call loads this key, among others.
    pub(super) fn loads(&self, call: LoaderCall, key: &str) -> bool {
        let call = self.calls.get(&call);
        call.is_some_and(|call| call.keys.contains(key))
    }

    /// The call is over, and with it all that was waited for in it.
    pub(super) fn end_call(&mut self, call: LoaderCall) {
        self.calls.remove(&call);
    }

    /// Whether the call is one of the others, or waits for one, directly or by way of more of them.
    pub(super) fn reaches(
        &self,
        call: LoaderCall,
        others: &[LoaderCall],
        call_of: impl Fn(FlightId) -> LoaderCall,
    ) -> bool {
        let mut seen = HashSet::<_, RandomState>::default();
        let mut ahead = vec![call];
        while let Some(call) = ahead.pop() {
            if others.contains(&call) {
                return true;
            }
            if seen.insert(call)
                && let Some(call) = self.calls.get(&call)
            {
                ahead.extend(call.waits_for.keys().map(|id| call_of(*id)));
            }
        }
        false
    }
}
