//! From the dialect of a client to one that a provider speaks.

use std::fmt;

use crate::dialect::Dialect;
use crate::provider::{Ability, Provider, TokenCap};

/// How a client's request reaches a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bridge {
    /// The provider speaks the client's dialect: the client's own bytes go upstream.
    Verbatim(&'static Ability),
    /// The request is of no dialect we know: it goes to the path that the client named.
    Passthrough,
}

/// The provider does not speak the client's dialect.
#[derive(Clone, Copy, Debug)]
pub struct Unsupported {
    provider: &'static Provider,
    dialect: Dialect,
}

/// Finds the way from a client's dialect to a provider.
///
/// # Errors
///
/// When the provider does not speak the dialect.
pub fn route(client: Dialect, provider: &'static Provider) -> Result<Bridge, Unsupported> {
    if let Some(ability) = provider.ability(client) {
        return Ok(Bridge::Verbatim(ability));
    }
    if client == Dialect::Passthrough {
        return Ok(Bridge::Passthrough);
    }
    Err(Unsupported {
        provider,
        dialect: client,
    })
}

// === impl Bridge ===

impl Bridge {
    /// The dialect that goes over the wire to the provider.
    pub fn target(self) -> Dialect {
        match self {
            Self::Verbatim(ability) => ability.dialect,
            Self::Passthrough => Dialect::Passthrough,
        }
    }

    /// The provider's path for it; `None` means the path of the client's request.
    pub fn path(self) -> Option<&'static str> {
        match self {
            Self::Verbatim(ability) => Some(ability.path),
            Self::Passthrough => None,
        }
    }

    /// Where a limit of answer tokens is written.
    pub fn cap(self) -> TokenCap {
        match self {
            Self::Verbatim(ability) => ability.cap,
            Self::Passthrough => TokenCap::None,
        }
    }
}

// === impl Unsupported ===

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { provider, dialect } = self;
        write!(
            f,
            "provider {} cannot be reached in {dialect}; it speaks ",
            provider.name
        )?;
        for (index, ability) in provider.speaks.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{}", ability.dialect)?;
        }
        Ok(())
    }
}

impl std::error::Error for Unsupported {}
