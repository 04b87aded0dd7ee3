//! What a path is about.

use config::Kind;
use config::source::store::PREFIX;
use http::Method;

use super::kind::{Identity, Row};
use super::refusal::Refusal;

/// The managers that a secret can be kept by.
const MANAGERS: [&str; 3] = ["vault", "aws", "gcp"];

/// What a path is about: a kind, perhaps one item of it, perhaps a place inside that.
#[derive(Debug)]
pub(super) struct Target<'a> {
    pub(super) row: &'static Row,
    /// What all identifiers begin with that the path can mean: `jack/credentials/`, `vault/`.
    pub(super) scope: String,
    /// The consumer that the path names, when it is about credentials.
    pub(super) consumer: Option<&'a str>,
    /// The identifier as the path gives it, below the scope.
    pub(super) id: Option<&'a str>,
    /// The place inside the item.
    pub(super) inner: &'a [&'a str],
}

// === impl Target ===

impl<'a> Target<'a> {
    /// Finds what a path below `/apisix/admin` is about.
    pub(super) fn find(path: &'a [&'a str]) -> Result<Self, Refusal> {
        match path {
            ["consumers", consumer, "credentials", rest @ ..] => Ok(Self {
                row: Row::of(Kind::Credential),
                scope: format!("{consumer}/credentials/"),
                consumer: Some(consumer),
                ..Self::below(rest)
            }),
            ["secrets", manager, rest @ ..] => {
                if !MANAGERS.contains(manager) {
                    let message = format!("invalid secret manager: {manager}");
                    return Err(Refusal::invalid(message));
                }
                Ok(Self {
                    row: Row::of(Kind::Secret),
                    scope: format!("{manager}/"),
                    ..Self::below(rest)
                })
            }
            [kind @ "credentials", ..] => Err(Refusal::unknown_kind(kind)),
            [kind, rest @ ..] => {
                let kind = Kind::from_plural(kind).map_err(|_| Refusal::unknown_kind(kind))?;
                Ok(Self {
                    row: Row::of(kind),
                    ..Self::below(rest)
                })
            }
            [] => Err(Refusal::not_found()),
        }
    }

    fn below(rest: &'a [&'a str]) -> Self {
        let (id, inner) = match rest {
            [id, inner @ ..] => (Some(*id), inner),
            [] => (None, rest),
        };
        Self {
            row: Row::of(Kind::Route),
            scope: String::new(),
            consumer: None,
            id: id.filter(|id| !id.is_empty()),
            inner,
        }
    }

    /// Whether the kind has that method, and the method takes such a path.
    pub(super) fn allows(&self, method: &Method) -> Result<(), Refusal> {
        let row = self.row;
        let refused = match *method {
            Method::POST => !row.post,
            Method::PATCH => !row.patch,
            Method::GET | Method::PUT | Method::DELETE => false,
            _ => return Err(Refusal::not_found()),
        };
        if refused {
            return Err(Refusal::unsupported_method(method, row.noun));
        }
        if !self.inner.is_empty() && *method != Method::PATCH {
            return Err(Refusal::not_found());
        }
        Ok(())
    }

    /// The identifier as keys have it, when the path names an item.
    pub(super) fn full_id(&self) -> Option<String> {
        self.id.map(|id| format!("{}{id}", self.scope))
    }

    /// The same, or the refusal that there is none.
    pub(super) fn needed_id(&self) -> Result<String, Refusal> {
        self.full_id().ok_or_else(|| match self.row.identity {
            Identity::PluginName => Refusal::invalid("missing plugin name"),
            _ => Refusal::invalid(format!("missing {} id", self.row.noun)),
        })
    }
}

/// The key of an item in the store.
pub(super) fn key(kind: Kind, id: &str) -> String {
    format!("{PREFIX}/{}", kind.path(id))
}

/// The kind and identifier that a key of the store is for.
pub(super) fn parse_key(key: &str) -> Option<(Kind, &str)> {
    Kind::parse_path(key.strip_prefix(PREFIX)?.strip_prefix('/')?)
}
