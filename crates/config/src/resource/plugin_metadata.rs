//! Plugin metadata: settings of a plugin that hold everywhere.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{AnyResource, Kind, Plugins, Resource};

/// The metadata of one plugin: any object, judged by that plugin.
///
/// In stored form it carries `id`, the plugin's name.
#[derive(Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct PluginMetadata(pub Map<String, Value>);

// === impl PluginMetadata ===

// Written by hand: values may be credentials.
impl fmt::Debug for PluginMetadata {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

impl Resource for PluginMetadata {
    const KIND: Kind = Kind::PluginMetadata;

    fn own_id(&self) -> Option<&str> {
        self.0.get("id").and_then(Value::as_str)
    }

    fn plugins(&self) -> &Plugins {
        Plugins::none()
    }

    fn into_any(self) -> AnyResource {
        AnyResource::PluginMetadata(Box::new(self))
    }
}
