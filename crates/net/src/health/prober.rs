//! One target, asked at all its addresses again and again.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::probe::Probe;
use super::state::{Finding, Health};
use crate::dns::Resolve;
use crate::lots::Lots;
use crate::peers::{Peer, Peers};

/// The longest time between two looks at the addresses of a name.
const LOOKUP: Duration = Duration::from_secs(5);

/// One target and how it is.
///
/// A target of whose addresses nothing is known yet counts as usable; so does one with at least one
/// usable address.
#[derive(Debug)]
pub struct Prober {
    probe: Probe,
    /// A turn is under way.
    busy: AtomicBool,
    tracking: Mutex<Tracking>,
    /// What requests need to know of it, at hand without a lock.
    standing: ArcSwap<Standing>,
    lots: Lots,
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

#[derive(Clone, Debug)]
struct Tracking {
    nodes: Vec<Tracked>,
    /// When the name is looked up again; `None` for an address.
    lookup: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Tracked {
    node: Node,
    due: Instant,
    /// When it last became usable, or ceased to be.
    since: Option<Instant>,
}

#[derive(Debug)]
struct Standing {
    usable: bool,
    /// The usable addresses; all of them when none is.
    peers: Arc<Vec<Peer>>,
}

/// Marks a turn, and ends it even when it is dropped.
struct Turn<'a>(&'a AtomicBool);

// === impl Prober ===

impl Prober {
    /// A target that is first asked when one interval has passed. What is known of the same target
    /// from `before` is taken over.
    pub fn new(probe: Probe, before: Option<&Self>) -> Self {
        let now = Instant::now();
        let known = before.map(|before| before.lock().nodes.clone());
        let mut nodes = known.unwrap_or_default();
        let literal = probe.host.parse::<IpAddr>().ok();
        if nodes.is_empty() {
            nodes.push(Tracked::new(
                literal.map(|ip| SocketAddr::new(ip, probe.port)),
                now,
            ));
        }
        for tracked in &mut nodes {
            tracked.due = now + probe.rise.interval;
        }
        let tracking = Tracking {
            nodes,
            lookup: literal.is_none().then_some(now),
        };
        Self {
            probe,
            busy: AtomicBool::new(false),
            standing: ArcSwap::from_pointee(Standing::of(&tracking.nodes)),
            tracking: Mutex::new(tracking),
            lots: Lots::new(),
        }
    }

    /// What is asked.
    pub fn probe(&self) -> &Probe {
        &self.probe
    }

    /// Whether requests may go to the target.
    pub fn is_usable(&self) -> bool {
        self.standing.load().usable
    }

    /// Where a request to the target goes: to a usable address by lot, or to any when none is
    /// usable; `None` while no address is known.
    pub fn peers(&self) -> Option<Peers> {
        let all = Arc::clone(&self.standing.load().peers);
        let first = self.lots.draw(all.len())?;
        Peers::starting_at(all, first)
    }

    /// Its addresses and how they are.
    pub fn nodes(&self) -> Vec<Node> {
        let tracking = self.lock();
        let nodes = tracking.nodes.iter();
        nodes.map(|tracked| tracked.node).collect()
    }

    /// Whether it is time for a turn, and none is under way.
    pub fn is_due(&self) -> bool {
        let now = Instant::now();
        !self.busy.load(Ordering::Relaxed) && self.lock().is_due(now)
    }

    /// Asks the addresses that are due, and takes their answers in.
    ///
    /// The name is looked up again first: new addresses are asked at once, those that are gone are
    /// forgotten, and the others keep what is known of them, in whatever order they come.
    pub async fn turn(self: &Arc<Self>, names: &impl Resolve) -> Vec<Change> {
        if self.busy.swap(true, Ordering::AcqRel) {
            return Vec::new();
        }
        let _turn = Turn(&self.busy);
        self.look_up(names).await;
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
            match answer {
                Ok((address, finding)) => changes.extend(self.take_in(address, finding)),
                // The next turn asks again.
                Err(error) => tracing::error!(host = &*self.probe.host, %error, "a probe broke"),
            }
        }
        changes
    }

    async fn look_up(&self, names: &impl Resolve) {
        let now = Instant::now();
        if !self.lock().take_lookup(now, self.probe.rise.interval) {
            return;
        }
        let Probe { host, port, .. } = &self.probe;
        let found = timeout(self.probe.timeout, names.resolve(host, *port)).await;
        let Ok(Ok(mut found)) = found else {
            // Without an answer, what is known stays.
            return;
        };
        if found.is_empty() {
            return;
        }
        found.sort_unstable();
        found.dedup();
        let mut tracking = self.lock();
        tracking.follow(&found, Instant::now());
        self.publish(&tracking.nodes);
    }

    /// The addresses that are due; each is due again when its interval has passed.
    fn take_due(&self) -> Vec<Option<SocketAddr>> {
        let now = Instant::now();
        let mut tracking = self.lock();
        let nodes = tracking.nodes.iter_mut();
        nodes
            .filter(|tracked| tracked.due <= now)
            .map(|tracked| {
                tracked.due = now + self.probe.interval(tracked.is_usable());
                tracked.node.address
            })
            .collect()
    }

    fn take_in(&self, address: Option<SocketAddr>, finding: Finding) -> Option<Change> {
        let mut tracking = self.lock();
        let mut nodes = tracking.nodes.iter_mut();
        let tracked = nodes.find(|tracked| tracked.node.address == address)?;
        let was_usable = tracked.is_usable();
        let health = &mut tracked.node.health;
        health.report(finding, &self.probe.rise, &self.probe.fall);
        let usable = tracked.is_usable();
        if usable == was_usable {
            return None;
        }
        let now = Instant::now();
        tracked.since = Some(now);
        tracked.due = now + self.probe.interval(usable);
        self.publish(&tracking.nodes);
        Some(Change { address, usable })
    }

    fn publish(&self, nodes: &[Tracked]) {
        self.standing.store(Arc::new(Standing::of(nodes)));
    }

    fn lock(&self) -> MutexGuard<'_, Tracking> {
        self.tracking.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Tracking ===

impl Tracking {
    fn is_due(&self, now: Instant) -> bool {
        self.lookup.is_some_and(|lookup| lookup <= now)
            || self.nodes.iter().any(|tracked| tracked.due <= now)
    }

    /// Whether the name is to be looked up now; it is then due again later.
    fn take_lookup(&mut self, now: Instant, interval: Duration) -> bool {
        let due = self.lookup.filter(|lookup| *lookup <= now);
        if due.is_some() {
            self.lookup = Some(now + interval.min(LOOKUP));
        }
        due.is_some()
    }

    /// Goes on with the addresses that were found.
    fn follow(&mut self, found: &[SocketAddr], now: Instant) {
        let nameless = self.find(None).map(|nameless| nameless.due);
        let tracked = |address: &SocketAddr| {
            let known = self.find(Some(*address)).copied();
            // The first addresses of a name are asked when the target was to be asked.
            known.unwrap_or(Tracked::new(Some(*address), nameless.unwrap_or(now)))
        };
        self.nodes = found.iter().map(tracked).collect();
    }

    fn find(&self, address: Option<SocketAddr>) -> Option<&Tracked> {
        let mut nodes = self.nodes.iter();
        nodes.find(|tracked| tracked.node.address == address)
    }
}

// === impl Tracked ===

impl Tracked {
    fn new(address: Option<SocketAddr>, due: Instant) -> Self {
        Self {
            node: Node {
                address,
                health: Health::default(),
            },
            due,
            since: None,
        }
    }

    fn is_usable(&self) -> bool {
        self.node.health.state.is_usable()
    }
}

// === impl Standing ===

impl Standing {
    fn of(nodes: &[Tracked]) -> Self {
        let usable = nodes.is_empty() || nodes.iter().any(Tracked::is_usable);
        let chosen = nodes
            .iter()
            .filter(|tracked| !usable || tracked.is_usable());
        let peers = chosen.filter_map(|tracked| {
            Some(Peer {
                ip: tracked.node.address?.ip(),
                since: tracked.since,
            })
        });
        Self {
            usable,
            peers: Arc::new(peers.collect()),
        }
    }
}

// === impl Turn ===

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
