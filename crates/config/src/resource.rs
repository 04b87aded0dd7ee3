//! The resource kinds, one file each, and what they have in common.
//!
//! Field names, ranges and defaults are APISIX's (`apache/apisix`, `apisix/schema_def.lua`). Each
//! struct is the only description of its kind: the JSON Schema, the reference documentation and the
//! reader all come from it.

mod consumer;
mod consumer_group;
mod credential;
mod global_rule;
mod health;
mod kind;
mod node;
mod plugin_config;
mod plugin_metadata;
mod plugins;
mod route;
mod secret;
mod service;
mod shared;
mod ssl;
mod upstream;

pub use consumer::Consumer;
pub use consumer_group::ConsumerGroup;
pub use credential::Credential;
pub use global_rule::GlobalRule;
pub use health::{
    ActiveCheck, ActiveHealthy, ActiveUnhealthy, CheckType, Checks, PassiveCheck, PassiveHealthy,
    PassiveUnhealthy,
};
pub use kind::{Kind, UnknownKind};
pub use node::{Node, Nodes};
pub use plugin_config::PluginConfig;
pub use plugin_metadata::PluginMetadata;
pub use plugins::Plugins;
pub use route::{Method, Route};
pub use secret::{GcpAuth, SecretManager};
pub use service::Service;
pub use shared::{Id, Labels, Status, Timeout};
pub use ssl::{Ssl, SslClient, SslType, TlsVersion};
pub use upstream::{HashOn, KeepalivePool, PassHost, Scheme, Upstream, UpstreamTls};

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::check::CheckError;

/// One kind of resource, as a type.
pub trait Resource: DeserializeOwned + Serialize + JsonSchema + Send + Sync + 'static {
    /// Which kind this type is.
    const KIND: Kind;

    /// Judges what spans several fields, after the schema has accepted each of them.
    ///
    /// # Errors
    ///
    /// The first rule that the resource breaks, with a pointer relative to the resource.
    fn rules(&self) -> Result<(), CheckError> {
        Ok(())
    }

    /// The identifier written inside the resource, when there is one.
    fn own_id(&self) -> Option<&str>;

    /// The plugin configurations of the resource; empty for kinds that carry none.
    fn plugins(&self) -> &Plugins;

    /// Wraps the resource in the enum of all kinds.
    fn into_any(self) -> AnyResource;
}

/// A checked resource of any kind.
#[derive(Clone, Debug)]
pub enum AnyResource {
    /// A route.
    Route(Box<Route>),
    /// A service.
    Service(Box<Service>),
    /// An upstream.
    Upstream(Box<Upstream>),
    /// A consumer.
    Consumer(Box<Consumer>),
    /// A credential of a consumer.
    Credential(Box<Credential>),
    /// A consumer group.
    ConsumerGroup(Box<ConsumerGroup>),
    /// A reusable set of plugins.
    PluginConfig(Box<PluginConfig>),
    /// A rule for all requests.
    GlobalRule(Box<GlobalRule>),
    /// The metadata of one plugin.
    PluginMetadata(Box<PluginMetadata>),
    /// A TLS certificate.
    Ssl(Box<Ssl>),
    /// A secret manager.
    Secret(Box<SecretManager>),
}

// === impl AnyResource ===

impl AnyResource {
    /// The kind of the resource.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Route(_) => Kind::Route,
            Self::Service(_) => Kind::Service,
            Self::Upstream(_) => Kind::Upstream,
            Self::Consumer(_) => Kind::Consumer,
            Self::Credential(_) => Kind::Credential,
            Self::ConsumerGroup(_) => Kind::ConsumerGroup,
            Self::PluginConfig(_) => Kind::PluginConfig,
            Self::GlobalRule(_) => Kind::GlobalRule,
            Self::PluginMetadata(_) => Kind::PluginMetadata,
            Self::Ssl(_) => Kind::Ssl,
            Self::Secret(_) => Kind::Secret,
        }
    }

    /// The plugin configurations of the resource; empty for kinds that carry none.
    pub fn plugins(&self) -> &Plugins {
        match self {
            Self::Route(resource) => &resource.plugins,
            Self::Service(resource) => &resource.plugins,
            Self::Consumer(resource) => &resource.plugins,
            Self::Credential(resource) => &resource.plugins,
            Self::ConsumerGroup(resource) => &resource.plugins,
            Self::PluginConfig(resource) => &resource.plugins,
            Self::GlobalRule(resource) => &resource.plugins,
            Self::Upstream(_) | Self::PluginMetadata(_) | Self::Ssl(_) | Self::Secret(_) => {
                Plugins::none()
            }
        }
    }
}
