//! The plugin configurations of a resource, still raw.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, OnceLock};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

/// Plugin names and their raw configurations, in the order they were written.
///
/// Names and values are shared, so a merge copies pointers and a compiled plugin can be kept as
/// long as its configuration is the very same value.
#[derive(Clone, Default, PartialEq)]
pub struct Plugins(Vec<(Arc<str>, Arc<Value>)>);

// === impl Plugins ===

impl Plugins {
    /// A set without plugins that lives for ever.
    pub fn none() -> &'static Self {
        static NONE: OnceLock<Plugins> = OnceLock::new();
        NONE.get_or_init(Self::default)
    }

    /// The configuration of one plugin.
    pub fn get(&self, name: &str) -> Option<&Arc<Value>> {
        self.0
            .iter()
            .find_map(|(key, value)| (**key == *name).then_some(value))
    }

    /// Whether the plugin is named.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Names and configurations in the order they were written.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Arc<str>, &Arc<Value>)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// How many plugins are named.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no plugin is named.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets the configuration of one plugin, replacing an earlier one at its place.
    pub fn insert(&mut self, name: Arc<str>, value: Arc<Value>) {
        match self.0.iter_mut().find(|(key, _)| *key == name) {
            Some((_, slot)) => *slot = value,
            None => self.0.push((name, value)),
        }
    }
}

impl fmt::Debug for Plugins {
    /// Prints names only: configurations hold credentials.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_set()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

impl FromIterator<(Arc<str>, Arc<Value>)> for Plugins {
    fn from_iter<I: IntoIterator<Item = (Arc<str>, Arc<Value>)>>(entries: I) -> Self {
        let mut plugins = Self::default();
        for (name, value) in entries {
            plugins.insert(name, value);
        }
        plugins
    }
}

impl Serialize for Plugins {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(&**name, &**value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Plugins {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PluginsVisitor;

        impl<'de> Visitor<'de> for PluginsVisitor {
            type Value = Plugins;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object with plugin names as keys")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Plugins, A::Error> {
                let mut plugins = Plugins::default();
                while let Some((name, value)) = map.next_entry::<Cow<'_, str>, Value>()? {
                    plugins.insert(name.into(), Arc::new(value));
                }
                Ok(plugins)
            }
        }

        deserializer.deserialize_map(PluginsVisitor)
    }
}

impl JsonSchema for Plugins {
    fn schema_name() -> Cow<'static, str> {
        "Plugins".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object" })
    }
}
