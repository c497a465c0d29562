//! What one call says of loads that its handle does not.

use std::time::Duration;

use super::policy::LoadPolicy;
use crate::Ttl;

/// Kept small, since every hit moves it about: a policy takes 160 bytes, and few calls have one of their own.
#[derive(Default)]
pub(super) struct Overrides {
    policy: Option<Box<LoadPolicy>>,
    // What nearly every call says.
    ttl: Option<Ttl>,
    negative_ttl: Option<Duration>,
}

impl Overrides {
    /// Nothing of what was said before holds.
    pub(super) fn policy(policy: LoadPolicy) -> Self {
        Self {
            policy: Some(Box::new(policy)),
            ..Self::default()
        }
    }

    pub(super) fn ttl(mut self, ttl: Ttl) -> Self {
        self.ttl = Some(ttl);
        self
    }

    pub(super) fn negative_ttl(mut self, ttl: Duration) -> Self {
        self.negative_ttl = Some(ttl);
        self
    }

    /// Says something that is rarely said.
    pub(super) fn and(
        mut self,
        handle: &LoadPolicy,
        change: impl FnOnce(LoadPolicy) -> LoadPolicy,
    ) -> Self {
        let policy = self.policy.get_or_insert_with(|| Box::new(*handle));
        **policy = change(**policy);
        self
    }

    /// The policy of the call, but for how long values live.
    #[inline]
    pub(super) fn but_for_ttls<'a>(&'a self, handle: &'a LoadPolicy) -> &'a LoadPolicy {
        self.policy.as_deref().unwrap_or(handle)
    }

    /// The policy of the call.
    pub(super) fn over(&self, handle: &LoadPolicy) -> LoadPolicy {
        let mut policy = *self.but_for_ttls(handle);
        if let Some(ttl) = self.ttl {
            policy = policy.ttl(ttl);
        }
        if let Some(ttl) = self.negative_ttl {
            policy = policy.negative_ttl(ttl);
        }
        policy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn what_is_said_last_holds() {
        let handle = LoadPolicy::new().ttl(MINUTE).timeout(MINUTE);
        let said = Overrides::default();
        assert_eq!(said.over(&handle), handle);

        let said = said
            .ttl(Ttl::Never)
            .and(&handle, |policy| policy.jitter(SECOND))
            .negative_ttl(SECOND)
            .and(&handle, |policy| policy.timeout(SECOND));
        let expected = handle
            .ttl(Ttl::Never)
            .jitter(SECOND)
            .negative_ttl(SECOND)
            .timeout(SECOND);
        assert_eq!(said.over(&handle), expected);

        let own = LoadPolicy::new().soft_timeout(SECOND);
        let said = Overrides::policy(own);
        assert_eq!(
            said.over(&handle),
            own,
            "and nothing of what was said before"
        );
        let said = said.ttl(SECOND.into()).ttl(MINUTE.into());
        assert_eq!(said.over(&handle), own.ttl(MINUTE));
        assert_eq!(*said.but_for_ttls(&handle), own);
    }
}
