//! Where beginnings of requests went, in a table of fixed size.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::pick::{fading::Stamp, mixed};

/// How many beginnings are remembered at most: 512 KiB.
pub(super) const SLOTS: usize = 1 << 16;

/// Slots in which one block may be.
const WAYS: usize = 8;

/// Where requests with one beginning went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Home {
    pub(super) target: usize,
    /// Whether it is the whole of an earlier request, which the present one goes on with.
    pub(super) is_end: bool,
}

/// A set-associative table of words; 0 is an empty one.
#[derive(Debug)]
pub(super) struct Memory {
    slots: Box<[AtomicU64]>,
}

/// What a word says: 40 bits of the block, one of the end, 15 of the target plus one, 8 of the
/// minute.
#[derive(Debug, Clone, Copy)]
struct Word(u64);

// === impl Memory ===

impl Memory {
    pub(super) fn new() -> Self {
        Self {
            slots: (0..SLOTS).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    /// The home of the longest beginning that is the whole of an earlier request, else that of the
    /// longest beginning known; only homes that are `allowed`.
    pub(super) fn find(&self, blocks: &[u64], allowed: impl Fn(Home) -> bool) -> Option<Home> {
        let mut longest = None;
        for block in blocks.iter().rev() {
            let Some(home) = self.look(*block).filter(|home| allowed(*home)) else {
                continue;
            };
            if home.is_end {
                return Some(home);
            }
            longest = longest.or(Some(home));
        }
        longest
    }

    /// Remembers that a request with these blocks went to `target`.
    pub(super) fn keep(&self, blocks: &[u64], target: usize, now: Stamp) {
        let Some((last, before)) = blocks.split_last() else {
            return;
        };
        for block in before {
            self.write(*block, target, false, now);
        }
        self.write(*last, target, true, now);
    }

    fn look(&self, block: u64) -> Option<Home> {
        let block = mixed(block);
        let words = self.ways(block).iter();
        let mut words = words.map(|slot| Word(slot.load(Ordering::Relaxed)));
        words.find(|word| word.is_of(block)).and_then(Word::home)
    }

    fn write(&self, block: u64, target: usize, is_end: bool, now: Stamp) {
        let block = mixed(block);
        let minute = now.minute();
        let mut oldest = None;
        for slot in self.ways(block) {
            let word = Word(slot.load(Ordering::Relaxed));
            if word.is_of(block) {
                // What was a whole request once stays one.
                let is_end = is_end || word.home().is_some_and(|home| home.is_end);
                if let Some(word) = Word::new(block, target, is_end, minute) {
                    slot.store(word.0, Ordering::Relaxed);
                }
                return;
            }
            let age = word.age(minute);
            if oldest.is_none_or(|(most, _)| age > most) {
                oldest = Some((age, slot));
            }
        }
        if let (Some((_, slot)), Some(word)) = (oldest, Word::new(block, target, is_end, minute)) {
            slot.store(word.0, Ordering::Relaxed);
        }
    }

    /// The slots in which a block may be.
    fn ways(&self, block: u64) -> &[AtomicU64] {
        let sets = (SLOTS / WAYS) as u64;
        let set = usize::try_from(block % sets).unwrap_or(0);
        let from = set * WAYS;
        self.slots.get(from..from + WAYS).unwrap_or_default()
    }
}

// === impl Word ===

impl Word {
    /// `None` for a target beyond the 32,766th, which is not remembered.
    fn new(block: u64, target: usize, is_end: bool, minute: u8) -> Option<Self> {
        let target = u64::try_from(target).ok()? + 1;
        (target < 1 << 15).then_some(())?;
        let tag = block >> 24;
        Some(Self(
            tag << 24 | u64::from(is_end) << 23 | target << 8 | u64::from(minute),
        ))
    }

    const fn is_of(self, block: u64) -> bool {
        self.0 != 0 && self.0 >> 24 == block >> 24
    }

    fn home(self) -> Option<Home> {
        let target = usize::try_from(self.0 >> 8 & 0x7fff).ok()?;
        Some(Home {
            target: target.checked_sub(1)?,
            is_end: self.0 >> 23 & 1 == 1,
        })
    }

    /// Minutes since it was written; empty ones are the oldest.
    const fn age(self, minute: u8) -> u16 {
        if self.0 == 0 {
            return u16::MAX;
        }
        minute.wrapping_sub(self.0.to_le_bytes()[0]) as u16
    }
}

#[cfg(test)]
mod tests;
