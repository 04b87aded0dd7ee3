//! Where beginnings of requests went, in a table of bounded size.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwap;

use crate::pick::{fading::Stamp, mixed};

/// How many beginnings are remembered at most: 512 KiB.
pub(super) const MOST_SLOTS: usize = 1 << 16;

/// How many there is room for at first: 4 KiB.
const FIRST_SLOTS: usize = 1 << 9;

/// How many times as much room there is after each step.
const STEP: usize = 8;

/// Slots in which one block may be.
const WAYS: usize = 8;

/// Minutes for which a beginning is worth more room: no provider promises to keep a prompt for longer.
const WORTH_MINUTES: u16 = 60;

/// Where requests with one beginning went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Home {
    pub(super) target: usize,
    /// Whether it is the whole of an earlier request, which the present one goes on with.
    pub(super) is_end: bool,
}

/// Has as much room as beginnings of the last hour need, within bounds; lock-free.
#[derive(Debug)]
pub(super) struct Memory {
    table: ArcSwap<Table>,
    /// Whether somebody makes a larger one.
    is_growing: AtomicBool,
}

/// A set-associative table of words; 0 is an empty one.
#[derive(Debug)]
struct Table {
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
            table: ArcSwap::from_pointee(Table::new(FIRST_SLOTS)),
            is_growing: AtomicBool::new(false),
        }
    }

    /// The home of the longest beginning that is the whole of an earlier request, else that of the
    /// longest beginning known; only homes that are `allowed`.
    pub(super) fn find(&self, blocks: &[u64], allowed: impl Fn(Home) -> bool) -> Option<Home> {
        let table = self.table.load();
        let mut longest = None;
        for block in blocks.iter().rev() {
            let Some(home) = table.look(mixed(*block)).filter(|home| allowed(*home)) else {
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

    fn write(&self, block: u64, target: usize, is_end: bool, now: Stamp) {
        let Some(word) = Word::new(mixed(block), target, is_end, now.minute()) else {
            return;
        };
        let table = self.table.load();
        if !table.write(word, Some(WORTH_MINUTES)) {
            self.grow(&table);
            self.table.load().write(word, None);
        }
    }

    /// Makes more room than this table has, unless there is as much as may be, or somebody else does.
    ///
    /// What others write meanwhile may be lost: it is known less for one request.
    fn grow(&self, full: &Table) {
        let slots = (full.slots.len() * STEP).min(MOST_SLOTS);
        if slots == full.slots.len() || self.is_growing.swap(true, Ordering::Acquire) {
            return;
        }
        let now = self.table.load();
        if now.slots.len() < slots {
            let larger = Table::new(slots);
            let words = now.slots.iter();
            let words = words.map(|slot| Word(slot.load(Ordering::Relaxed)));
            for word in words.filter(|word| !word.is_empty()) {
                larger.write(word, None);
            }
            self.table.store(Arc::new(larger));
        }
        self.is_growing.store(false, Ordering::Release);
    }

    #[cfg(test)]
    fn slots(&self) -> usize {
        self.table.load().slots.len()
    }
}

// === impl Table ===

impl Table {
    fn new(slots: usize) -> Self {
        Self {
            slots: (0..slots).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    fn look(&self, block: u64) -> Option<Home> {
        let sought = Word(block);
        let words = self.ways(sought).iter();
        let mut words = words.map(|slot| Word(slot.load(Ordering::Relaxed)));
        words.find(|word| word.is_like(sought))?.home()
    }

    /// Writes a word in the place of the one for the same block, or of the oldest. When that one is
    /// younger than so many minutes, nothing is written, and it says `false`.
    fn write(&self, word: Word, spared: Option<u16>) -> bool {
        let mut oldest = None;
        for slot in self.ways(word) {
            let there = Word(slot.load(Ordering::Relaxed));
            if there.is_like(word) {
                slot.store(word.with_end_of(there).0, Ordering::Relaxed);
                return true;
            }
            let age = there.age(word.minute());
            if oldest.is_none_or(|(most, _)| age > most) {
                oldest = Some((age, slot));
            }
        }
        let Some((age, slot)) = oldest else {
            return true;
        };
        let makes_room = spared.is_none_or(|minutes| age >= minutes);
        if makes_room {
            slot.store(word.0, Ordering::Relaxed);
        }
        makes_room
    }

    /// The slots in which a word may be. They follow from the part of the block that it has, so that it
    /// can be moved to a larger table.
    fn ways(&self, word: Word) -> &[AtomicU64] {
        let sets = self.slots.len() / WAYS;
        let set = usize::try_from(word.tag() % sets.max(1) as u64).unwrap_or(0);
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

    /// The block, as far as it is in the word.
    const fn tag(self) -> u64 {
        self.0 >> 24
    }

    const fn minute(self) -> u8 {
        self.0.to_le_bytes()[0]
    }

    const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this word is of the same block as the other.
    const fn is_like(self, other: Self) -> bool {
        !self.is_empty() && self.tag() == other.tag()
    }

    /// What was a whole request once stays one.
    const fn with_end_of(self, before: Self) -> Self {
        Self(self.0 | before.0 & 1 << 23)
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
        if self.is_empty() {
            return u16::MAX;
        }
        minute.wrapping_sub(self.minute()) as u16
    }
}

#[cfg(test)]
mod tests;
