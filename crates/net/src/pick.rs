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

/// The targets that may be picked.
fn left<'a>(weights: &'a [u32], tried: &'a Tried) -> impl Iterator<Item = (usize, u32)> + 'a {
    let all = weights.iter().copied().enumerate();
    all.filter(|(index, weight)| *weight > 0 && !tried.contains(*index))
}
