//! What is remembered between requests: counters over windows of time.
//!
//! Knows: how a counter is kept, in the memory of this process or in a Redis server.
//!
//! Does not know: who counts what, or which request is let through.
//!
//! ```
//! use std::time::Duration;
//! use store::MemoryCounters;
//! use tokio::time::Instant;
//!
//! let counters = MemoryCounters::default();
//! let (minute, now) = (Duration::from_secs(60), Instant::now());
//! counters.charge("jack", 7, minute, now);
//! assert_eq!(counters.charge("jack", 0, minute, now).used, 7);
//! ```

mod counter;

pub use counter::{
    Counters, MemoryCounters, RedisCounters, RedisServer, RedisSettings, Sentinels, StoreError,
    Tally,
};
