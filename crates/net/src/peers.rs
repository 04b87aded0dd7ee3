//! The addresses that a call may be made to, when that is not left to the resolver.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::time::Instant;

/// One address of an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The address; the port is that of the [`Origin`](crate::Origin).
    pub ip: IpAddr,
    /// When it was last found to be usable again, or to be no longer; `None` when neither ever was.
    /// Connections from before that moment are not used again.
    pub since: Option<Instant>,
}

/// Addresses in the order in which a call tries them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Peers {
    all: Arc<Vec<Peer>>,
    first: usize,
}

// === impl Peers ===

impl Peers {
    /// All of `all`, in their order, beginning at the index `first`; `None` when there is none.
    pub fn starting_at(all: Arc<Vec<Peer>>, first: usize) -> Option<Self> {
        let first = first.checked_rem(all.len())?;
        Some(Self { all, first })
    }

    /// The first one; the others are for when nothing listens there.
    pub fn first(&self) -> Option<Peer> {
        self.all.get(self.first).copied()
    }

    /// Each once, the first one first.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = Peer> + '_ {
        let (later, earlier) = self.all.split_at(self.first.min(self.all.len()));
        earlier.iter().chain(later).copied()
    }
}
