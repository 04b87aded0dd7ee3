//! Counters in a Redis server, shared by everybody who counts there.

mod link;
mod queue;
mod settings;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use super::{StoreError, Tally};
use link::Link;
use queue::Queue;
pub use settings::{RedisServer, RedisSettings, Sentinels};

/// Counters in a Redis server, a cluster, or the server that sentinels name.
///
/// One connection serves all requests; it is made when it is needed first, and anew after any
/// failure.
#[derive(Debug)]
pub struct RedisCounters {
    link: Arc<Link>,
    queue: Queue,
}

// === impl RedisCounters ===

impl RedisCounters {
    /// Counters at this server. Nothing is sent yet.
    pub fn new(settings: RedisSettings) -> Self {
        let link = Arc::new(Link::new(settings));
        let queue = Queue::new(Arc::clone(&link));
        Self { link, queue }
    }

    /// What the counter of `key` says; its window begins now, if it has none.
    ///
    /// # Errors
    /// When the server does not answer in time, or with an error.
    pub async fn look(&self, key: &str, window: Duration) -> Result<Tally, StoreError> {
        self.link.charge(key, 0, window).await
    }

    /// Adds `cost` to the counter of `key` in the background, without waiting for it.
    ///
    /// What cannot be charged is told to the operator's log and lost: the window is over before
    /// anybody could make it good.
    pub fn charge(&self, key: String, cost: u64, window: Duration) {
        self.queue.push(key, cost, window);
    }
}
