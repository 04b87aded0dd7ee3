//! Weighted round robin, interleaved.
//!
//! A bar starts at the largest weight. The list is walked from a random place; whoever reaches the
//! bar is taken. After each full pass the bar is lowered by the weights' common divisor, and goes
//! back to the top when it would reach zero. So in any `sum(weight / divisor)` picks in a row each
//! target comes up exactly `weight / divisor` times, and heavy ones are not bunched.

use std::{
    hash::{BuildHasher, RandomState},
    sync::atomic::{AtomicU64, Ordering},
};

use super::Tried;

/// A weighted round robin over a fixed list. Picks are lock-free and may come from any thread.
///
/// Targets of weight 0 are never picked, unless all are: then all weigh the same. A single target
/// is picked whatever its weight.
#[derive(Debug)]
pub struct RoundRobin {
    weights: Box<[u32]>,
    top: u32,
    divisor: u32,
    /// The [`Place`] after the last pick.
    place: AtomicU64,
}

/// Where the walk stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// The target to look at next; may be one past the end.
    next: u32,
    bar: u32,
}

// === impl RoundRobin ===

impl RoundRobin {
    /// Takes the weights in the order of the targets, and starts at a random one.
    pub fn new(weights: impl IntoIterator<Item = u32>) -> Self {
        let mut picker = Self::from_first(weights);
        let targets = picker.weights.len() as u64;
        if targets > 0 {
            // The standard library seeds its hasher from the system's random source.
            let start = RandomState::new().hash_one(targets) % targets;
            picker.place = AtomicU64::new(
                Place {
                    next: low_half(start),
                    bar: picker.top,
                }
                .pack(),
            );
        }
        picker
    }

    /// Takes the weights, and starts at the first target.
    pub fn from_first(weights: impl IntoIterator<Item = u32>) -> Self {
        let mut weights: Box<[u32]> = weights.into_iter().collect();
        if weights.iter().all(|weight| *weight == 0) {
            weights.fill(1);
        }
        let top = weights.iter().copied().max().unwrap_or(1);
        let divisor = weights
            .iter()
            .copied()
            .fold(0, greatest_common_divisor)
            .max(1);
        let place = AtomicU64::new(Place { next: 0, bar: top }.pack());
        Self {
            weights,
            top,
            divisor,
            place,
        }
    }

    /// How many targets there are, those of weight 0 included.
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// Tells whether there is no target at all.
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// The next target that is not in `tried`; `None` when all that may be picked are.
    pub fn pick(&self, tried: &Tried) -> Option<usize> {
        let highest = self.highest_left(tried)?;
        let mut seen = self.place.load(Ordering::Relaxed);
        loop {
            let (index, place) = self.step(Place::unpack(seen), tried, highest)?;
            let swap = self.place.compare_exchange_weak(
                seen,
                place.pack(),
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            match swap {
                Ok(_) => return Some(index),
                Err(newer) => seen = newer,
            }
        }
    }

    /// The largest weight among the targets that are left.
    fn highest_left(&self, tried: &Tried) -> Option<u32> {
        if tried.is_empty() {
            return (!self.weights.is_empty()).then_some(self.top);
        }
        let left = self
            .weights
            .iter()
            .enumerate()
            .filter(|(index, _)| !tried.contains(*index));
        left.map(|(_, weight)| *weight)
            .max()
            .filter(|weight| *weight > 0)
    }

    /// Walks to the next target; the bar is never above what is left, so two passes suffice.
    fn step(&self, from: Place, tried: &Tried, highest: u32) -> Option<(usize, Place)> {
        let Place { next, mut bar } = from;
        let mut start = next as usize;
        for _ in 0..3 {
            let rest = self.weights.iter().enumerate().skip(start);
            for (index, weight) in rest {
                if *weight >= bar && !tried.contains(index) {
                    return Some((
                        index,
                        Place {
                            next: low_half(index as u64 + 1),
                            bar,
                        },
                    ));
                }
            }
            start = 0;
            bar = bar.saturating_sub(self.divisor);
            if bar == 0 {
                bar = self.top;
            }
            bar = bar.min(highest);
        }
        None
    }
}

// === impl Place ===

impl Place {
    fn pack(self) -> u64 {
        u64::from(self.next) << 32 | u64::from(self.bar)
    }

    fn unpack(packed: u64) -> Self {
        Self {
            next: low_half(packed >> 32),
            bar: low_half(packed),
        }
    }
}

/// A list longer than this would not fit in memory.
fn low_half(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).unwrap_or(u32::MAX)
}

pub(super) fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

#[cfg(test)]
mod tests;
