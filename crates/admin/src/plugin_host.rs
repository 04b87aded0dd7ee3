//! The plugins by which configurations are judged, and what they see meanwhile.

use std::sync::Arc;

use config::Document;
use plugin::{Environment, Host, Living, Registry};
use serde_json::{Map, Value};
use telemetry::metrics::Metrics;

/// The plugins by which configurations are judged, and what they see meanwhile.
#[derive(Clone, Debug)]
pub struct PluginHost {
    /// The enabled plugins.
    pub registry: Arc<Registry>,
    /// What outlives a snapshot.
    pub living: Arc<Living>,
    /// The metric registry.
    pub metrics: Metrics,
    /// The environment variables of the process.
    pub environment: Environment,
    /// `plugin_attr` of the settings, by plugin name.
    pub attributes: Arc<Map<String, Value>>,
}

// === impl PluginHost ===

impl PluginHost {
    /// What the plugin `name` may use while it judges a configuration of `resource`.
    pub(crate) fn host<'a>(
        &'a self,
        name: &str,
        document: &'a Document,
        resource: &'a str,
    ) -> Host<'a> {
        Host {
            living: &self.living,
            metrics: &self.metrics,
            environment: &self.environment,
            attributes: self.attributes.get(name),
            metadata: document.plugin_metadata.get(name).map(|item| &item.raw),
            resource,
        }
    }
}
