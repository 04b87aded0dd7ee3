//! Plugin configurations: plugins that several routes share.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::shared;
use super::{AnyResource, Id, Kind, Labels, Plugins, Resource};

/// A plugin configuration: plugins that several routes share.
///
/// Source: `apache/apisix`, `apisix/schema_def.lua`.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("required" = ["plugins"]))]
pub struct PluginConfig {
    /// The identifier of the plugin config.
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
    /// Plugin configurations by plugin name.
    pub plugins: Plugins,
    /// When the plugin config was created, set by the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shared::timestamp")]
    pub create_time: Option<i64>,
    /// When the plugin config was last changed, set by the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "shared::timestamp")]
    pub update_time: Option<i64>,
}

// === impl PluginConfig ===

impl Resource for PluginConfig {
    const KIND: Kind = Kind::PluginConfig;

    fn own_id(&self) -> Option<&str> {
        self.id.as_ref().map(Id::as_str)
    }

    fn plugins(&self) -> &Plugins {
        &self.plugins
    }

    fn into_any(self) -> AnyResource {
        AnyResource::PluginConfig(Box::new(self))
    }
}
