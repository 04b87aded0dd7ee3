//! Whether a resource is valid, as far as that can be told from itself.

use config::check::{check_resource, check_schema};
use config::fault::pointer_to;
use config::wording::Validator;
use config::{Document, Kind};
use plugin::{Expr, PluginFault, Registry};
use serde_json::{Value, json};

use super::fields::plugins;
use super::kind::{PluginUse, Row};
use super::refusal::Refusal;
use crate::plugin_host::PluginHost;

/// By which auth plugin and which credential a consumer is found.
pub(super) type Credentials = Vec<(&'static str, String)>;

/// What plugins stands in front of the fault of a consumer's plugin.
const CONSUMER_PLUGINS: &str = "invalid plugins configuration: ";

/// What stands in front of a fault that a schema found.
const CONFIGURATION: &str = "invalid configuration: ";

/// Judges resources by themselves, without a look at others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judge<'a> {
    pub(super) row: &'static Row,
    pub(super) plugins: &'a PluginHost,
    /// What is served, for the metadata of plugins.
    pub(super) document: &'a Document,
}

// === impl Judge ===

impl Judge<'_> {
    /// Judges a resource, and tells the credentials by which it makes a consumer known.
    pub(super) fn judge(&self, id: &str, value: &Value) -> Result<Credentials, Refusal> {
        self.fields(id, value)?;
        let credentials = self.configurations(id, value)?;
        conditions(value)?;
        Ok(credentials)
    }

    /// Judges the fields by schema, type and the rules that span them.
    fn fields(&self, id: &str, value: &Value) -> Result<(), Refusal> {
        let kind = self.row.kind;
        if kind == Kind::PluginMetadata {
            return self.metadata(id, value);
        }
        let checked = check_resource(kind, value);
        // only the schema's faults are announced as such
        let by_schema = || kind == Kind::Secret || check_schema(kind, value).is_err();
        checked.map(|_| ()).map_err(|error| {
            let prefix = if by_schema() { CONFIGURATION } else { "" };
            Refusal::faulty(prefix, &error)
        })
    }

    fn metadata(&self, name: &str, value: &Value) -> Result<(), Refusal> {
        // the server's own member is not the plugin's
        let mut members = value.clone();
        if let Value::Object(members) = &mut members {
            members.shift_remove("id");
        }
        match self.plugins.registry.check_metadata(name, &members) {
            Ok(()) => Ok(()),
            Err(PluginFault::Invalid {
                pointer, detail, ..
            }) => Err(Refusal::at(
                &pointer,
                format!("{CONFIGURATION}{detail}"),
                &detail,
            )),
            Err(fault) => Err(refuse(fault, None, &members)),
        }
    }

    fn configurations(&self, id: &str, value: &Value) -> Result<Credentials, Refusal> {
        let resource = format!("/{}", self.row.kind.path(id));
        let mut credentials = Credentials::new();
        for (name, config) in plugins(value) {
            let host = self.plugins.host(name, self.document, &resource);
            let registry = &self.plugins.registry;
            match self.row.plugins {
                PluginUse::None => {}
                PluginUse::Run => {
                    let checked = registry.check(name, config, &host);
                    let schema = || registry.schema(name);
                    checked.map_err(|fault| refuse(fault, schema(), config))?;
                }
                PluginUse::Credential if is_no_auth(registry, name) => return Err(not_auth(name)),
                PluginUse::Consumer | PluginUse::Credential => {
                    let found = registry.credential(name, config, &host);
                    let schema = || registry.consumer_schema(name).or(registry.schema(name));
                    credentials.extend(found.map_err(|fault| {
                        refuse(fault, schema(), config).under(CONSUMER_PLUGINS)
                    })?);
                }
            }
        }
        Ok(credentials)
    }
}

/// Whether the plugin is known, and does not tell who a consumer is.
fn is_no_auth(registry: &Registry, name: &str) -> bool {
    registry
        .find(name)
        .is_some_and(|entry| entry.consumer.is_none())
}

/// Judges the conditions of a route.
fn conditions(value: &Value) -> Result<(), Refusal> {
    let Some(vars) = value.get("vars") else {
        return Ok(());
    };
    match Expr::compile(vars) {
        Ok(_) => Ok(()),
        Err(error) => {
            let message = format!("failed to validate the 'vars' expression: {error}");
            Err(Refusal::at(
                "/vars",
                message,
                "an expression over variables",
            ))
        }
    }
}

/// The refusal for a fault of a plugin's configuration.
///
/// The registry tells the first fault as a text; the schema tells all of them with their places.
fn refuse(fault: PluginFault, schema: Option<&Value>, config: &Value) -> Refusal {
    let refusal = Refusal::invalid(fault.to_string());
    let (name, pointer, detail) = match fault {
        PluginFault::Unknown { name } => {
            return refusal.detail(json!({
                "pointer": pointer_to(["plugins", &name]),
                "expected": "the name of an enabled plugin",
                "found": name,
            }));
        }
        PluginFault::Invalid {
            name,
            pointer,
            detail,
            ..
        } => (name, pointer, detail),
    };
    let validator = schema.and_then(|schema| Validator::new(schema).ok());
    match validator.map(|validator| validator.check(config)) {
        Some(Err(error)) => refusal.details_of(&error.under(&name).under("plugins")),
        _ => refusal.detail(json!({
            "pointer": format!("{}{pointer}", pointer_to(["plugins", &name])),
            "expected": detail,
        })),
    }
}

fn not_auth(name: &str) -> Refusal {
    Refusal::at(
        &pointer_to(["plugins", name]),
        "only supports auth type plugins in consumer credential",
        "an auth plugin",
    )
}
