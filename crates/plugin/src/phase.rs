//! Which phases a plugin takes part in, and what it wants decoded.

use std::ops::BitOr;

/// The set of phases a plugin implements; absent phases cost nothing.
///
/// Order within one request, as in APISIX: global rewrite, route rewrite, rewrite of plugins that
/// came with the consumer, global access, route access, before-proxy, head, chunk, log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases(u8);

/// What a plugin needs decoded from a reply beyond its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Want(u8);

// === impl Phases ===

impl Phases {
    /// No phase.
    pub const NONE: Self = Self(0);
    /// First look at the request; authentication lives here.
    pub const REWRITE: Self = Self(1);
    /// Decisions that need the rewritten request.
    pub const ACCESS: Self = Self(2);
    /// In place of the normal upstream exchange.
    pub const BEFORE_PROXY: Self = Self(4);
    /// The status line and headers of the reply.
    pub const HEAD: Self = Self(8);
    /// Each piece of the reply body.
    pub const CHUNK: Self = Self(16);
    /// After the reply, from its own end.
    pub const LOG: Self = Self(32);
    /// Around each upstream attempt.
    pub const ATTEMPT: Self = Self(64);
    /// While an instance is being chosen.
    pub const ROOM: Self = Self(128);

    /// Whether any phase of `other` is in this set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Both sets together.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOr for Phases {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.and(other)
    }
}

// === impl Want ===

impl Want {
    /// Bytes are enough.
    pub const NONE: Self = Self(0);
    /// The text of the answer, collected.
    pub const TEXT: Self = Self(1);
    /// The content of the request as the dialect knows it (messages, input).
    pub const REQUEST: Self = Self(2);
    /// The usage of the answer in the provider's own names.
    pub const RAW_USAGE: Self = Self(4);

    /// Whether any want of `other` is in this set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for Want {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
