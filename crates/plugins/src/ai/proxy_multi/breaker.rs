//! The breaker of an instance, as the operator writes it, and the breakers of all instances.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use ai::{Breaker, BreakerSettings, InstanceSettings, Permit};
use http::{HeaderValue, header};
use net::pick::Tried;
use plugin::{Attempt, Fault, Host};
use schemars::JsonSchema;
use serde::Deserialize;

use super::gauge::Gauge;

/// When others are preferred to an instance because of what its answers have shown; Tollgate's own.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct BreakerConfig {
    /// Whether it has one.
    enabled: bool,
    /// Faults in a row that open it: 5xx, and answers that did not come or broke off.
    #[schemars(range(min = 1, max = 100))]
    faults: u8,
    /// The time within which these come, in milliseconds.
    #[schemars(range(min = 1, max = 86_400_000))]
    window_ms: u64,
    /// Answers of 401, 402, 403 and 429 in a row that open it, when it has a key of its own.
    #[schemars(range(min = 1, max = 100))]
    key_faults: u8,
    /// How long it is open at first, in milliseconds; each probe that fails doubles it.
    #[schemars(range(min = 1, max = 86_400_000))]
    open_ms: u64,
    /// The longest it is open, in milliseconds, unless the upstream asks for more.
    #[schemars(range(min = 1, max = 86_400_000))]
    max_open_ms: u64,
}

/// What real requests have shown of the instances, in the order of the configuration.
#[derive(Debug, Default)]
pub(super) struct Breakers {
    /// `None` for an instance without a breaker: it is always as good as any.
    breakers: Box<[Option<Arc<Breaker>>]>,
    #[expect(dead_code, reason = "held so that the metrics show them")]
    gauges: Vec<Arc<Gauge>>,
}

/// An instance with the leave to ask it.
#[derive(Debug)]
pub(super) struct Leave {
    pub(super) index: usize,
    pub(super) permit: Option<Permit>,
    /// The word for why it is this one, where its breaker had a say.
    pub(super) reason: Option<&'static str>,
}

// === impl BreakerConfig ===

impl Default for BreakerConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            faults: 5,
            window_ms: 10_000,
            key_faults: 3,
            open_ms: 5000,
            max_open_ms: 60_000,
        }
    }
}

impl BreakerConfig {
    /// The breaker of an instance, with what is known from snapshots before; `None` when disabled.
    pub(super) fn breaker(
        self,
        instance: &InstanceSettings,
        host: &Host<'_>,
    ) -> Option<Arc<Breaker>> {
        let settings = BreakerSettings {
            faults: self.faults,
            window: Duration::from_millis(self.window_ms),
            key_faults: self.key_faults,
            open: Duration::from_millis(self.open_ms),
            longest: Duration::from_millis(self.max_open_ms),
        };
        // A key that was replaced, or another place, is a new beginning.
        let identity = format!(
            "{} {:?} {} {:?} {:016x} {settings:?}",
            host.resource,
            instance.name,
            instance.provider.name,
            instance.endpoint,
            instance.fingerprint()
        );
        let make = || {
            let breaker = Breaker::new(host.resource, &instance.name, settings);
            Ok::<_, Infallible>(breaker)
        };
        let Ok(breaker) = host.living.share(&identity, make);
        self.enabled.then_some(breaker)
    }
}

// === impl Breakers ===

impl Breakers {
    pub(super) fn new(breakers: Vec<Option<Arc<Breaker>>>, gauges: Vec<Arc<Gauge>>) -> Self {
        Self {
            breakers: breakers.into(),
            gauges,
        }
    }

    /// Who would be asked: as `pick` chooses among those outside `avoided` whose breaker lets
    /// requests through; when there is none, whoever recovers soonest.
    pub(super) fn peek(
        &self,
        avoided: &Tried,
        pick: impl Fn(&Tried) -> Option<usize>,
    ) -> Option<usize> {
        let blocked = self.blocked(avoided);
        pick(&blocked).or_else(|| self.soonest(avoided, &pick))
    }

    /// Who is asked, with the leave for it; chosen as [`Breakers::peek`] does.
    pub(super) fn choose(
        &self,
        avoided: &Tried,
        pick: impl Fn(&Tried) -> Option<usize>,
    ) -> Option<Leave> {
        let mut blocked = self.blocked(avoided);
        while let Some(index) = pick(&blocked) {
            if let Some(leave) = self.claim(index) {
                return Some(leave);
            }
            // Another request was faster to probe it.
            blocked.add(index);
        }
        let index = self.soonest(avoided, &pick)?;
        Some(Leave {
            index,
            permit: self.breaker(index).map(Breaker::force),
            reason: Some("soonest"),
        })
    }

    /// Leave to ask the instance; `None` while its breaker lets nobody through.
    pub(super) fn claim(&self, index: usize) -> Option<Leave> {
        let permit = match self.breaker(index) {
            Some(breaker) => Some(breaker.claim()?),
            None => None,
        };
        let is_probe = permit.as_ref().is_some_and(Permit::is_probe);
        Some(Leave {
            index,
            permit,
            reason: is_probe.then_some("probe"),
        })
    }

    /// In what time the instance can be expected to answer; `None` when nothing is known of that.
    pub(super) fn recovers_in(&self, index: usize) -> Option<Duration> {
        self.breaker(index)?.recovers_in()
    }

    fn breaker(&self, index: usize) -> Option<&Arc<Breaker>> {
        self.breakers.get(index)?.as_ref()
    }

    /// `avoided`, and with it those whose breaker lets nobody through.
    fn blocked(&self, avoided: &Tried) -> Tried {
        let mut blocked = avoided.clone();
        for (index, breaker) in self.breakers.iter().enumerate() {
            if breaker.as_ref().is_some_and(|one| one.opens_in().is_some()) {
                blocked.add(index);
            }
        }
        blocked
    }

    /// Whoever recovers soonest of those outside `avoided` that `pick` would ever choose; of several
    /// the one that it does choose.
    fn soonest(&self, avoided: &Tried, pick: &impl Fn(&Tried) -> Option<usize>) -> Option<usize> {
        let waits = self.breakers.iter().enumerate().map(|(index, breaker)| {
            let wait = breaker.as_ref().and_then(|breaker| breaker.opens_in());
            (index, wait)
        });
        let left = waits.filter(|(index, _)| !avoided.contains(*index));
        let mut left: Vec<_> = left.collect();
        let mut passed = avoided.clone();
        while let Some(soonest) = left.iter().map(|(_, wait)| *wait).min() {
            let mut later = passed.clone();
            for (index, _) in left.iter().filter(|(_, wait)| *wait > soonest) {
                later.add(*index);
            }
            if let Some(index) = pick(&later) {
                return Some(index);
            }
            // Nobody is ever chosen of these: they have no weight beside the others.
            for (index, _) in left.iter().filter(|(_, wait)| *wait == soonest) {
                passed.add(*index);
            }
            left.retain(|(_, wait)| *wait > soonest);
        }
        None
    }
}

/// In what time an instance wants to be asked again, as it said to this request.
pub(super) fn told_in(attempts: &[Attempt], instance: &str) -> Option<Duration> {
    let is_of_it = |attempt: &&Attempt| {
        let choice = attempt.choice.as_ref();
        choice.is_some_and(|choice| &*choice.instance == instance)
    };
    let attempt = attempts.iter().rfind(is_of_it)?;
    let head = attempt.start? + attempt.header?;
    let left = attempt.retry_after?.checked_sub(head.elapsed())?;
    Some(left).filter(|left| !left.is_zero())
}

/// The fault with a `Retry-After`.
pub(super) fn come_back_in(wait: Duration, fault: Fault) -> Fault {
    // Rounded up: whoever comes back then does not come too early.
    let seconds = u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
    fault.header(header::RETRY_AFTER, HeaderValue::from(seconds))
}
