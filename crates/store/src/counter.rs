//! Counters over fixed windows of time.

mod memory;
mod redis;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub use self::redis::{RedisCounters, RedisServer, RedisSettings, Sentinels};
pub use memory::MemoryCounters;

/// The longest window: a clock that counts on cannot add more than so much.
const LONGEST: Duration = Duration::from_hours(100 * 365 * 24);

/// Where counters are kept.
///
/// A counter's window begins when its key is touched first, be it only to look, and is as long as
/// that touch says. When it is over, the next touch begins another one at nothing.
#[derive(Clone, Debug)]
pub enum Counters {
    /// In this process.
    Memory(Arc<MemoryCounters>),
    /// In a Redis server.
    Redis(Arc<RedisCounters>),
}

/// What a counter says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tally {
    /// What was charged in the window, the last charge included.
    pub used: u64,
    /// How long the window goes on.
    pub left: Duration,
}

/// A counter that cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Nobody answered in time.
    #[error("redis did not answer within {0:?}")]
    Silent(Duration),
    /// The server cannot be reached, or answered with an error.
    #[error("redis failed: {0}")]
    Failed(String),
}

// === impl Counters ===

impl Counters {
    /// What the counter of `key` says, when nobody has to be waited for.
    pub fn look_at_once(&self, key: &str, window: Duration) -> Option<Tally> {
        match self {
            Self::Memory(counters) => Some(counters.charge(key, 0, window, Instant::now())),
            Self::Redis(_) => None,
        }
    }

    /// What the counter of `key` says.
    ///
    /// # Errors
    /// When it cannot be asked.
    pub async fn look(&self, key: &str, window: Duration) -> Result<Tally, StoreError> {
        match self {
            Self::Memory(counters) => Ok(counters.charge(key, 0, window, Instant::now())),
            Self::Redis(counters) => counters.look(key, window).await,
        }
    }

    /// Adds `cost` to the counter of `key`, without waiting for it.
    pub fn charge(&self, key: String, cost: u64, window: Duration) {
        match self {
            Self::Memory(counters) => {
                counters.charge(&key, cost, window, Instant::now());
            }
            Self::Redis(counters) => counters.charge(key, cost, window),
        }
    }
}
