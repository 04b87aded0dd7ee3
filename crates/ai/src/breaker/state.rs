//! The state of a breaker in one word, so that it changes as a whole.

/// Whether requests should go to the instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Closed,
    /// Not before `until`.
    Open,
    /// One request finds out; should it fail at once, the next may try at `until`.
    Probing,
}

/// Two bits of kind, 14 of epoch, 6 of level, 42 of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    pub(super) kind: Kind,
    /// How often it has opened, so that what began before can be told from what began after.
    pub(super) epoch: u16,
    /// How many probes have failed in a row.
    pub(super) level: u8,
    /// Milliseconds since the breaker was made: 139 years fit.
    pub(super) until: u64,
}

const EPOCH_BITS: u32 = 14;
const LEVEL_BITS: u32 = 6;
const TIME_BITS: u32 = 42;
/// Waits have stopped growing long before.
const HIGHEST_LEVEL: u8 = (1 << LEVEL_BITS) - 1;
const LATEST: u64 = (1 << TIME_BITS) - 1;

// === impl State ===

impl State {
    pub(super) fn closed(self) -> Self {
        Self {
            epoch: self.epoch,
            ..Self::default()
        }
    }

    pub(super) fn opened(self, level: u8, until: u64) -> Self {
        Self {
            kind: Kind::Open,
            epoch: (self.epoch + 1) % (1 << EPOCH_BITS),
            level: level.min(HIGHEST_LEVEL),
            until,
        }
    }

    pub(super) fn pack(self) -> u64 {
        let kind = match self.kind {
            Kind::Closed => 0,
            Kind::Open => 1,
            Kind::Probing => 2,
        };
        let head = ((kind << EPOCH_BITS) | u64::from(self.epoch)) << LEVEL_BITS;
        ((head | u64::from(self.level)) << TIME_BITS) | self.until.min(LATEST)
    }

    pub(super) fn unpack(word: u64) -> Self {
        let head = word >> TIME_BITS;
        let level = head & u64::from(HIGHEST_LEVEL);
        let epoch = (head >> LEVEL_BITS) & ((1 << EPOCH_BITS) - 1);
        Self {
            kind: match head >> (LEVEL_BITS + EPOCH_BITS) {
                0 => Kind::Closed,
                1 => Kind::Open,
                _ => Kind::Probing,
            },
            // Both were masked to fewer bits than they have.
            epoch: u16::try_from(epoch).unwrap_or_default(),
            level: u8::try_from(level).unwrap_or_default(),
            until: word & LATEST,
        }
    }
}
