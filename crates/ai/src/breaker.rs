//! A breaker per instance: what real requests have shown of it, and when it should be asked again.
//!
//! It is closed until a clear run of faults opens it. While it is open others are preferred; when its
//! time has come one request, and one only, probes whether the instance has recovered. A breaker only
//! advises: whoever has nobody else to ask asks all the same, see [`Breaker::force`].
//!
//! Everything a request does here is a few loads and one compare-and-swap.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::blame::Blame;

mod state;
#[cfg(test)]
mod tests;

use state::{Kind, State};

/// The longest wait that an upstream may ask for.
const LONGEST_FLOOR: Duration = Duration::from_hours(24);

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerSettings {
    /// Faults of the provider in a row that open it.
    pub faults: u8,
    /// The time within which these come.
    pub window: Duration,
    /// Faults of the key in a row that open it, whatever lies between them.
    pub key_faults: u8,
    /// How long it is open at first; doubled by each probe that fails.
    pub open: Duration,
    /// The longest it is open, unless the upstream asks for more.
    pub longest: Duration,
}

/// What is known of one instance. Shared by all snapshots in which the instance is the same.
#[derive(Debug)]
pub struct Breaker {
    /// Whose it is, for the log: resource and instance.
    owner: [Box<str>; 2],
    settings: BreakerSettings,
    /// Times below are milliseconds since then.
    born: Instant,
    state: AtomicU64,
    /// Until when the upstream has asked not to be asked; zero when it has not.
    told: AtomicU64,
    provider: Run,
    key: Run,
}

/// What an attempt has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// The instance answered.
    Success,
    /// It failed, and may have asked to be left alone for a while.
    Fault(Blame, Option<Duration>),
    /// Nothing about the instance.
    Nothing,
}

/// Leave for one attempt. Dropped without a finding, it gives a probe back to others.
#[derive(Debug)]
pub struct Permit {
    breaker: Arc<Breaker>,
    /// How often the breaker had opened when the leave was given.
    epoch: u16,
    kind: PermitKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PermitKind {
    Plain,
    /// Decides whether the breaker closes.
    Probe,
    /// Given although the breaker was open.
    Forced,
}

/// Faults in a row, and when the latest of them happened.
#[derive(Debug)]
struct Run {
    length: AtomicU64,
    times: Box<[AtomicU64]>,
}

// === impl Breaker ===

impl Breaker {
    /// The closed breaker of an instance of a resource.
    pub fn new(resource: &str, instance: &str, settings: BreakerSettings) -> Self {
        Self {
            owner: [resource.into(), instance.into()],
            born: Instant::now(),
            state: AtomicU64::new(State::default().pack()),
            told: AtomicU64::new(0),
            provider: Run::new(settings.faults),
            key: Run::new(settings.key_faults),
            settings,
        }
    }

    /// In what time it should be asked again; `None` when it may be at once.
    pub fn opens_in(&self) -> Option<Duration> {
        let (state, now) = (self.load(), self.now());
        match state.kind {
            Kind::Closed => None,
            Kind::Open if state.until <= now => None,
            Kind::Open => Some(millis(state.until - now)),
            Kind::Probing => Some(millis(state.until.saturating_sub(now))),
        }
    }

    /// In what time the instance can be expected to answer; `None` when nothing is known of that.
    pub fn recovers_in(&self) -> Option<Duration> {
        let told = self.told.load(Ordering::Relaxed);
        let told = told.checked_sub(self.now()).filter(|left| *left > 0);
        self.opens_in().max(told.map(millis))
    }

    /// Leave for an attempt; `None` while it is open, or somebody else probes.
    pub fn claim(self: &Arc<Self>) -> Option<Permit> {
        let state = self.load();
        match state.kind {
            Kind::Closed => Some(self.permit(state, PermitKind::Plain)),
            Kind::Open if state.until <= self.now() => self.probe(state),
            Kind::Open | Kind::Probing => None,
        }
    }

    /// Leave for an attempt whatever is known, for want of a better instance. Before its time it is
    /// no probe: its success closes the breaker, its failure tells nothing new.
    pub fn force(self: &Arc<Self>) -> Permit {
        let permit = || self.permit(self.load(), PermitKind::Forced);
        self.claim().unwrap_or_else(permit)
    }

    fn probe(self: &Arc<Self>, state: State) -> Option<Permit> {
        let probing = State {
            kind: Kind::Probing,
            until: (self.now() + self.wait(state.level)).max(state.until),
            ..state
        };
        let is_ours = self.swap(state, probing);
        is_ours.then(|| self.permit(probing, PermitKind::Probe))
    }

    fn permit(self: &Arc<Self>, state: State, kind: PermitKind) -> Permit {
        Permit {
            breaker: Arc::clone(self),
            epoch: state.epoch,
            kind,
        }
    }

    /// The answer of an attempt closes the breaker that it was let through.
    fn succeed(&self, epoch: u16) {
        let state = self.load();
        if state.epoch != epoch {
            // An answer to a question from before it opened says nothing of the time since.
            return;
        }
        self.provider.end();
        self.key.end();
        self.told.store(0, Ordering::Relaxed);
        if state.kind != Kind::Closed && self.swap(state, state.closed()) {
            let [resource, instance] = &self.owner;
            tracing::info!(
                resource = &**resource,
                instance = &**instance,
                "an instance that was left alone answers again"
            );
        }
    }

    fn fail(&self, permit: (u16, PermitKind), blame: Blame, floor: Option<Duration>) {
        let now = self.now();
        let floor = floor.map_or(0, |floor| now + whole_millis(floor.min(LONGEST_FLOOR)));
        self.told.fetch_max(floor, Ordering::Relaxed);
        let (epoch, kind) = permit;
        let state = self.load();
        let is_of_now = state.epoch == epoch;
        if state.kind == Kind::Closed && is_of_now && self.is_clear(blame, now) {
            self.open(state, 0, (blame, floor));
        } else if state.kind == Kind::Probing && is_of_now && kind == PermitKind::Probe {
            self.open(state, state.level.saturating_add(1), (blame, floor));
        } else if state.kind == Kind::Open && floor > state.until {
            let until = floor;
            self.swap(state, State { until, ..state });
        }
    }

    /// Whether this fault completes a run that tells enough.
    fn is_clear(&self, blame: Blame, now: u64) -> bool {
        match blame {
            Blame::Key => self.key.add(now).is_some(),
            Blame::Provider => self.provider.add(now).is_some_and(|first| {
                now.saturating_sub(first) <= whole_millis(self.settings.window)
            }),
            Blame::Client | Blame::ContextLength => false,
        }
    }

    fn open(&self, state: State, level: u8, (blame, floor): (Blame, u64)) {
        let now = self.now();
        let until = (now + self.wait(level)).max(floor);
        if self.swap(state, state.opened(level, until)) {
            self.provider.end();
            self.key.end();
            let [resource, instance] = &self.owner;
            tracing::warn!(
                resource = &**resource,
                instance = &**instance,
                fault = blame.name(),
                for_ms = until - now,
                "an instance fails again and again, others are asked first for a while"
            );
        }
    }

    /// How long it is open after `level` probes have failed.
    fn wait(&self, level: u8) -> u64 {
        let factor = 1u32.checked_shl(level.into()).unwrap_or(u32::MAX);
        let wait = self.settings.open.saturating_mul(factor);
        whole_millis(wait.min(self.settings.longest))
    }

    /// A probe that came to nothing: the next request may be one.
    fn give_back(&self, epoch: u16) {
        let state = self.load();
        if state.kind == Kind::Probing && state.epoch == epoch {
            let until = self.now();
            self.swap(
                state,
                State {
                    kind: Kind::Open,
                    until,
                    ..state
                },
            );
        }
    }

    fn load(&self) -> State {
        State::unpack(self.state.load(Ordering::Acquire))
    }

    /// Puts `next` in the place of `state`, unless somebody else was first: then theirs stands.
    fn swap(&self, state: State, next: State) -> bool {
        let order = (Ordering::AcqRel, Ordering::Acquire);
        self.state
            .compare_exchange(state.pack(), next.pack(), order.0, order.1)
            .is_ok()
    }

    fn now(&self) -> u64 {
        whole_millis(self.born.elapsed())
    }
}

// === impl Permit ===

impl Permit {
    /// Whether this attempt decides whether the breaker closes.
    pub fn is_probe(&self) -> bool {
        self.kind == PermitKind::Probe
    }

    /// Ends the attempt with what it has shown.
    pub(crate) fn settle(self, finding: Finding) {
        match finding {
            Finding::Success => self.breaker.succeed(self.epoch),
            Finding::Fault(blame, floor) if blame.is_of_instance() => {
                self.breaker.fail((self.epoch, self.kind), blame, floor);
            }
            // Dropping it gives a probe back.
            Finding::Fault(..) | Finding::Nothing => {}
        }
    }

    /// Closes the breaker as soon as it gets its answer although it was open, long before that has
    /// ended.
    pub(crate) fn answered(&mut self) {
        if self.kind != PermitKind::Plain {
            self.breaker.succeed(self.epoch);
            self.kind = PermitKind::Plain;
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.is_probe() {
            self.breaker.give_back(self.epoch);
        }
    }
}

// === impl Run ===

impl Run {
    fn new(length: u8) -> Self {
        Self {
            length: AtomicU64::new(0),
            times: (0..length.max(1)).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// Adds a fault; the time of the first one of a run that is long enough.
    fn add(&self, now: u64) -> Option<u64> {
        let enough = self.times.len() as u64;
        let index = self.length.fetch_add(1, Ordering::AcqRel);
        let slot = |index: u64| {
            let place = usize::try_from(index % enough).ok()?;
            self.times.get(place)
        };
        slot(index)?.store(now, Ordering::Release);
        if index + 1 < enough {
            return None;
        }
        Some(slot(index + 1)?.load(Ordering::Acquire))
    }

    fn end(&self) {
        self.length.store(0, Ordering::Release);
    }
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn whole_millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
