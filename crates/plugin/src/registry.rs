//! The plugins of this gateway, by name: schemas, checks, compilation.

use serde_json::Value;

use crate::{Entry, Host, Link};

/// The enabled plugins.
#[derive(Debug)]
pub struct Registry {}

/// A plugin configuration that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PluginFault {
    /// No plugin has that name, or it is not enabled.
    #[error("unknown plugin [{name}]")]
    Unknown {
        /// The name.
        name: String,
    },
    /// The configuration is not valid.
    #[error("failed to check the configuration of plugin {name} err: {detail}")]
    Invalid {
        /// The plugin.
        name: String,
        /// JSON pointer within the plugin's configuration.
        pointer: String,
        /// What was expected, what was found.
        detail: String,
    },
}

// === impl Registry ===

impl Registry {
    /// The plugins of `entries` that are `enabled`; all of them without a list.
    pub fn new(entries: &'static [Entry], enabled: Option<&[String]>) -> Self {
        let _ = (entries, enabled);
        Self {}
    }

    /// The entries, larger priority first.
    pub fn entries(&self) -> &[&'static Entry] {
        &[]
    }

    /// The entry of `name`, when it is enabled.
    pub fn find(&self, _name: &str) -> Option<&'static Entry> {
        None
    }

    /// The JSON Schema of a plugin's configuration, `_meta` included.
    pub fn schema(&self, _name: &str) -> Option<&Value> {
        None
    }

    /// Checks one plugin configuration of a route, service, plugin_config or global rule: schema,
    /// type, and what the plugin's own compilation refuses.
    ///
    /// # Errors
    /// [`PluginFault`]; a configuration with `_meta.disable: true` need not be valid.
    pub fn check(&self, _name: &str, _config: &Value, _host: &Host<'_>) -> Result<(), PluginFault> {
        Ok(())
    }

    /// Checks one plugin configuration of a consumer or credential and tells the credential by which
    /// its consumer is found; `None` for a plugin that is not an auth plugin (it is checked as
    /// [`Registry::check`] does).
    ///
    /// # Errors
    /// [`PluginFault`].
    pub fn credential(
        &self,
        _name: &str,
        _config: &Value,
        _host: &Host<'_>,
    ) -> Result<Option<(&'static str, String)>, PluginFault> {
        Ok(None)
    }

    /// Compiles one plugin configuration; `None` when `_meta.disable` is set. Schema defaults apply.
    ///
    /// # Errors
    /// [`PluginFault`].
    pub fn compile(
        &self,
        _name: &str,
        _config: &Value,
        _host: &Host<'_>,
    ) -> Result<Option<Link>, PluginFault> {
        Ok(None)
    }
}
