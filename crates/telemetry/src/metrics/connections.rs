//! Client connections and the state each is in.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ConnectionState {
    /// No request is under way.
    Waiting = 0,
    /// A request is being read.
    Reading = 1,
    /// An answer is being made or written.
    Writing = 2,
}

/// Counts one open connection until it is dropped.
#[derive(Debug)]
pub struct ConnectionGuard {
    connections: Arc<Connections>,
    state: AtomicU8,
}

#[derive(Debug, Default)]
pub(super) struct Connections {
    accepted: AtomicI64,
    requests: AtomicI64,
    states: [AtomicI64; 3],
}

// === impl ConnectionGuard ===

impl ConnectionGuard {
    pub(super) fn new(connections: Arc<Connections>) -> Self {
        connections.accepted.fetch_add(1, Ordering::Relaxed);
        connections.change(ConnectionState::Waiting as u8, 1);
        Self {
            connections,
            state: AtomicU8::new(ConnectionState::Waiting as u8),
        }
    }

    /// Says what the connection does from here on.
    pub fn set_state(&self, state: ConnectionState) {
        let before = self.state.swap(state as u8, Ordering::Relaxed);
        self.connections.change(before, -1);
        self.connections.change(state as u8, 1);
    }
}

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.connections.change(*self.state.get_mut(), -1);
    }
}

// === impl Connections ===

impl Connections {
    pub(super) fn request(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn requests(&self) -> i64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// The states that nginx reports. Here a connection that was accepted is also handled.
    pub(super) fn by_state(&self) -> [(&'static str, i64); 6] {
        let [idle, reading, writing] = self.states.each_ref().map(load);
        let accepted = load(&self.accepted);
        [
            ("active", idle + reading + writing),
            ("accepted", accepted),
            ("handled", accepted),
            ("reading", reading),
            ("writing", writing),
            ("waiting", idle),
        ]
    }

    fn change(&self, state: u8, by: i64) {
        if let Some(count) = self.states.get(usize::from(state)) {
            count.fetch_add(by, Ordering::Relaxed);
        }
    }
}

fn load(count: &AtomicI64) -> i64 {
    count.load(Ordering::Relaxed)
}
