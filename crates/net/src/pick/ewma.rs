//! The quicker of two targets drawn by lot, judged by what their answers took lately.
//!
//! Three averages are kept of each target: the time to the first part of an answer, the wait between
//! parts, and the time of answers in one piece. A prompt that takes long to be read and a model that
//! speaks slowly are different things, and a mixture would say which answers were short rather than
//! who is quick. A cost is the expected time of one answer, for each call that would be in flight,
//! divided by weight.
//!
//! Averages fade while no answer comes, so that a target that was slow is tried again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

use super::fading::{Clock, Fading, Stamp};
use super::in_flight::InFlight;
use super::{Lineage, Outcome, Tried};
use crate::lots::Lots;

/// Seconds after which a time counts half when no other has come.
const HALF_LIFE: f64 = 30.0;

/// Seconds after which a new time counts as much as all before it.
const MEMORY: f64 = 10.0;

/// The least share of a new time in its average.
const LEAST_SHARE: f64 = 0.125;

/// Seconds that a target is taken for after its first failure; each one more doubles them.
const FAILURE: f64 = 1.0;

/// Most seconds that failures are taken for.
const MOST_FAILURE: f64 = 60.0;

/// Parts of an answer as long as none has come.
const PARTS: f64 = 100.0;

/// Chooses by expected time of an answer, between two drawn by lot. Picks are lock-free and may come
/// from any thread.
///
/// A target that nothing is known of counts as quick as the other. Targets of weight 0 are never
/// picked, unless all weigh 0: then all weigh the same.
#[derive(Debug)]
pub struct Ewma {
    weights: Box<[u32]>,
    paces: Box<[Arc<Pace>]>,
    in_flight: InFlight,
    /// How many parts an answer of anybody has.
    parts: Arc<Fading>,
    clock: Clock,
    lots: Lots,
}

/// What is known of one target, in seconds.
#[derive(Debug)]
struct Pace {
    first: Fading,
    between: Fading,
    whole: Fading,
}

// === impl Ewma ===

impl Ewma {
    /// Takes the weights in the order of the targets.
    pub fn new(weights: impl IntoIterator<Item = u32>) -> Self {
        Self::drawing(weights, Lots::new())
    }

    /// Takes the weights, and where the sequence of lots starts.
    pub fn with_lots(weights: impl IntoIterator<Item = u32>, start: u64) -> Self {
        Self::drawing(weights, Lots::starting_at(start))
    }

    fn drawing(weights: impl IntoIterator<Item = u32>, lots: Lots) -> Self {
        let weights = super::effective(weights);
        Self {
            paces: weights.iter().map(|_| Arc::new(Pace::new())).collect(),
            in_flight: InFlight::new(weights.len()),
            weights,
            parts: Arc::new(Fading::new()),
            clock: Clock::new(),
            lots,
        }
    }

    /// A picker of other targets that knows of those it has in common with this one what this one
    /// knows.
    #[must_use]
    pub fn heir(&self, weights: impl IntoIterator<Item = u32>, lineage: &Lineage) -> Self {
        Self {
            paces: super::inherited(&self.paces, lineage, || Arc::new(Pace::new())),
            in_flight: self.in_flight.heir(lineage),
            parts: Arc::clone(&self.parts),
            clock: self.clock,
            ..Self::new(weights)
        }
    }

    /// The better of two targets that are not in `tried`; `None` when all that may be picked are.
    pub fn pick(&self, is_streamed: bool, tried: &Tried, now: Instant) -> Option<usize> {
        let mut left: SmallVec<[(usize, u32); 16]> = super::left(&self.weights, tried).collect();
        if left.len() < 2 {
            return left.first().map(|(index, _)| *index);
        }
        let one = left.swap_remove(self.lots.draw(left.len())?);
        let other = *left.get(self.lots.draw(left.len())?)?;
        let now = self.clock.stamp(now);
        let time = |(index, _): (usize, u32)| self.expected(index, is_streamed, now);
        let (time_of_one, time_of_other) = match (time(one), time(other)) {
            (Some(one), Some(other)) => (one, other),
            (Some(known), None) | (None, Some(known)) => (known, known),
            (None, None) => (1.0, 1.0),
        };
        let cost = |(index, weight): (usize, u32), time: f64| {
            time * (f64::from(self.in_flight.of(index)) + 1.0) / f64::from(weight)
        };
        let is_other = cost(other, time_of_other) < cost(one, time_of_one);
        Some(if is_other { other.0 } else { one.0 })
    }

    /// A call to this target begins.
    pub fn begin(&self, target: usize) {
        self.in_flight.begin(target);
    }

    /// A call to this target is over: its times are taken down.
    pub fn settle(&self, target: usize, outcome: &Outcome, now: Instant) {
        self.in_flight.end(target);
        let Some(pace) = self.paces.get(target) else {
            return;
        };
        let now = self.clock.stamp(now);
        match *outcome {
            Outcome::Streamed {
                first,
                between,
                parts,
            } => {
                blend(&pace.first, first, now);
                if let Some(between) = between {
                    blend(&pace.between, between, now);
                }
                let parts = f64::from(parts);
                self.parts.update(now, |before| {
                    before.map_or(parts, |before| before.value + (parts - before.value) / 16.0)
                });
            }
            Outcome::Whole(time) => blend(&pace.whole, time, now),
            Outcome::Abandoned(waited) => {
                // It would have taken longer; how long nobody knows.
                for average in [&pace.first, &pace.whole] {
                    let known = average.read(now).map(|reading| reading.left(HALF_LIFE));
                    if known.unwrap_or(FAILURE) < waited.as_secs_f64() {
                        blend(average, waited, now);
                    }
                }
            }
            Outcome::Unknown => {}
        }
    }

    /// A call to this target failed, which is told beside its end: it is taken for a slow one, since
    /// a target that fails at once must not pass for a quick one.
    pub fn fail(&self, target: usize, now: Instant) {
        let now = self.clock.stamp(now);
        let pace = self.paces.get(target);
        for average in pace.into_iter().flat_map(|pace| [&pace.first, &pace.whole]) {
            average.update(now, |before| {
                let left = before.map_or(0.0, |before| before.left(HALF_LIFE));
                (left * 2.0).clamp(FAILURE, MOST_FAILURE)
            });
        }
    }

    /// Seconds that an answer of this target takes; `None` when nothing is known.
    fn expected(&self, target: usize, is_streamed: bool, now: Stamp) -> Option<f64> {
        let pace = self.paces.get(target)?;
        let left = |average: &Fading| average.read(now).map(|reading| reading.left(HALF_LIFE));
        let streamed = || {
            let parts = self.parts.read(now).map_or(PARTS, |parts| parts.value);
            Some(left(&pace.first)? + left(&pace.between).unwrap_or(0.0) * parts)
        };
        let whole = || left(&pace.whole);
        if is_streamed {
            streamed().or_else(whole)
        } else {
            whole().or_else(streamed)
        }
    }
}

// === impl Pace ===

impl Pace {
    fn new() -> Self {
        Self {
            first: Fading::new(),
            between: Fading::new(),
            whole: Fading::new(),
        }
    }
}

/// Takes a time into an average; the older the average, the more the new time counts.
fn blend(average: &Fading, time: Duration, now: Stamp) {
    let time = time.as_secs_f64();
    average.update(now, |before| match before {
        None => time,
        Some(before) => {
            let share = (1.0 - (-before.age / MEMORY).exp2()).max(LEAST_SHARE);
            before.value + (time - before.value) * share
        }
    });
}

#[cfg(test)]
mod tests;
