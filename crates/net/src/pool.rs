//! Connections that wait for the next call: bounded queues without a lock.

use std::{net::IpAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use crossbeam_queue::ArrayQueue;
use tokio::time::Instant;

use crate::{client::Live, origin::KeepAlive, peers::Peer};

/// The idle connections of one origin.
pub(crate) struct Pool {
    policy: KeepAlive,
    /// Those of calls that leave the address to the resolver.
    anywhere: Arc<Shelf>,
    /// Those of calls to one address, by that address.
    places: ArcSwap<Vec<(IpAddr, Arc<Shelf>)>>,
}

/// Idle connections that are as good as each other.
pub(crate) struct Shelf {
    idle: ArrayQueue<Idle>,
    longest: Duration,
    requests: Option<u64>,
}

struct Idle {
    live: Box<Live>,
    since: Instant,
}

// === impl Pool ===

impl Pool {
    /// A pool of the given size for each address; none when nothing may be kept.
    pub(crate) fn new(policy: KeepAlive) -> Option<Self> {
        (policy.size > 0).then(|| Self {
            policy,
            anywhere: Arc::new(Shelf::new(policy)),
            places: ArcSwap::default(),
        })
    }

    /// Where the connections of calls to this address lie; of those to any, when there is none.
    pub(crate) fn shelf(&self, ip: Option<IpAddr>) -> Arc<Shelf> {
        let Some(ip) = ip else {
            return Arc::clone(&self.anywhere);
        };
        if let Some(known) = find(&self.places.load(), ip) {
            return known;
        }
        let fresh = Arc::new(Shelf::new(self.policy));
        let mut chosen = Arc::clone(&fresh);
        self.places.rcu(|places| {
            // Another call may have been faster.
            if let Some(known) = find(places, ip) {
                chosen = known;
                return Arc::clone(places);
            }
            chosen = Arc::clone(&fresh);
            let mut more = Vec::clone(places);
            more.push((ip, Arc::clone(&fresh)));
            Arc::new(more)
        });
        chosen
    }

    pub(crate) fn len(&self) -> usize {
        let places = self.places.load();
        let kept: usize = places.iter().map(|(_, shelf)| shelf.idle.len()).sum();
        self.anywhere.idle.len() + kept
    }

    /// Closes what has lain too long, and forgets addresses with nothing left.
    pub(crate) fn drop_expired(&self) {
        self.anywhere.drop_expired();
        let places = self.places.load();
        for (_, shelf) in places.iter() {
            shelf.drop_expired();
        }
        let is_bare = |(_, shelf): &(IpAddr, Arc<Shelf>)| shelf.idle.is_empty();
        if places.iter().any(is_bare) {
            // A call that comes back to a shelf that is gone closes its connection.
            self.places.rcu(|places| {
                let kept = places.iter().filter(|place| !is_bare(place));
                kept.cloned().collect::<Vec<_>>()
            });
        }
    }
}

fn find(places: &[(IpAddr, Arc<Shelf>)], ip: IpAddr) -> Option<Arc<Shelf>> {
    let mut places = places.iter();
    let (_, shelf) = places.find(|(known, _)| *known == ip)?;
    Some(Arc::clone(shelf))
}

// === impl Shelf ===

impl Shelf {
    fn new(policy: KeepAlive) -> Self {
        Self {
            idle: ArrayQueue::new(policy.size),
            longest: policy.idle,
            requests: policy.requests,
        }
    }

    /// Takes a connection that is still usable; those that are not are closed on the way, as are
    /// those that are older than the last change of `peer`.
    pub(crate) fn take(&self, peer: Option<Peer>) -> Option<Box<Live>> {
        let now = Instant::now();
        let changed = peer.and_then(|peer| peer.since);
        while let Some(mut idle) = self.idle.pop() {
            let is_of_before = changed.is_some_and(|changed| idle.live.opened() < changed);
            if !is_of_before && self.is_fresh(&idle, now) && idle.live.is_usable() {
                return Some(idle.live);
            }
        }
        None
    }

    /// Keeps a connection whose call has ended; a full shelf closes it.
    pub(crate) fn put(&self, live: Box<Live>) {
        if self.requests.is_some_and(|most| live.served() >= most) {
            return;
        }
        drop(self.idle.push(Idle {
            live,
            since: Instant::now(),
        }));
    }

    fn drop_expired(&self) {
        let now = Instant::now();
        // Each connection is looked at once: what calls return meanwhile goes to the end.
        for _ in 0..self.idle.len() {
            let Some(mut idle) = self.idle.pop() else {
                return;
            };
            if self.is_fresh(&idle, now) && idle.live.is_usable() {
                drop(self.idle.push(idle));
            }
        }
    }

    fn is_fresh(&self, idle: &Idle, now: Instant) -> bool {
        now.saturating_duration_since(idle.since) < self.longest
    }
}
