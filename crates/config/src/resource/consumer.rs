//! Consumers: who calls.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shared;
use super::{AnyResource, Id, Kind, Labels, Plugins, Resource};

/// A consumer: who calls.
///
/// Source: `apache/apisix`, `apisix/schema_def.lua`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["username"]))]
pub struct Consumer {
    /// The name of the consumer, which is also its identifier.
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[a-zA-Z0-9_\-]+$"))]
    pub username: String,
    /// The consumer group whose plugins hold where the consumer has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group_id: Option<Id>,
    /// Plugin configurations by plugin name: how the consumer proves who they are, and what
    /// else runs for their requests.
    pub plugins: Plugins,
    /// A note for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shared::desc")]
    pub desc: Option<String>,
    /// Free labels; `custom_id` is told to the upstream in a header.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    #[schemars(schema_with = "shared::labels")]
    pub labels: Labels,
    /// Accepted because stored consumers may carry it; `username` is the identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// When the consumer was created, set by the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shared::timestamp")]
    pub create_time: Option<i64>,
    /// When the consumer was last changed, set by the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shared::timestamp")]
    pub update_time: Option<i64>,
}

// === impl Consumer ===

impl Resource for Consumer {
    const KIND: Kind = Kind::Consumer;

    fn own_id(&self) -> Option<&str> {
        Some(&self.username)
    }

    fn plugins(&self) -> &Plugins {
        &self.plugins
    }

    fn into_any(self) -> AnyResource {
        AnyResource::Consumer(Box::new(self))
    }
}
