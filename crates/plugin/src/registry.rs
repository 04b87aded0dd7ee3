//! The plugins of this gateway, by name: schemas, checks, compilation.

mod judge;
mod resolve;
#[cfg(test)]
mod tests;
mod unusable;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use config::CheckError;
use serde_json::Value;

use crate::{ConfigError, Entry, Host, Link, Meta, OnLack};
use judge::Judges;
pub use resolve::Lack;
use resolve::Resolved;
use unusable::Unusable;

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

/// What the configuration of an auth plugin says of a consumer.
#[derive(Debug, Default, PartialEq)]
pub struct Identified {
    /// How it is known; `None` when it is not.
    pub identity: Option<Identity>,
    /// The references without a value, because of which it is not.
    pub lacks: Vec<Lack>,
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
        /// Further faults of the same configuration.
        others: Vec<Self>,
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
            Err(error) if is_excused(config, &error) => Ok(()),
            Err(error) => Err(refused(name, error)),
        }
    }

    /// Checks one plugin configuration by its schema only, with its values in place: a reference to a
    /// secret is then no word of a list, and has no format.
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
            .check_unresolved(config)
            .map_err(|error| broken(name, error))?;
        Meta::read(config).map_err(|error| refused(name, error))?;
        let own = Meta::strip(config);
        match (consumer.credential)(&own) {
            Ok(credential) => {
                let is_known = !config::secret::is_reference(&credential);
                Ok(is_known.then_some((entry.name, credential)))
            }
            Err(error) if is_excused(config, &error) => Ok(None),
            Err(error) => Err(refused(name, error)),
        }
    }

    /// As [`Registry::credential`], with the values of references in place; nobody as well when it
    /// refers to a secret that may be there and was not asked for, or that has no value.
    ///
    /// # Errors
    /// [`PluginFault`].
    pub fn identify(
        &self,
        name: &str,
        config: &Value,
        host: &Host<'_>,
    ) -> Result<Identified, PluginFault> {
        // Before anything is resolved, so that faults of the form are told in full.
        let mut found = self.credential(name, config, host)?;
        if Meta::is_disabled(config) || resolve::is_open(config, host.environment) {
            return Ok(Identified::default());
        }
        let resolved = Resolved::new(config, host.environment);
        if !resolved.lacks.is_empty() {
            // Whoever wrote the reference itself into a request would be let in.
            return Ok(Identified {
                identity: None,
                lacks: resolved.lacks,
            });
        }
        if resolved.is_changed() {
            let known = self.credential(name, &resolved.config, host);
            found = known.map_err(|fault| resolved.veiled(fault))?;
        }
        let identity = found.map(|(plugin, credential)| Identity {
            plugin,
            credential,
            auth: resolved.config.into_owned(),
        });
        Ok(Identified {
            identity,
            lacks: Vec::new(),
        })
    }

    /// Whether a plugin configuration holds one of these references.
    pub fn mentions(config: &Value, references: &BTreeSet<Arc<str>>) -> bool {
        resolve::mentions(config, references)
    }

    /// Compiles one plugin configuration; `None` when `_meta.disable` is set, and when it refers to
    /// a secret that may be there and was not asked for. Schema defaults apply,
    /// and the values of references to secrets are put in place, on a copy.
    ///
    /// A reference that has no value stays, and is told by [`Link::lacks`]. Where it stands in a
    /// secret field, or where the plugin cannot do with it, requests are not served without it: what
    /// becomes of them is [`Plugin::ON_LACK`](crate::Plugin::ON_LACK).
    ///
    /// # Errors
    /// [`PluginFault`].
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
                "a reference to a secret is replaced only where it is the whole value, with $secret \
                 written small"
            );
        }
        let mut resolved = Resolved::new(config, host.environment);
        if resolve::is_open(config, host.environment) {
            self.check(name, config, host)?;
            let secrets = host.environment.secrets();
            let is_asked = |lack: &Lack| !secrets.is_unasked(&lack.reference);
            resolved.lacks.retain(is_asked);
            let link = unusable(entry, config, &resolved.lacks);
            let link = link.map_err(|error| refused(name, error))?;
            return Ok((!resolved.lacks.is_empty()).then(|| link.lacking(resolved.lacks)));
        }
        if resolved.is_changed() {
            let outcome = judge(entry, judges, &resolved.config);
            outcome.map_err(|fault| resolved.veiled(fault))?;
        }
        let link = without_missing(entry, &resolved, host);
        link.map(|link| Some(link.lacking(resolved.lacks.clone())))
            .map_err(|error| resolved.veiled(refused(name, error)))
    }

    fn row(&self, name: &str) -> Result<(&'static Entry, &Judges), PluginFault> {
        let row = self.find(name).zip(self.judges.get(name));
        row.ok_or_else(|| PluginFault::Unknown {
            name: name.to_owned(),
        })
    }
}

/// Whether a fault can come from there being references whose values are not there yet.
fn is_excused(config: &Value, error: &ConfigError) -> bool {
    let references = resolve::references(config);
    references.iter().any(|one| one.excuses(&error.pointer))
}

/// Judges a configuration by its schema.
fn judge(entry: &Entry, judges: &Judges, config: &Value) -> Result<(), PluginFault> {
    Meta::refuse_lua(config).map_err(|error| refused(entry.name, error))?;
    let judge = judges.config(entry);
    judge
        .validator
        .check_unresolved(config)
        .map_err(|error| broken(entry.name, error))
}

/// Compiles a configuration that the schema accepted; one that cannot be used while references have no
/// value becomes a plugin that says so.
fn without_missing(
    entry: &'static Entry,
    resolved: &Resolved<'_>,
    host: &Host<'_>,
) -> Result<Link, ConfigError> {
    let Resolved { config, lacks, .. } = resolved;
    let copes = entry.on_lack == OnLack::Cope;
    if !copes && lacks.iter().any(|lack| lack.is_in(entry.encrypt_fields)) {
        return unusable(entry, config, lacks);
    }
    link(entry, config, host).or_else(|error| {
        if lacks.iter().any(|lack| lack.excuses(&error.pointer)) {
            return unusable(entry, config, lacks);
        }
        Err(error)
    })
}

fn unusable(entry: &'static Entry, config: &Value, lacks: &[Lack]) -> Result<Link, ConfigError> {
    let meta = Meta::read(config)?;
    let plugin = Arc::new(Unusable::new(entry, lacks));
    Ok(Link::new(plugin, entry.priority, meta))
}

/// Compiles a configuration that the schema accepted.
fn link(entry: &Entry, config: &Value, host: &Host<'_>) -> Result<Link, ConfigError> {
    let meta = Meta::read(config)?;
    let plugin = (entry.compile)(&Meta::strip(config), host)?;
    Ok(Link::new(plugin, entry.priority, meta))
}

fn broken(name: &str, error: CheckError) -> PluginFault {
    let others = error.others.into_iter();
    PluginFault::Invalid {
        name: name.to_owned(),
        pointer: error.pointer,
        detail: error.message,
        others: others.map(|other| broken(name, other)).collect(),
    }
}

fn refused(name: &str, error: ConfigError) -> PluginFault {
    PluginFault::Invalid {
        name: name.to_owned(),
        pointer: error.pointer,
        detail: error.message,
        others: Vec::new(),
    }
}
