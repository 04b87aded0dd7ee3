//! The plugins of this gateway, by name: schemas, checks, compilation.

mod judge;
mod resolve;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use config::CheckError;
use serde_json::Value;

use crate::{ConfigError, Entry, Host, Link, Meta};
use judge::Judges;
use resolve::Resolved;

/// The enabled plugins.
#[derive(Debug)]
pub struct Registry {
    entries: Vec<&'static Entry>,
    judges: HashMap<&'static str, Judges>,
}

/// How the configuration of an auth plugin makes a consumer known.
#[derive(Clone, PartialEq)]
pub struct Identity {
    /// The auth plugin.
    pub plugin: &'static str,
    /// The credential by which the consumer is found.
    pub credential: String,
    /// The configuration with the values of its references in place.
    pub auth: Value,
}

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

// === impl Identity ===

// Written by hand: the credential and what it stands in are secrets.
impl fmt::Debug for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Identity")
            .field("plugin", &self.plugin)
            .finish_non_exhaustive()
    }
}

// === impl Registry ===

impl Registry {
    /// The plugins of `entries` that are `enabled`; all of them without a list.
    pub fn new(entries: &'static [Entry], enabled: Option<&[String]>) -> Self {
        let is_enabled = |entry: &&Entry| {
            enabled.is_none_or(|names| names.iter().any(|name| name == entry.name))
        };
        let mut entries: Vec<_> = entries.iter().filter(is_enabled).collect();
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.priority));
        let judges = entries
            .iter()
            .map(|entry| (entry.name, Judges::default()))
            .collect();
        Self { entries, judges }
    }

    /// The entries, larger priority first.
    pub fn entries(&self) -> &[&'static Entry] {
        &self.entries
    }

    /// The entry of `name`, when it is enabled.
    pub fn find(&self, name: &str) -> Option<&'static Entry> {
        self.entries
            .iter()
            .copied()
            .find(|entry| entry.name == name)
    }

    /// The JSON Schema of a plugin's configuration, `_meta` included.
    pub fn schema(&self, name: &str) -> Option<&Value> {
        let entry = self.find(name)?;
        Some(&self.judges.get(name)?.config(entry).schema)
    }

    /// The JSON Schema of a consumer's configuration of an auth plugin, `_meta` included.
    pub fn consumer_schema(&self, name: &str) -> Option<&Value> {
        let entry = self.find(name)?;
        Some(&self.judges.get(name)?.consumer(entry)?.schema)
    }

    /// The JSON Schema of a plugin's metadata object, when it has one.
    pub fn metadata_schema(&self, name: &str) -> Option<&Value> {
        let entry = self.find(name)?;
        Some(&self.judges.get(name)?.metadata(entry)?.schema)
    }

    /// Checks one plugin configuration of a route, service, `plugin_config` or global rule: schema,
    /// type, and what the plugin's own compilation refuses.
    ///
    /// References to secrets are not looked up, since they may get a value later: whatever the
    /// plugin says of their places is left to [`Registry::compile`].
    ///
    /// # Errors
    /// [`PluginFault`]; a configuration with `_meta.disable: true` need not be valid.
    pub fn check(&self, name: &str, config: &Value, host: &Host<'_>) -> Result<(), PluginFault> {
        let (entry, judges) = self.row(name)?;
        if Meta::is_disabled(config) {
            return Ok(());
        }
        judge(entry, judges, config)?;
        match link(entry, config, host) {
            Ok(_) => Ok(()),
            Err(error) => {
                let references = resolve::references(config);
                let is_excused = references.iter().any(|one| one.excuses(&error.pointer));
                is_excused.then_some(()).ok_or_else(|| refused(name, error))
            }
        }
    }

    /// Checks one plugin configuration by its schema only.
    ///
    /// # Errors
    /// [`PluginFault`].
    pub fn check_schema(&self, name: &str, config: &Value) -> Result<(), PluginFault> {
        let (entry, judges) = self.row(name)?;
        let judge = judges.config(entry);
        judge
            .validator
            .check(config)
            .map_err(|error| broken(name, error))
    }

    /// Checks the metadata object of a plugin; one without a metadata schema takes any object.
    ///
    /// # Errors
    /// [`PluginFault`].
    pub fn check_metadata(&self, name: &str, metadata: &Value) -> Result<(), PluginFault> {
        let (entry, judges) = self.row(name)?;
        let Some(judge) = judges.metadata(entry) else {
            return Ok(());
        };
        judge
            .validator
            .check(metadata)
            .map_err(|error| broken(name, error))
    }

    /// Checks one plugin configuration of a consumer or credential and tells the credential by which
    /// its consumer is found; `None` for a plugin that is not an auth plugin (it is checked as
    /// [`Registry::check`] does), and for one that identifies nobody: it is disabled, or its
    /// credential is a reference to a secret that is still to be resolved.
    ///
    /// # Errors
    /// [`PluginFault`].
    pub fn credential(
        &self,
        name: &str,
        config: &Value,
        host: &Host<'_>,
    ) -> Result<Option<(&'static str, String)>, PluginFault> {
        let (entry, judges) = self.row(name)?;
        let (Some(consumer), Some(judge)) = (entry.consumer, judges.consumer(entry)) else {
            return self.check(name, config, host).map(|()| None);
        };
        if Meta::is_disabled(config) {
            return Ok(None);
        }
        judge
            .validator
            .check(config)
            .map_err(|error| broken(name, error))?;
        Meta::read(config).map_err(|error| refused(name, error))?;
        let own = Meta::strip(config);
        let credential = (consumer.credential)(&own).map_err(|error| refused(name, error))?;
        let is_known = !config::secret::is_reference(&credential);
        Ok(is_known.then_some((entry.name, credential)))
    }

    /// As [`Registry::credential`], with the values of references in place; `None` as well when it
    /// refers to a secret that may be there and was not asked for.
    ///
    /// # Errors
    /// [`PluginFault`], also for a reference that has no value.
    pub fn identify(
        &self,
        name: &str,
        config: &Value,
        host: &Host<'_>,
    ) -> Result<Option<Identity>, PluginFault> {
        // Before anything is resolved, so that faults of the form are told in full.
        let mut found = self.credential(name, config, host)?;
        if Meta::is_disabled(config) || resolve::is_open(config, host.environment) {
            return Ok(None);
        }
        let resolved = Resolved::new(config, host.environment);
        let resolved = resolved.map_err(|error| refused(name, error))?;
        if resolved.is_changed() {
            let known = self.credential(name, &resolved.config, host);
            found = known.map_err(|fault| resolved.veiled(fault))?;
        }
        Ok(found.map(|(plugin, credential)| Identity {
            plugin,
            credential,
            auth: resolved.config.into_owned(),
        }))
    }

    /// Whether a plugin configuration holds one of these references.
    pub fn mentions(config: &Value, references: &BTreeSet<Arc<str>>) -> bool {
        resolve::mentions(config, references)
    }

    /// Compiles one plugin configuration; `None` when `_meta.disable` is set, and when it refers to
    /// a secret that may be there and was not asked for. Schema defaults apply,
    /// and the values of references to secrets are put in place, on a copy.
    ///
    /// # Errors
    /// [`PluginFault`], also for a reference that has no value.
    pub fn compile(
        &self,
        name: &str,
        config: &Value,
        host: &Host<'_>,
    ) -> Result<Option<Link>, PluginFault> {
        let (entry, judges) = self.row(name)?;
        if Meta::is_disabled(config) {
            return Ok(None);
        }
        judge(entry, judges, config)?;
        for field in resolve::embedded(config) {
            let resource = host.resource;
            tracing::warn!(
                resource,
                plugin = name,
                field,
                "a reference to a secret is replaced only where it is the whole value"
            );
        }
        if resolve::is_open(config, host.environment) {
            return self.check(name, config, host).map(|()| None);
        }
        let resolved = Resolved::new(config, host.environment);
        let resolved = resolved.map_err(|error| refused(name, error))?;
        if resolved.is_changed() {
            let outcome = judge(entry, judges, &resolved.config);
            outcome.map_err(|fault| resolved.veiled(fault))?;
        }
        link(entry, &resolved.config, host)
            .map(Some)
            .map_err(|error| resolved.veiled(refused(name, error)))
    }

    fn row(&self, name: &str) -> Result<(&'static Entry, &Judges), PluginFault> {
        let row = self.find(name).zip(self.judges.get(name));
        row.ok_or_else(|| PluginFault::Unknown {
            name: name.to_owned(),
        })
    }
}

/// Judges a configuration by its schema.
fn judge(entry: &Entry, judges: &Judges, config: &Value) -> Result<(), PluginFault> {
    Meta::refuse_lua(config).map_err(|error| refused(entry.name, error))?;
    let judge = judges.config(entry);
    judge
        .validator
        .check(config)
        .map_err(|error| broken(entry.name, error))
}

/// Compiles a configuration that the schema accepted.
fn link(entry: &Entry, config: &Value, host: &Host<'_>) -> Result<Link, ConfigError> {
    let meta = Meta::read(config)?;
    let plugin = (entry.compile)(&Meta::strip(config), host)?;
    Ok(Link::new(plugin, entry.priority, meta))
}

fn broken(name: &str, error: CheckError) -> PluginFault {
    PluginFault::Invalid {
        name: name.to_owned(),
        pointer: error.pointer,
        detail: error.message,
    }
}

fn refused(name: &str, error: ConfigError) -> PluginFault {
    PluginFault::Invalid {
        name: name.to_owned(),
        pointer: error.pointer,
        detail: error.message,
    }
}
