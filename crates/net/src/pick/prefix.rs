//! Requests that begin alike go to the same target, as long as the load stays even.
//!
//! A request is known by its blocks: for each stretch of it a number that stands for all of it up to
//! there. A request that goes on with an earlier one has that one's last block among its own, and
//! goes where that one went. One that shares a shorter beginning joins those that began so, if their
//! target has not had more than its part. All others are placed by their first block, in an order
//! that is the same in every process that has the same targets.
//!
//! What is remembered has a fixed size: a table of [`memory::SLOTS`] words, in which the oldest of eight
//! makes room. Nothing is locked; a word that is overwritten by two threads at once holds one of
//! the two.
//!
//! Load is what was begun lately, half forgotten in every minute, and what is in flight.

use std::sync::Arc;
use std::time::Instant;

use smallvec::SmallVec;

use self::memory::{Home, Memory};
use super::fading::{Clock, Fading, Stamp};
use super::in_flight::InFlight;
use super::{Lineage, Outcome, Tried};

mod memory;

/// Seconds after which what was begun counts half.
const HALF_LIFE: f64 = 60.0;

/// How far a target may be above its part, as a factor or in requests, whichever is more.
#[derive(Debug, Clone, Copy)]
struct Margin {
    factor: f64,
    requests: f64,
}

/// For requests that go on with earlier ones: below the 1.25 that is promised.
const STAY: Margin = Margin {
    factor: 1.2,
    requests: 8.0,
};

/// For those that only begin like others: they are what keeps the load even.
const JOIN: Margin = Margin {
    factor: 1.05,
    requests: 2.0,
};

/// For calls in flight, which say that a target has stopped answering.
const IN_FLIGHT: Margin = Margin {
    factor: 1.5,
    requests: 8.0,
};

/// Chooses by how a request begins, in bounded memory. Picks are lock-free and may come from any
/// thread.
///
/// Targets of weight 0 are never picked, unless all weigh 0: then all weigh the same.
#[derive(Debug)]
pub struct Prefix {
    targets: Box<[Target]>,
    weights: Box<[u32]>,
    in_flight: InFlight,
    memory: Arc<Memory>,
    clock: Clock,
}

#[derive(Debug)]
struct Target {
    /// Stands for its name.
    seed: u64,
    /// What it is in the memory.
    mark: usize,
    /// Requests begun lately.
    load: Arc<Fading>,
}

/// The targets that one request may go to, and how much each has.
struct Scene {
    seats: SmallVec<[Seat; 8]>,
    weight: f64,
    load: f64,
    in_flight: f64,
}

/// One target of a [`Scene`].
#[derive(Clone, Copy)]
struct Seat {
    index: usize,
    weight: f64,
    load: f64,
    in_flight: f64,
}

// === impl Prefix ===

impl Prefix {
    /// Takes names and weights in the order of the targets.
    pub fn new<'a>(targets: impl IntoIterator<Item = (&'a str, u32)>) -> Self {
        let (names, weights): (Vec<_>, Vec<_>) = targets.into_iter().unzip();
        let target = |(mark, name): (usize, &&str)| Target {
            seed: name.bytes().fold(0, |seed, byte| {
                super::mixed(seed ^ u64::from(byte) ^ 0x9e37_79b9_7f4a_7c15)
            }),
            mark,
            load: Arc::new(Fading::new()),
        };
        Self {
            targets: names.iter().enumerate().map(target).collect(),
            in_flight: InFlight::new(weights.len()),
            weights: super::effective(weights),
            memory: Arc::new(Memory::new()),
            clock: Clock::new(),
        }
    }

    /// A picker of other targets that knows of those it has in common with this one what this one
    /// knows.
    #[must_use]
    pub fn heir<'a>(
        &self,
        targets: impl IntoIterator<Item = (&'a str, u32)>,
        lineage: &Lineage,
    ) -> Self {
        let mut heir = Self {
            in_flight: self.in_flight.heir(lineage),
            memory: Arc::clone(&self.memory),
            clock: self.clock,
            ..Self::new(targets)
        };
        let marks = self.targets.iter().map(|target| target.mark);
        let mut free = marks.max().map_or(0, |last| last + 1);
        for (target, before) in heir.targets.iter_mut().zip(lineage) {
            if let Some(before) = before.and_then(|before| self.targets.get(before)) {
                (target.mark, target.load) = (before.mark, Arc::clone(&before.load));
            } else {
                target.mark = free;
                free += 1;
            }
        }
        heir
    }

    /// The target of a request with these blocks that is not in `tried`; `None` when all that may be
    /// picked are. Each block stands for the request's beginning up to its end; a request without
    /// blocks goes to who has least.
    pub fn pick(&self, blocks: &[u64], tried: &Tried, now: Instant) -> Option<usize> {
        let scene = self.scene(tried, self.clock.stamp(now));
        let place = |home: &Home| {
            let mut targets = self.targets.iter();
            targets.position(|target| target.mark == home.target)
        };
        let is_here = |home: Home| place(&home).is_some_and(|index| scene.has(index));
        let home = self.memory.find(blocks, is_here);
        match (home, blocks) {
            (Some(home), _)
                if place(&home).is_some_and(|index| scene.has_room(index, home.margin())) =>
            {
                place(&home)
            }
            (None | Some(Home { is_end: false, .. }), [first, ..]) => {
                self.placed(*first, &scene).or_else(|| scene.least())
            }
            _ => scene.least(),
        }
    }

    /// A call to this target begins, with a request of these blocks: it is where they are at home.
    pub fn begin(&self, target: usize, blocks: &[u64], now: Instant) {
        let now = self.clock.stamp(now);
        self.in_flight.begin(target);
        if let Some(target) = self.targets.get(target) {
            self.memory.keep(blocks, target.mark, now);
            target.load.update(now, |before| {
                before.map_or(0.0, |before| before.left(HALF_LIFE)) + 1.0
            });
        }
    }

    /// A call to this target is over, however it went.
    pub fn settle(&self, target: usize, _outcome: &Outcome) {
        self.in_flight.end(target);
    }

    fn scene(&self, tried: &Tried, now: Stamp) -> Scene {
        let mut scene = Scene {
            seats: SmallVec::new(),
            weight: 0.0,
            load: 0.0,
            in_flight: 0.0,
        };
        for (index, weight) in super::left(&self.weights, tried) {
            let target = self.targets.get(index);
            let seat = Seat {
                index,
                weight: f64::from(weight),
                load: target.map_or(0.0, |target| target.load.left(now, HALF_LIFE)),
                in_flight: f64::from(self.in_flight.of(index)),
            };
            scene.weight += seat.weight;
            scene.load += seat.load;
            scene.in_flight += seat.in_flight;
            scene.seats.push(seat);
        }
        scene
    }

    /// The first target with room, in the order of this block.
    fn placed(&self, block: u64, scene: &Scene) -> Option<usize> {
        let score = |seat: &Seat| {
            let seed = self.targets.get(seat.index).map_or(0, |target| target.seed);
            let [a, b, c, d, ..] = super::mixed(block ^ seed).to_be_bytes();
            // Between 0 and 1, neither included: the weighted rendezvous of keys and targets.
            let part = (f64::from(u32::from_be_bytes([a, b, c, d])) + 0.5) / 4_294_967_296.0;
            -seat.weight / part.ln()
        };
        let with_room = scene.seats.iter();
        let with_room = with_room.filter(|seat| scene.has_room(seat.index, JOIN));
        let best = with_room.max_by(|one, other| score(one).total_cmp(&score(other)));
        best.map(|seat| seat.index)
    }
}

// === impl Scene ===

impl Scene {
    fn has(&self, index: usize) -> bool {
        self.seats.iter().any(|seat| seat.index == index)
    }

    /// Whether a target may get one request more.
    fn has_room(&self, index: usize, margin: Margin) -> bool {
        let Some(seat) = self.seats.iter().find(|seat| seat.index == index) else {
            return false;
        };
        let part = seat.weight / self.weight;
        margin.allows(seat.load + 1.0, (self.load + 1.0) * part)
            && IN_FLIGHT.allows(seat.in_flight + 1.0, (self.in_flight + 1.0) * part)
    }

    /// The target that has least for its weight, in flight or lately.
    fn least(&self) -> Option<usize> {
        let pressure = |seat: &Seat| {
            let lately = seat.load / seat.weight;
            let is_stuck = !self.has_room(seat.index, STAY);
            (is_stuck, lately)
        };
        let least = self.seats.iter().min_by(|one, other| {
            let (one, other) = (pressure(one), pressure(other));
            one.0.cmp(&other.0).then(one.1.total_cmp(&other.1))
        });
        least.map(|seat| seat.index)
    }
}

// === impl Margin ===

impl Margin {
    fn allows(self, found: f64, even: f64) -> bool {
        found <= (even * self.factor).max(even + self.requests)
    }
}

// === impl Home ===

impl Home {
    /// How far its target may be above its part.
    const fn margin(self) -> Margin {
        if self.is_end { STAY } else { JOIN }
    }
}

#[cfg(test)]
mod tests;
