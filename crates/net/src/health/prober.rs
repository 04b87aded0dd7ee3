//! One target, asked at all its addresses again and again.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::probe::Probe;
use super::state::{Finding, Health};
use crate::dns;

/// One target and how it is.
///
/// A target of whose addresses nothing is known yet counts as usable; so does one with at least one
/// usable address.
#[derive(Debug)]
pub struct Prober {
    probe: Probe,
    usable: AtomicBool,
    /// A turn is under way.
    busy: AtomicBool,
    nodes: Mutex<Vec<Tracked>>,
}

/// An address of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Node {
    /// The address; `None` while the target's name has none.
    pub address: Option<SocketAddr>,
    /// How it is.
    pub health: Health,
}

/// An address that became usable, or ceased to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// The address; `None` when the target's name has none.
    pub address: Option<SocketAddr>,
    /// Whether requests may go there.
    pub usable: bool,
}

#[derive(Clone, Copy, Debug)]
struct Tracked {
    node: Node,
    due: Instant,
}

/// Marks a turn, and ends it even when it is dropped.
struct Turn<'a>(&'a AtomicBool);

// === impl Prober ===

impl Prober {
    /// A target that is first asked when one interval has passed. What is known of the same target
    /// from `before` is taken over.
    pub fn new(probe: Probe, before: Option<&Self>) -> Self {
        let due = Instant::now() + probe.rise.interval;
        let unknown = Node {
            address: None,
            health: Health::default(),
        };
        let known = before.map(Self::nodes).unwrap_or_default();
        let nodes = if known.is_empty() {
            vec![unknown]
        } else {
            known
        };
        let prober = Self {
            probe,
            usable: AtomicBool::new(true),
            busy: AtomicBool::new(false),
            nodes: Mutex::new(
                nodes
                    .into_iter()
                    .map(|node| Tracked { node, due })
                    .collect(),
            ),
        };
        prober.settle(&prober.lock());
        prober
    }

    /// What is asked.
    pub fn probe(&self) -> &Probe {
        &self.probe
    }

    /// Whether requests may go to the target.
    pub fn is_usable(&self) -> bool {
        self.usable.load(Ordering::Relaxed)
    }

    /// Its addresses and how they are.
    pub fn nodes(&self) -> Vec<Node> {
        self.lock().iter().map(|tracked| tracked.node).collect()
    }

    /// Whether it is time for a turn, and none is under way.
    pub fn is_due(&self) -> bool {
        let now = Instant::now();
        !self.busy.load(Ordering::Relaxed) && self.lock().iter().any(|tracked| tracked.due <= now)
    }

    /// Asks the addresses that are due, and takes their answers in.
    ///
    /// The name is resolved again first: new addresses are asked at once, those that are gone are
    /// forgotten, and the others keep what is known of them, in whatever order they come.
    pub async fn turn(self: &Arc<Self>) -> Vec<Change> {
        if self.busy.swap(true, Ordering::AcqRel) {
            return Vec::new();
        }
        let _turn = Turn(&self.busy);
        self.resolve().await;
        let mut asked = JoinSet::new();
        let places = Arc::new(Semaphore::new(self.probe.concurrency.max(1)));
        for address in self.take_due() {
            let (prober, places) = (Arc::clone(self), Arc::clone(&places));
            asked.spawn(async move {
                let _place = places.acquire_owned().await;
                let finding = match address {
                    Some(address) => prober.probe.ask(address).await,
                    None => Finding::TcpFailure,
                };
                (address, finding)
            });
        }
        let mut changes = Vec::new();
        while let Some(answer) = asked.join_next().await {
            if let Ok((address, finding)) = answer {
                changes.extend(self.take_in(address, finding));
            }
        }
        changes
    }

    async fn resolve(&self) {
        let Probe { host, port, .. } = &self.probe;
        let found = timeout(self.probe.timeout, dns::resolve(host, *port)).await;
        // Without an answer, what is known stays.
        let Ok(Ok(mut found)) = found else {
            return;
        };
        found.sort_unstable();
        found.dedup();
        let mut nodes = self.lock();
        let now = Instant::now();
        let tracked = |address: SocketAddr| {
            let known = nodes
                .iter()
                .find(|known| known.node.address == Some(address));
            known.copied().unwrap_or(Tracked {
                node: Node {
                    address: Some(address),
                    health: Health::default(),
                },
                due: now,
            })
        };
        *nodes = found.into_iter().map(tracked).collect();
        self.settle(&nodes);
    }

    /// The addresses that are due; each is due again when its interval has passed.
    fn take_due(&self) -> Vec<Option<SocketAddr>> {
        let now = Instant::now();
        let mut nodes = self.lock();
        let due = nodes.iter_mut().filter(|tracked| tracked.due <= now);
        due.map(|tracked| {
            let interval = self.probe.interval(tracked.node.health.state.is_usable());
            tracked.due = now + interval;
            tracked.node.address
        })
        .collect()
    }

    fn take_in(&self, address: Option<SocketAddr>, finding: Finding) -> Option<Change> {
        let mut nodes = self.lock();
        let tracked = nodes
            .iter_mut()
            .find(|tracked| tracked.node.address == address)?;
        let health = &mut tracked.node.health;
        let was_usable = health.state.is_usable();
        health.report(finding, &self.probe.rise, &self.probe.fall);
        let usable = health.state.is_usable();
        if usable != was_usable {
            tracked.due = Instant::now() + self.probe.interval(usable);
        }
        self.settle(&nodes);
        (usable != was_usable).then_some(Change { address, usable })
    }

    fn settle(&self, nodes: &[Tracked]) {
        let usable = nodes
            .iter()
            .any(|tracked| tracked.node.health.state.is_usable());
        self.usable
            .store(usable || nodes.is_empty(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Tracked>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Turn ===

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
