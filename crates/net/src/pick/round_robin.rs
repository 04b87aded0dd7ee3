//! Weighted round robin, smooth.
//!
//! Every target has a balance. A turn pays each target its weight, takes the one that has most, the
//! first of equals, and charges it what was paid to all. So in any `sum(weight / divisor)` turns in a
//! row each target comes up exactly `weight / divisor` times, and the turns of a heavy one are spread
//! over the round: 5, 1 and 1 give `a a b a c a a`. The order repeats, so one round is written down
//! beforehand, and a pick is a step along it.
//!
//! A pick that has to pass over some goes on to the next turn of somebody else, from where the last
//! pick that passed over the same ones ended. That way those who are left come up as often in a round
//! as they weigh. Were it one place for all picks, the turns of one that is passed over would all fall
//! to whoever comes after it.
//!
//! Source: nginx `src/http/ngx_http_upstream_round_robin.c`. apache/apisix has equal shares in another
//! order, `a a a a a b c`.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use super::Tried;
use crate::lots::{Lots, mixed};

/// The most turns of a round, one for each target beside; 32 KiB.
const MOST_TURNS: u64 = 4096;

/// Up to so many targets, every set of them that is passed over has a place of its own.
const MOST_APART: usize = 8;

/// A weighted round robin over a fixed list. Picks are lock-free and may come from any thread.
///
/// Targets of weight 0 are never picked, unless all are: then all weigh the same. A single target
/// is picked whatever its weight. Weights whose round would have more than 4,096 turns are scaled down
/// to that, though none below one turn.
#[derive(Debug)]
pub struct RoundRobin {
    /// How many targets there are.
    targets: usize,
    /// Whose turn it is, one after the other.
    round: Box<[u32]>,
    owners: Box<[Owner]>,
    /// How many picks there were that passed over nobody.
    turn: AtomicUsize,
    /// Where in the round picks that pass over some go on, by whom they pass over.
    places: Box<[AtomicU32]>,
}

/// A target that has turns.
#[derive(Debug)]
struct Owner {
    index: u32,
    /// Where in the round, in order.
    turns: Box<[u32]>,
}

// === impl RoundRobin ===

impl RoundRobin {
    /// Takes the weights in the order of the targets, and starts at a random place of the round.
    pub fn new(weights: impl IntoIterator<Item = u32>) -> Self {
        let mut picker = Self::from_first(weights);
        let (lots, round) = (Lots::new(), picker.round.len());
        *picker.turn.get_mut() = lots.draw(round).unwrap_or(0);
        for place in &mut picker.places {
            *place.get_mut() = lots.draw(round).map_or(0, stored);
        }
        picker
    }

    /// Takes the weights, and starts at the first turn of a round.
    pub fn from_first(weights: impl IntoIterator<Item = u32>) -> Self {
        let weights = super::effective(weights);
        let units = super::units(&weights, MOST_TURNS);
        let round = round(&units);
        Self {
            targets: weights.len(),
            owners: owners(&round, weights.len()),
            round,
            turn: AtomicUsize::new(0),
            places: (0..1_usize << weights.len().min(MOST_APART))
                .map(|_| AtomicU32::new(0))
                .collect(),
        }
    }

    /// How many targets there are, those of weight 0 included.
    pub fn len(&self) -> usize {
        self.targets
    }

    /// Tells whether there is no target at all.
    pub fn is_empty(&self) -> bool {
        self.targets == 0
    }

    /// The next target that is not in `tried`; `None` when all that may be picked are.
    ///
    /// Picks with other sets of `tried` do not count as turns of each other.
    pub fn pick(&self, tried: &Tried) -> Option<usize> {
        if tried.is_empty() {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            let turn = turn.checked_rem(self.round.len())?;
            return self.round.get(turn).map(|index| *index as usize);
        }
        let left = self.owners.iter();
        let left = left.filter(|owner| !tried.contains(owner.index as usize));
        let mut others = left.clone();
        let first = others.next()?;
        if others.next().is_none() {
            return Some(first.index as usize);
        }
        let round = stored(self.round.len());
        let mut found = None;
        let step = |place: u32| {
            let next = left.clone().map(|owner| (owner.after(place, round), owner));
            let (turn, owner) = next.min_by_key(|(turn, _)| *turn)?;
            found = Some(owner.index as usize);
            (turn + 1).checked_rem(round)
        };
        let place = self.place(tried)?;
        // It never declines: somebody is left.
        _ = place.fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
        found
    }

    /// Where picks go on that pass over these.
    fn place(&self, tried: &Tried) -> Option<&AtomicU32> {
        let number = match tried.words() {
            [word] if self.targets <= MOST_APART => *word,
            words => words.iter().fold(0, |number: u64, word| {
                mixed((number ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15))
            }),
        };
        let place = number.checked_rem(self.places.len() as u64)?;
        self.places.get(usize::try_from(place).ok()?)
    }
}

// === impl Owner ===

impl Owner {
    /// Its next turn at or after a place; one of the next round is `round` later.
    fn after(&self, place: u32, round: u32) -> u32 {
        let next = self.turns.partition_point(|turn| *turn < place);
        let first = || self.turns.first().map_or(u32::MAX, |turn| turn + round);
        self.turns.get(next).copied().unwrap_or_else(first)
    }
}

/// The turns of each target that has some.
fn owners(round: &[u32], targets: usize) -> Box<[Owner]> {
    let mut turns = vec![Vec::new(); targets];
    for (turn, index) in (0..).zip(round) {
        turns[*index as usize].push(turn);
    }
    let owners = (0..).zip(turns).filter(|(_, turns)| !turns.is_empty());
    owners
        .map(|(index, turns)| Owner {
            index,
            turns: turns.into(),
        })
        .collect()
}

/// Whose turn it is in one round, when the targets have so many turns each.
fn round(units: &[u32]) -> Box<[u32]> {
    let total: u32 = units.iter().sum();
    let mut balances = vec![0_i64; units.len()];
    let turn = |_| {
        let mut most = None;
        for ((index, units), balance) in (0..).zip(units).zip(&mut balances) {
            *balance += i64::from(*units);
            if most.is_none_or(|(_, most)| *balance > most) {
                most = Some((index, *balance));
            }
        }
        let (index, _) = most?;
        *balances.get_mut(index as usize)? -= i64::from(total);
        Some(index)
    };
    (0..total).filter_map(turn).collect()
}

/// A place of a round, which has no more than 32 bits can count.
fn stored(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
