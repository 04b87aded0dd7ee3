//! Which targets one request has used up.

use smallvec::SmallVec;

/// A set of target indices. Up to 128 targets need no allocation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tried {
    words: SmallVec<[u64; 2]>,
}

// === impl Tried ===

impl Tried {
    /// The empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a target.
    pub fn add(&mut self, index: usize) {
        let word = index / 64;
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        if let Some(bits) = self.words.get_mut(word) {
            *bits |= 1 << (index % 64);
        }
    }

    /// Tells whether a target is in the set.
    pub fn contains(&self, index: usize) -> bool {
        self.words
            .get(index / 64)
            .is_some_and(|bits| bits & (1 << (index % 64)) != 0)
    }

    /// How many targets are in the set.
    pub fn len(&self) -> usize {
        self.words
            .iter()
            .map(|bits| bits.count_ones() as usize)
            .sum()
    }

    /// The set in words of 64 bits; equal sets have equal words.
    pub(super) fn words(&self) -> &[u64] {
        &self.words
    }

    /// Tells whether nothing was tried yet.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|bits| *bits == 0)
    }
}

impl FromIterator<usize> for Tried {
    fn from_iter<I: IntoIterator<Item = usize>>(indices: I) -> Self {
        let mut tried = Self::new();
        for index in indices {
            tried.add(index);
        }
        tried
    }
}
