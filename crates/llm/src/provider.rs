//! Who speaks which dialect, where.

use std::borrow::Cow;

use wire::json::Edits;
use wire::percent;

use crate::dialect::Dialect;
use crate::providers::PROVIDERS;

/// A provider: data only, one row per vendor.
#[derive(Debug)]
pub struct Provider {
    /// The name in configuration, such as `deepseek`.
    pub name: &'static str,
    /// Where it is reached when the configuration does not say.
    pub origin: Origin,
    /// The dialects it speaks natively, in order of preference.
    pub speaks: &'static [Ability],
    /// Whether `model` must not be in the body, since the endpoint already names it.
    pub remove_model: bool,
    /// Path endings that are relayed as they are, whatever the body looks like.
    pub relayed: &'static [&'static str],
}

/// The host of a provider; always https on port 443.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// One host for everybody.
    Fixed(&'static str),
    /// One host for each region: its name, followed by this.
    Regional(&'static str),
    /// Only known to the configuration: an endpoint is required.
    Endpoint,
}

/// Where in a cloud a provider's models are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The project.
    pub project: Option<String>,
    /// The region.
    pub region: Option<String>,
}

/// One dialect as a provider speaks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ability {
    /// The dialect.
    pub dialect: Dialect,
    /// The path when the endpoint has none; `{project}` and `{region}` stand for the [`Place`].
    pub path: &'static str,
    /// Where a limit of answer tokens is written.
    pub cap: TokenCap,
}

/// Where a limit of answer tokens is written in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenCap {
    /// The dialect has no such limit.
    None,
    /// Into this member.
    Field(&'static str),
    /// Into one member, while its older name is removed.
    Renamed {
        /// The member that is written.
        set: &'static str,
        /// The member that must not stand beside it.
        remove: &'static str,
    },
}

// === impl Provider ===

impl Provider {
    /// What most providers have in common, to be filled up.
    pub(crate) const BASE: Self = Self {
        name: "",
        origin: Origin::Endpoint,
        speaks: &[],
        remove_model: false,
        relayed: &[],
    };

    /// The provider of that name.
    pub fn find(name: &str) -> Option<&'static Provider> {
        PROVIDERS
            .iter()
            .find(|provider| provider.name == name)
            .copied()
    }

    /// How the provider speaks a dialect natively.
    pub fn ability(&self, dialect: Dialect) -> Option<&'static Ability> {
        self.speaks
            .iter()
            .find(|ability| ability.dialect == dialect)
    }

    /// The dialect of a request to this provider, given what the request looks like.
    ///
    /// Some endpoints take bodies that look like a chat and answer something else, such as
    /// Anthropic's token count: those are relayed.
    pub fn dialect_at(&self, path: &str, detected: Dialect) -> Dialect {
        let is_relayed = self.relayed.iter().any(|ending| path.ends_with(ending));
        if is_relayed {
            Dialect::Passthrough
        } else {
            detected
        }
    }
}

// === impl Origin ===

impl Origin {
    /// The host for a place; `None` when only an endpoint can tell it.
    pub fn host(self, place: &Place) -> Option<Cow<'static, str>> {
        match self {
            Self::Fixed(host) => Some(host.into()),
            Self::Regional(rest) => {
                let region = place.region.as_ref()?;
                Some(format!("{region}{rest}").into())
            }
            Self::Endpoint => None,
        }
    }
}

// === impl Ability ===

impl Ability {
    /// The path at a place; `None` when the place does not tell all that is in it.
    pub fn path_at(&self, place: &Place) -> Option<Cow<'static, str>> {
        if !self.path.contains('{') {
            return Some(self.path.into());
        }
        let [project, region] = [&place.project, &place.region].map(|name| {
            let name = name.as_ref().filter(|name| !name.is_empty())?;
            Some(percent::encode_path(name.as_bytes()).replace('/', "%2F"))
        });
        let path = self.path.replace("{project}", &project?);
        Some(path.replace("{region}", &region?).into())
    }

    /// A dialect at a path, without a place for a token limit.
    pub const fn new(dialect: Dialect, path: &'static str) -> Self {
        Self {
            dialect,
            path,
            cap: TokenCap::None,
        }
    }

    /// The same with a place for a token limit.
    #[must_use]
    pub const fn cap(mut self, cap: TokenCap) -> Self {
        self.cap = cap;
        self
    }
}

// === impl TokenCap ===

impl TokenCap {
    /// Writes a limit of answer tokens, whatever the client or the options say.
    pub fn apply(self, max_tokens: u64, edits: &mut Edits) {
        match self {
            Self::None => {}
            Self::Field(name) => edits.set(name, max_tokens.to_string()),
            Self::Renamed { set, remove } => {
                edits.set(set, max_tokens.to_string());
                edits.remove(remove);
            }
        }
    }
}
