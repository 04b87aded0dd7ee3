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

pub use ewma::Ewma;
pub use hash::HashRing;
pub use least_busy::LeastBusy;
pub use outcome::{Outcome, Settle};
pub use prefix::Prefix;
pub use round_robin::RoundRobin;
pub use tried::Tried;

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

/// Spreads a number over all numbers of 64 bits (the finalizer of `SplitMix64`).
const fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
