//! A number that is worth less the older it is.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Counts milliseconds from the making of a picker, in 32 bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    start: Instant,
}

/// A moment of a [`Clock`]. Two that are 25 days apart or more are taken for one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp(u32);

/// A number and when it was written, in one word; lock-free.
#[derive(Debug)]
pub(super) struct Fading {
    /// The bits of an `f32`, then the stamp.
    word: AtomicU64,
}

/// What a [`Fading`] holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) value: f64,
    /// Seconds since it was written.
    pub(super) age: f64,
}

// === impl Clock ===

impl Clock {
    pub(super) fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    pub(super) fn stamp(&self, now: Instant) -> Stamp {
        let millis = now.saturating_duration_since(self.start).as_millis();
        Stamp(u32::try_from(millis & u128::from(u32::MAX)).unwrap_or(u32::MAX))
    }
}

// === impl Stamp ===

impl Stamp {
    /// Time from `earlier` to this moment.
    fn since(self, earlier: Self) -> Duration {
        let age = self.0.wrapping_sub(earlier.0);
        // Threads read the clock in one order and write in another.
        let age = if age > u32::MAX / 2 { 0 } else { age };
        Duration::from_millis(u64::from(age))
    }

    /// Whole minutes, in eight bits.
    pub(super) const fn minute(self) -> u8 {
        (self.0 / 60_000).to_le_bytes()[0]
    }
}

// === impl Fading ===

impl Fading {
    /// Holds nothing yet.
    pub(super) fn new() -> Self {
        Self {
            word: AtomicU64::new(pack(f64::NAN, Stamp(0))),
        }
    }

    /// What it holds; `None` when nothing was written yet.
    pub(super) fn read(&self, now: Stamp) -> Option<Reading> {
        unpack(self.word.load(Ordering::Relaxed), now)
    }

    /// What is left of its number when half of it is lost in every `half_life` seconds; 0 when
    /// nothing was written yet.
    pub(super) fn left(&self, now: Stamp, half_life: f64) -> f64 {
        self.read(now)
            .map_or(0.0, |reading| reading.left(half_life))
    }

    /// Writes what `update` makes of the present reading.
    pub(super) fn update(&self, now: Stamp, update: impl Fn(Option<Reading>) -> f64) {
        let next = |word: u64| Some(pack(update(unpack(word, now)), now));
        // The closure never declines, so there is nothing to be told.
        _ = self
            .word
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }
}

// === impl Reading ===

impl Reading {
    /// What is left when half is lost in every `half_life` seconds.
    pub(super) fn left(self, half_life: f64) -> f64 {
        self.value * (-self.age / half_life).exp2()
    }
}

fn pack(value: f64, stamp: Stamp) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "seven digits are enough, and numbers too large become infinite"
    )]
    let value = value as f32;
    u64::from(value.to_bits()) << 32 | u64::from(stamp.0)
}

fn unpack(word: u64, now: Stamp) -> Option<Reading> {
    let half = |number: u64| u32::try_from(number & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    let value = f32::from_bits(half(word >> 32));
    (!value.is_nan()).then(|| Reading {
        value: f64::from(value),
        age: now.since(Stamp(half(word))).as_secs_f64(),
    })
}

#[cfg(test)]
mod tests;
