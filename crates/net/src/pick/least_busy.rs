//! The target with the fewest calls in flight for its weight.

use super::in_flight::InFlight;
use super::{Lineage, Outcome, RoundRobin, Tried};

/// Chooses by calls in flight, divided by weight; those that are equally busy take turns by weight.
/// Picks may come from any thread.
///
/// Targets of weight 0 are never picked, unless all weigh 0: then all weigh the same.
#[derive(Debug)]
pub struct LeastBusy {
    weights: Box<[u32]>,
    turns: RoundRobin,
    in_flight: InFlight,
}

// === impl LeastBusy ===

impl LeastBusy {
    /// Takes the weights in the order of the targets.
    pub fn new(weights: impl IntoIterator<Item = u32>) -> Self {
        let weights = super::effective(weights);
        Self {
            turns: RoundRobin::new(weights.iter().copied()),
            in_flight: InFlight::new(weights.len()),
            weights,
        }
    }

    /// A picker of other targets that knows of those it has in common with this one what this one
    /// knows.
    #[must_use]
    pub fn heir(&self, weights: impl IntoIterator<Item = u32>, lineage: &Lineage) -> Self {
        Self {
            in_flight: self.in_flight.heir(lineage),
            ..Self::new(weights)
        }
    }

    /// The least busy target that is not in `tried`; `None` when all that may be picked are.
    pub fn pick(&self, tried: &Tried) -> Option<usize> {
        let busy = |index: usize| u64::from(self.in_flight.of(index));
        let mut least = None;
        for (index, weight) in super::left(&self.weights, tried) {
            let (calls, weight) = (busy(index), u64::from(weight));
            // calls / weight < least / its weight, without fractions
            let is_less = least.is_none_or(|(most, of)| calls * of < most * weight);
            if is_less {
                least = Some((calls, weight));
            }
        }
        let (most, of) = least?;
        let mut passed = tried.clone();
        for (index, weight) in super::left(&self.weights, tried) {
            if busy(index) * of > most * u64::from(weight) {
                passed.add(index);
            }
        }
        // Another thread may have made all of them busier in between.
        self.turns.pick(&passed).or_else(|| self.turns.pick(tried))
    }

    /// A call to this target begins.
    pub fn begin(&self, target: usize) {
        self.in_flight.begin(target);
    }

    /// A call to this target is over, however it went.
    pub fn settle(&self, target: usize, _outcome: &Outcome) {
        self.in_flight.end(target);
    }
}

#[cfg(test)]
mod tests;
