//! Choosing one of several targets.

mod ewma;
mod fading;
mod hash;
mod in_flight;
mod least_busy;
mod outcome;
mod prefix;
mod round_robin;
#[cfg(test)]
mod simulation;
mod tried;

use std::sync::Arc;

pub use ewma::Ewma;
pub use hash::HashRing;
pub use least_busy::LeastBusy;
pub use outcome::{Outcome, Settle};
pub use prefix::Prefix;
pub use round_robin::RoundRobin;
pub use tried::Tried;

use crate::lots::mixed;

/// For each target of a picker, which target of an earlier one it is; `None` for a new one.
pub type Lineage = [Option<usize>];

/// What each target had before, or something new.
fn inherited<T>(before: &[Arc<T>], lineage: &Lineage, new: impl Fn() -> Arc<T>) -> Box<[Arc<T>]> {
    let known = |index: &Option<usize>| before.get((*index)?).map(Arc::clone);
    let targets = lineage.iter();
    targets
        .map(|index| known(index).unwrap_or_else(&new))
        .collect()
}

/// Weights as they count: all of zero means all equal.
fn effective(weights: impl IntoIterator<Item = u32>) -> Box<[u32]> {
    let mut weights: Box<[u32]> = weights.into_iter().collect();
    if weights.iter().all(|weight| *weight == 0) {
        weights.fill(1);
    }
    weights
}

/// Weights without their common divisor, scaled down where they are more than `most` together. One that
/// is not 0 keeps a unit, so that there are `most` units at most, and one more for each target.
fn units(weights: &[u32], most: u64) -> Box<[u32]> {
    let divisor = weights.iter().copied().fold(0, greatest_common_divisor);
    let counted = weights.iter().map(|weight| weight / divisor.max(1));
    let total: u64 = counted.clone().map(u64::from).sum();
    let scaled = |units: u32| match units {
        0 => 0,
        _ if total <= most => units,
        _ => u32::try_from(u64::from(units) * most / total).map_or(units, |units| units.max(1)),
    };
    counted.map(scaled).collect()
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 {
        a
    } else {
        greatest_common_divisor(b, a % b)
    }
}

/// The targets that may be picked.
fn left<'a>(weights: &'a [u32], tried: &'a Tried) -> impl Iterator<Item = (usize, u32)> + 'a {
    let all = weights.iter().copied().enumerate();
    all.filter(|(index, weight)| *weight > 0 && !tried.contains(*index))
}
