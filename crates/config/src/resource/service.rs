//! Services: what several routes share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shared;
use super::{AnyResource, Id, Kind, Labels, Plugins, Resource, Upstream};
use crate::check::CheckError;

/// A service: what several routes share.
///
/// Source: `apache/apisix`, `apisix/schema_def.lua`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Service {
    /// The identifier of the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// A name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shared::name")]
    pub name: Option<String>,
    /// A note for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shared::desc")]
    pub desc: Option<String>,
    /// Free labels.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    #[schemars(schema_with = "shared::labels")]
    pub labels: Labels,
    /// Host names for routes that name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shared::hosts")]
    pub hosts: Option<Vec<String>>,
    /// Plugin configurations by plugin name.
    pub plugins: Plugins,
    /// The upstream to use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_id: Option<Id>,
    /// An upstream of the service's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Upstream>,
    /// Whether connections may be upgraded to web sockets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_websocket: Option<bool>,
    /// When the service was created, set by the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shared::timestamp")]
    pub create_time: Option<i64>,
    /// When the service was last changed, set by the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shared::timestamp")]
    pub update_time: Option<i64>,
}

// === impl Service ===

impl Resource for Service {
    const KIND: Kind = Kind::Service;

    fn rules(&self) -> Result<(), CheckError> {
        self.upstream.as_ref().map_or(Ok(()), |upstream| {
            upstream.rules().map_err(|error| error.under("upstream"))
        })
    }

    fn own_id(&self) -> Option<&str> {
        self.id.as_ref().map(Id::as_str)
    }

    fn plugins(&self) -> &Plugins {
        &self.plugins
    }

    fn into_any(self) -> AnyResource {
        AnyResource::Service(Box::new(self))
    }
}
