//! The names of the resource kinds and the keys under which they are stored.

use std::fmt;

/// A kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `routes`: which requests are meant, and what happens to them.
    Route,
    /// `services`: what several routes share.
    Service,
    /// `upstreams`: where requests are sent.
    Upstream,
    /// `consumers`: who calls.
    Consumer,
    /// `credentials`: one more way for a consumer to prove who they are.
    Credential,
    /// `consumer_groups`: plugins that several consumers share.
    ConsumerGroup,
    /// `plugin_configs`: plugins that several routes share.
    PluginConfig,
    /// `global_rules`: plugins that run for every request.
    GlobalRule,
    /// `plugin_metadata`: settings of a plugin that hold everywhere.
    PluginMetadata,
    /// `ssls`: certificates by server name.
    Ssl,
    /// `secrets`: where secret references are looked up.
    Secret,
}

/// A word that names no resource kind served here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unsupported resource type {0:?}")]
pub struct UnknownKind(pub String);

// === impl Kind ===

impl Kind {
    /// Every kind, in the order in which one may refer to another only backwards.
    pub const ALL: [Self; 11] = [
        Self::Secret,
        Self::Upstream,
        Self::Service,
        Self::PluginConfig,
        Self::Route,
        Self::ConsumerGroup,
        Self::Consumer,
        Self::Credential,
        Self::GlobalRule,
        Self::PluginMetadata,
        Self::Ssl,
    ];

    /// The name used in paths and files, such as `routes`.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Route => "routes",
            Self::Service => "services",
            Self::Upstream => "upstreams",
            Self::Consumer => "consumers",
            Self::Credential => "credentials",
            Self::ConsumerGroup => "consumer_groups",
            Self::PluginConfig => "plugin_configs",
            Self::GlobalRule => "global_rules",
            Self::PluginMetadata => "plugin_metadata",
            Self::Ssl => "ssls",
            Self::Secret => "secrets",
        }
    }

    /// The name used in messages and schema paths, such as `route`.
    pub const fn singular(self) -> &'static str {
        match self {
            Self::Route => "route",
            Self::Service => "service",
            Self::Upstream => "upstream",
            Self::Consumer => "consumer",
            Self::Credential => "credential",
            Self::ConsumerGroup => "consumer_group",
            Self::PluginConfig => "plugin_config",
            Self::GlobalRule => "global_rule",
            Self::PluginMetadata => "plugin_metadata",
            Self::Ssl => "ssl",
            Self::Secret => "secret",
        }
    }

    /// The kind with this plural name.
    ///
    /// # Errors
    ///
    /// [`UnknownKind`] for any other word.
    pub fn from_plural(name: &str) -> Result<Self, UnknownKind> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.plural() == name)
            .ok_or_else(|| UnknownKind(name.to_owned()))
    }

    /// The kind with this singular name.
    ///
    /// # Errors
    ///
    /// [`UnknownKind`] for any other word.
    pub fn from_singular(name: &str) -> Result<Self, UnknownKind> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.singular() == name)
            .ok_or_else(|| UnknownKind(name.to_owned()))
    }

    /// The key of one item below the prefix, such as `routes/1`.
    ///
    /// A credential's `id` is `<consumer>/credentials/<id>`, so that its key is
    /// `consumers/jack/credentials/a`; a secret's is `<manager>/<id>`.
    pub fn path(self, id: &str) -> String {
        match self {
            Self::Credential => format!("{}/{id}", Self::Consumer.plural()),
            kind => format!("{}/{id}", kind.plural()),
        }
    }

    /// Reads a key below the prefix back into a kind and an id: the reverse of [`Kind::path`].
    ///
    /// Keys of other things (`plugins`, `gen_id`, `stream_routes/1`, a bare directory) are `None`.
    pub fn parse_path(path: &str) -> Option<(Self, &str)> {
        let (directory, id) = path.split_once('/')?;
        let kind = Self::from_plural(directory).ok()?;
        let mut parts = id.split('/');
        let first = parts.next().filter(|part| !part.is_empty())?;
        match (kind, parts.next(), parts.next(), parts.next()) {
            (Self::Consumer, Some("credentials"), Some(name), None) if !name.is_empty() => {
                Some((Self::Credential, id))
            }
            (Self::Secret, Some(name), None, None) if !name.is_empty() => Some((kind, id)),
            (Self::Credential | Self::Secret, ..) => None,
            (_, None, ..) => Some((kind, first)),
            _ => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.singular())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_back_as_they_were_made() {
        let keys = [
            (Kind::Route, "1", "routes/1"),
            (Kind::Consumer, "jack", "consumers/jack"),
            (
                Kind::Credential,
                "jack/credentials/a",
                "consumers/jack/credentials/a",
            ),
            (Kind::Secret, "vault/1", "secrets/vault/1"),
            (
                Kind::PluginMetadata,
                "prometheus",
                "plugin_metadata/prometheus",
            ),
        ];
        for (kind, id, path) in keys {
            assert_eq!(kind.path(id), path);
            assert_eq!(Kind::parse_path(path), Some((kind, id)));
        }
    }

    #[test]
    fn keys_of_other_things_are_none() {
        for path in [
            "routes",
            "routes/",
            "routes/1/2",
            "plugins",
            "gen_id",
            "stream_routes/1",
            "secrets/1",
            "consumers/jack/credentials",
            "consumers/jack/credentials/",
            "credentials/a",
            "services/1/graphql_cost_decorations/2",
        ] {
            assert_eq!(Kind::parse_path(path), None, "{path}");
        }
    }

    #[test]
    fn kinds_are_found_by_both_names() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_plural(kind.plural()), Ok(kind));
            assert_eq!(Kind::from_singular(kind.singular()), Ok(kind));
        }
        assert!(Kind::from_plural("protos").is_err());
    }
}
