//! Weighted round robin, smooth.
//!
//! Every target has a balance. A pick pays each target that may be picked its weight, takes the one
//! that has most, the first of equals, and charges it what was paid to all. So in any
//! `sum(weight / divisor)` picks in a row each target comes up exactly `weight / divisor` times, and
//! the turns of a heavy one are spread over the round: 5, 1 and 1 give `a a b a c a a`.
//!
//! Source: nginx `src/http/ngx_http_upstream_round_robin.c`. apache/apisix has equal shares in another
//! order, `a a a a a b c`.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};

use super::Tried;

/// The most picks that a random start is away from the first one.
const LONGEST_START: u64 = 256;

/// A weighted round robin over a fixed list. Picks may come from any thread.
///
/// Targets of weight 0 are never picked, unless all are: then all weigh the same. A single target
/// is picked whatever its weight.
#[derive(Debug)]
pub struct RoundRobin {
    weights: Box<[u32]>,
    /// What each target is owed; together nothing. Held for one walk over the list.
    balances: Mutex<Box<[i64]>>,
}

// === impl RoundRobin ===

impl RoundRobin {
    /// Takes the weights in the order of the targets, and starts at a random place of the round.
    pub fn new(weights: impl IntoIterator<Item = u32>) -> Self {
        let picker = Self::from_first(weights);
        let round = picker.round().min(LONGEST_START);
        // The standard library seeds its hasher from the system's random source.
        let lot = RandomState::new().hash_one(round);
        for _ in 0..lot.checked_rem(round).unwrap_or(0) {
            picker.pick(&Tried::new());
        }
        picker
    }

    /// Takes the weights, and starts at the first pick of a round.
    pub fn from_first(weights: impl IntoIterator<Item = u32>) -> Self {
        let weights = super::effective(weights);
        Self {
            balances: Mutex::new(vec![0; weights.len()].into()),
            weights,
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
    ///
    /// Those in `tried` neither gain nor lose: their turns are not made up for.
    pub fn pick(&self, tried: &Tried) -> Option<usize> {
        let mut balances = self.balances.lock().unwrap_or_else(PoisonError::into_inner);
        let mut paid = 0;
        let mut most = None;
        for (index, weight) in super::left(&self.weights, tried) {
            let balance = balances.get_mut(index)?;
            *balance += i64::from(weight);
            paid += i64::from(weight);
            if most.is_none_or(|(_, most)| *balance > most) {
                most = Some((index, *balance));
            }
        }
        let (index, _) = most?;
        *balances.get_mut(index)? -= paid;
        Some(index)
    }

    /// How many picks a round has.
    fn round(&self) -> u64 {
        let weights = self.weights.iter().copied();
        let divisor = weights.clone().fold(0, greatest_common_divisor);
        let sum = weights.map(u64::from).sum::<u64>();
        sum.checked_div(divisor.into()).unwrap_or(0)
    }
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
