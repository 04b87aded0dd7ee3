//! Consistent hashing on a ring of points, as `hash … consistent` of nginx places them.
//!
//! Each target has 160 points for each unit of its weight; a key belongs to the target of the first
//! point at or after the key's own checksum. When a target comes or goes, only the keys of its own
//! points move.

use super::Tried;

#[cfg(test)]
mod tests;

/// Points for each unit of weight.
const POINTS: u32 = 160;

/// Units of weight that one ring holds at most, one for each target beside; 655,360 points or 5 MiB.
const MOST_UNITS: u64 = 4096;

/// A ring over a fixed list of named targets. Picks change nothing and may come from any thread.
///
/// Targets of weight 0 have no points, unless all weigh 0: then all weigh the same. Weights are
/// divided by their common divisor first. Weights that are more than 4,096 units together even then are
/// scaled down to that, though none below one unit: a share is off by a thousandth of all or so, and a
/// small weight counts for one unit of 4,096.
#[derive(Debug)]
pub struct HashRing {
    /// Sorted by place; the second number is the target's index.
    points: Box<[(u32, u32)]>,
    /// The targets that have points.
    owners: Box<[usize]>,
}

// === impl HashRing ===

impl HashRing {
    /// Takes names and weights in the order of the targets.
    pub fn new<'a>(targets: impl IntoIterator<Item = (&'a str, u32)>) -> Self {
        let (names, weights): (Vec<_>, Vec<_>) = targets.into_iter().unzip();
        let units = super::units(&super::effective(weights), MOST_UNITS);
        let mut points = Vec::with_capacity(units.iter().sum::<u32>() as usize * POINTS as usize);
        for ((name, units), index) in names.iter().zip(units.iter()).zip(0..) {
            place(name, *units, index, &mut points);
        }
        points.sort_unstable();
        let has_points = |(_, units): &(usize, &u32)| **units > 0;
        let owners = units.iter().enumerate().filter(has_points);
        Self {
            owners: owners.map(|(index, _)| index).collect(),
            points: points.into(),
        }
    }

    /// The target of `key`, or the next one along the ring that is not in `tried`; `None` when all
    /// that have points are.
    pub fn pick(&self, key: &[u8], tried: &Tried) -> Option<usize> {
        let mut left = self.owners.iter().filter(|index| !tried.contains(**index));
        let (first, second) = (left.next()?, left.next());
        if second.is_none() {
            // The walk to the only one that is left may be long.
            return Some(*first);
        }
        let checksum = crc32fast::hash(key);
        let first = self.points.partition_point(|(place, _)| *place < checksum);
        let (before, after) = self.points.split_at_checked(first)?;
        let mut walk = after.iter().chain(before).map(|(_, index)| *index as usize);
        walk.find(|index| !tried.contains(*index))
    }

    /// How many points the ring has.
    pub fn len(&self) -> usize {
        self.points.len()
    }

    /// Tells whether there is no target at all.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }
}

/// Adds the points of one target, each placed by the one before it.
fn place(name: &str, units: u32, index: u32, points: &mut Vec<(u32, u32)>) {
    // compat: apache/apisix a colon in a name counts as a zero byte
    let name = name.replace(':', "\0");
    let mut base = crc32fast::Hasher::new();
    base.update(name.as_bytes());
    let mut last = 0u32;
    for _ in 0..units * POINTS {
        let mut next = base.clone();
        next.update(&last.to_le_bytes());
        last = next.finalize();
        points.push((last, index));
    }
}
