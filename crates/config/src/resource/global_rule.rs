//! Global rules: plugins that run for every request.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shared;
use super::{AnyResource, Id, Kind, Plugins, Resource};

/// A global rule: plugins that run for every request.
///
/// Source: `apache/apisix`, `apisix/schema_def.lua`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["plugins"]))]
pub struct GlobalRule {
    /// The identifier of the rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// Plugin configurations by plugin name.
    pub plugins: Plugins,
    /// When the rule was created, set by the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shared::timestamp")]
    pub create_time: Option<i64>,
    /// When the rule was last changed, set by the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shared::timestamp")]
    pub update_time: Option<i64>,
}

// === impl GlobalRule ===

impl Resource for GlobalRule {
    const KIND: Kind = Kind::GlobalRule;

    fn own_id(&self) -> Option<&str> {
        self.id.as_ref().map(Id::as_str)
    }

    fn plugins(&self) -> &Plugins {
        &self.plugins
    }

    fn into_any(self) -> AnyResource {
        AnyResource::GlobalRule(Box::new(self))
    }
}
