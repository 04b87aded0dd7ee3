//! Counters in the memory of this process.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::time::Instant;

use super::{LONGEST, Tally};

/// Keys are spread over this many maps, so that adding one rarely meets anybody.
const SHARDS: usize = 64;
/// Of so many counters, the one that was charged least is forgotten when there are too many.
const CANDIDATES: usize = 8;
/// A longer key is kept as a checksum: clients choose what stands in some.
const LONGEST_KEY: usize = 256;
/// How many counters there may be at once, all shards together.
const MOST: usize = 1 << 18;

/// Counters of this process over fixed windows of time, at most 2^18 of them.
///
/// A counter's window begins when its key is touched first, be it only to look, and is as long as
/// that touch says. When it is over, the next touch begins another one at nothing.
///
/// A counter that exists is charged by an atomic addition, under a lock that only a new key takes
/// alone. Of a key beyond 256 bytes a checksum of 128 bits is kept. What is over is removed while
/// new keys come; when there are too many all the same, one of those that began first is forgotten,
/// and of these the one that was charged least.
#[derive(Debug)]
pub struct MemoryCounters {
    hasher: RandomState,
    /// For the other half of checksums.
    second: RandomState,
    shards: Box<[RwLock<Shard>]>,
    most_per_shard: usize,
    has_forgotten: AtomicBool,
}

#[derive(Debug, Default)]
struct Shard {
    counters: HashMap<Arc<str>, Counter>,
    /// The keys of `counters`, each once: the one to be looked at next in front.
    order: VecDeque<Arc<str>>,
}

#[derive(Debug)]
struct Counter {
    used: AtomicU64,
    ends: Instant,
}

// === impl MemoryCounters ===

impl Default for MemoryCounters {
    fn default() -> Self {
        Self::with_room_for(MOST)
    }
}

impl MemoryCounters {
    fn with_room_for(most: usize) -> Self {
        Self {
            hasher: RandomState::new(),
            second: RandomState::new(),
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            most_per_shard: most.div_ceil(SHARDS),
            has_forgotten: AtomicBool::new(false),
        }
    }

    /// Adds `cost` to the counter of `key` at the time `now`, and tells what it says then; a cost of 0
    /// only looks.
    pub fn charge(&self, key: &str, cost: u64, window: Duration, now: Instant) -> Tally {
        let key = &*self.short(key);
        let shard = self.shard(key);
        let known = shard.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(tally) = known.charge(key, cost, now) {
            return tally;
        }
        drop(known);
        let mut shard = shard.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(tally) = shard.charge(key, cost, now) {
            // Somebody else was faster to begin it.
            return tally;
        }
        let window = window.min(LONGEST);
        if shard.begin(key, cost, now + window, now, self.most_per_shard)
            && !self.has_forgotten.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                counters = self.most_per_shard * SHARDS,
                "too many counters: early ones that were charged little are forgotten before their time"
            );
        }
        Tally {
            used: cost,
            left: window,
        }
    }

    /// How many counters are kept, those included that are over and not yet removed.
    pub fn len(&self) -> usize {
        let lengths = self.shards.iter().map(|shard| {
            let shard = shard.read().unwrap_or_else(PoisonError::into_inner);
            shard.counters.len()
        });
        lengths.sum()
    }

    /// Whether no counter is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What stands for a key: nobody can make two with one checksum, whose secret is this process's.
    fn short<'k>(&self, key: &'k str) -> Cow<'k, str> {
        if key.len() <= LONGEST_KEY {
            return key.into();
        }
        let [first, second] = [&self.hasher, &self.second].map(|half| half.hash_one(key));
        format!("\0{first:016x}{second:016x}").into()
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a part of the hash is as good as the whole"
    )]
    fn shard(&self, key: &str) -> &RwLock<Shard> {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }
}

// === impl Shard ===

impl Shard {
    /// Charges a counter whose window goes on.
    fn charge(&self, key: &str, cost: u64, now: Instant) -> Option<Tally> {
        let counter = self.counters.get(key)?;
        let left = counter.ends.checked_duration_since(now)?;
        if left.is_zero() {
            return None;
        }
        let used = if cost == 0 {
            counter.used.load(Ordering::Relaxed)
        } else {
            let add = |used: u64| used.saturating_add(cost);
            let before = counter
                .used
                .update(Ordering::Relaxed, Ordering::Relaxed, add);
            add(before)
        };
        Some(Tally { used, left })
    }

    /// Begins a window; whether another counter had to be forgotten for it.
    fn begin(&mut self, key: &str, used: u64, ends: Instant, now: Instant, most: usize) -> bool {
        let fresh = Counter {
            used: AtomicU64::new(used),
            ends,
        };
        if let Some(over) = self.counters.get_mut(key) {
            *over = fresh;
            return false;
        }
        self.tidy(now);
        let forgets = self.counters.len() >= most;
        if forgets {
            self.forget();
        }
        let key: Arc<str> = key.into();
        self.order.push_back(Arc::clone(&key));
        self.counters.insert(key, fresh);
        forgets
    }

    /// Removes one although it goes on: of those in front the one that was charged least, so that
    /// nobody gets a new budget by making counters of which nothing is used.
    fn forget(&mut self) {
        let used = |key: &Arc<str>| {
            let counter = self.counters.get(key);
            counter.map_or(0, |counter| counter.used.load(Ordering::Relaxed))
        };
        let candidates = self.order.iter().take(CANDIDATES).enumerate();
        let least = candidates.min_by_key(|(_, key)| used(key));
        let least = least.map(|(index, _)| index);
        if let Some(key) = least.and_then(|index| self.order.remove(index)) {
            self.counters.remove(&key);
        }
    }

    /// Removes what is over. Two are looked at for each that comes, so that there are never many more
    /// than there must be and nobody waits for a great cleaning.
    fn tidy(&mut self, now: Instant) {
        for _ in 0..2 {
            let Some(key) = self.order.pop_front() else {
                return;
            };
            let is_over = |counter: &Counter| counter.ends <= now;
            if self.counters.get(&key).is_none_or(is_over) {
                self.counters.remove(&key);
            } else {
                self.order.push_back(key);
            }
        }
    }
}
