//! Which instances are well.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use ai::{Instance, InstanceSettings};
use net::health::{Checker, Probe, Prober};
use net::pick::Tried;
use plugin::{ConfigError, Host};

use super::config::InstanceConfig;
use crate::ai::checks::{Checks, Target};

/// What is known of the instances' health, in the order of the configuration.
#[derive(Debug, Default)]
pub(super) struct Wellness {
    /// `None` for an instance without checks: it always counts as well.
    checkers: Box<[Option<Checked>]>,
    /// Those that are never chosen, so that it helps nobody if they are well.
    unchosen: Tried,
}

/// An instance that is probed.
#[derive(Debug)]
pub(super) struct Checked {
    checker: Arc<Checker>,
    #[expect(
        dead_code,
        reason = "held so that the probers of later configurations find it"
    )]
    askers: Arc<Askers>,
}

/// Who has asked one target for one instance of one resource, in whatever way; the latest is last.
#[derive(Debug, Default)]
struct Askers(Mutex<Vec<Weak<Prober>>>);

// === impl Wellness ===

impl Wellness {
    pub(super) fn new(checkers: Vec<Option<Checked>>) -> Self {
        let is_checked = checkers.iter().any(Option::is_some);
        Self {
            checkers: if is_checked {
                checkers.into()
            } else {
                Box::default()
            },
            unchosen: Tried::new(),
        }
    }

    /// Tells which instances are ever chosen.
    pub(super) fn choosing(self, is_chosen: impl Fn(usize) -> bool) -> Self {
        let all = 0..self.checkers.len();
        Self {
            unchosen: all.filter(|index| !is_chosen(*index)).collect(),
            ..self
        }
    }

    /// `tried`, and with it the instances that are not well; when none is well, health says nothing.
    pub(super) fn avoided(&self, tried: &Tried) -> Tried {
        let is_sick = |checked: &Option<Checked>| {
            let checker = checked.as_ref().map(|checked| &checked.checker);
            checker.is_some_and(|checker| !checker.is_usable())
        };
        let mut avoided = tried.clone();
        let mut is_any_well = self.checkers.is_empty();
        for (index, checker) in self.checkers.iter().enumerate() {
            if is_sick(checker) {
                avoided.add(index);
            } else if !self.unchosen.contains(index) {
                is_any_well = true;
            }
        }
        if is_any_well { avoided } else { tried.clone() }
    }
}

// === impl Checked ===

impl Checked {
    /// The checks of the instance at `index`; one target is probed once, whoever names it.
    ///
    /// # Errors
    /// What [`Checks::probe`] refuses.
    pub(super) fn new(
        checks: &Checks,
        (index, instance): (usize, &Instance),
        settings: &InstanceSettings,
        host: &Host<'_>,
    ) -> Result<Option<Self>, ConfigError> {
        let Some((name, port)) = instance.address() else {
            return Ok(None);
        };
        if checks.lack_a_value() {
            return Ok(None);
        }
        let probe = checks.probe(Target {
            host: name,
            port,
            headers: &settings.headers,
            query: &settings.query,
        })?;
        let identity = identity(&probe);
        let place = format!("upstream#{}#", host.resource);
        let whom = format!(
            "{place} {:?} {:?}:{}",
            instance.name(),
            probe.host,
            probe.port
        );
        let Ok(askers) = host
            .living
            .share(&whom, || Ok::<_, Infallible>(Askers::default()));
        let Ok(prober) = host.living.share(&identity, || {
            Ok::<_, Infallible>(Prober::new(probe, askers.last().as_deref()))
        });
        askers.add(&prober);
        let name = format!("{place}plugins['ai-proxy-multi'].instances[{index}]");
        let identity = format!("{name} {:?} {identity}", instance.name());
        let Ok(checker) = host.living.share(&identity, || {
            let label = instance.name().clone();
            Ok::<_, Infallible>(Checker::new(name, label, prober))
        });
        Ok(Some(Self { checker, askers }))
    }

    pub(super) fn prober(&self) -> &Arc<Prober> {
        self.checker.prober()
    }
}

// === impl Askers ===

impl Askers {
    /// The latest, whose knowledge the next one begins with.
    fn last(&self) -> Option<Arc<Prober>> {
        self.lock().iter().rev().find_map(Weak::upgrade)
    }

    fn add(&self, prober: &Arc<Prober>) {
        let mut probers = self.lock();
        let this = Arc::as_ptr(prober);
        probers.retain(|other| other.strong_count() > 0 && other.as_ptr() != this);
        probers.push(Arc::downgrade(prober));
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Prober>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says of which instances the passive checks have no effect.
pub(super) fn warn(configs: &[InstanceConfig], resource: &str) {
    for config in configs {
        let checks = config.checks.as_ref();
        if checks.is_some_and(Checks::has_passive) {
            tracing::warn!(
                resource,
                instance = config.name,
                "checks.passive has no effect, as in APISIX; breaker does what it is meant for"
            );
        }
    }
}

/// What makes two probes the same. Credentials are in it as a checksum only.
fn identity(probe: &Probe) -> String {
    let mut hasher = DefaultHasher::new();
    for (name, value) in &probe.headers {
        (name.as_str(), value.as_bytes()).hash(&mut hasher);
    }
    probe.path.as_str().hash(&mut hasher);
    probe.body.hash(&mut hasher);
    let mut identity = format!("{}:{} {:016x}", probe.host, probe.port, hasher.finish());
    _ = write!(
        identity,
        " {:?} {:?} {} {} {:?} {} {:?} {:?}",
        probe.kind,
        probe.server_name,
        probe.method,
        probe.verify,
        probe.timeout,
        probe.concurrency,
        probe.rise,
        probe.fall,
    );
    identity
}

#[cfg(test)]
mod tests;
