//! What is there for the whole life of the process, whatever the configuration says.

use std::sync::Arc;

use anyhow::Context as _;
use config::document::Fate;
use config::fault::dotted;
use config::lookup::SecretValues;
use config::settings::{Router, Settings};
use config::source::Seal;
use config::{CheckError, Document, Keyring, Loaded, Rejected};
use gateway::{Environment, Outcome, Reported, RouterKind, Routing, Snapshot};
use plugin::{Living, Registry};
use serde_json::{Map, Value};
use telemetry::metrics::{self, Metrics};

use crate::expected;

/// The plugins, the metrics, and what outlives snapshots.
#[derive(Debug)]
pub(crate) struct House {
    pub(crate) registry: Arc<Registry>,
    pub(crate) living: Arc<Living>,
    pub(crate) metrics: Metrics,
    pub(crate) environment: plugin::Environment,
    pub(crate) attributes: Arc<Map<String, Value>>,
    routing: Routing,
}

// === impl House ===

impl House {
    /// The house as the settings want it, in the process's environment.
    ///
    /// # Errors
    /// When `plugin_attr.prometheus` cannot be used.
    pub(crate) fn new(
        settings: &Settings,
        environment: &config::substitute::Environment,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            registry: Arc::new(Registry::new(plugins::PLUGINS, settings.plugins.as_deref())),
            living: Arc::default(),
            metrics: metrics(&settings.plugin_attr)?,
            environment: environment.into(),
            attributes: Arc::new(settings.plugin_attr.clone()),
            routing: Routing {
                kind: match settings.proxy.router {
                    Router::RadixtreeHostUri => RouterKind::HostUri,
                    Router::RadixtreeUri => RouterKind::Uri,
                    Router::RadixtreeUriWithParameter => RouterKind::UriWithParameter,
                },
                ignores_tail_slash: settings.proxy.delete_uri_tail_slash,
                keeps_encoded_slash: settings.proxy.match_uri_encoded_slash,
            },
        })
    }

    /// What lies encrypted in a store: the secret fields of every plugin, enabled or not.
    pub(crate) fn seal(keyring: Keyring) -> Seal {
        let fields = plugins::PLUGINS.iter();
        Seal::new(
            keyring,
            fields.map(|entry| (entry.name, entry.encrypt_fields)),
        )
    }

    /// Compiles what was loaded; unchanged items are taken over from `previous`.
    ///
    /// `secrets` are what secret managers answered. The faults that compiling found stand in the
    /// result beside those of loading.
    pub(crate) fn compile(
        &self,
        loaded: &Loaded,
        secrets: SecretValues,
        previous: Option<&Snapshot>,
    ) -> (Snapshot, Loaded) {
        let process = self.environment.with_secrets(secrets);
        let environment = Environment {
            registry: &self.registry,
            living: &self.living,
            metrics: &self.metrics,
            process: &process,
            attributes: &self.attributes,
            routing: self.routing,
        };
        let (snapshot, reported) = Snapshot::build(&loaded.document, environment, previous);
        let mut whole = loaded.clone();
        let found = reported
            .iter()
            .map(|fault| rejected(fault, &loaded.document, &self.registry));
        whole.rejected.extend(found);
        (snapshot, whole)
    }
}

fn metrics(attributes: &Map<String, Value>) -> anyhow::Result<Metrics> {
    let settings = match attributes.get("prometheus") {
        Some(value) => serde_json::from_value(value.clone()).context("plugin_attr.prometheus")?,
        None => metrics::Settings::default(),
    };
    Ok(Metrics::new(&settings)?)
}

/// A fault of compiling in the words of a fault of loading.
fn rejected(fault: &Reported, document: &Document, registry: &Registry) -> Rejected {
    let in_its_own_words = || {
        let message = without_place(&fault.pointer, innermost(&fault.message));
        CheckError::rule(&fault.pointer, message, "")
    };
    Rejected {
        key: fault.key.to_string(),
        error: expected::by_schema(fault, document, registry).unwrap_or_else(in_its_own_words),
        place: document.place(&fault.key, &fault.pointer),
        fate: match fault.outcome {
            Outcome::Kept => Fate::Kept,
            Outcome::Dropped => Fate::LeftOut,
            Outcome::Used => Fate::InUse,
            Outcome::Unset => Fate::Unset,
        },
    }
}

/// The fault itself, where it begins with the end of the path that the pointer already tells.
fn without_place<'m>(pointer: &str, message: &'m str) -> &'m str {
    let whole = dotted(pointer);
    let told = |(place, rest): (&str, &'m str)| {
        let before = whole.strip_suffix(place)?;
        (before.is_empty() || before.ends_with('.')).then_some(rest)
    };
    message.split_once(": ").and_then(told).unwrap_or(message)
}

/// The fault itself, without the names that the pointer already tells.
fn innermost(message: &str) -> &str {
    let mut rest = message;
    while let Some((_, inner)) = rest
        .strip_prefix("property \"")
        .and_then(|named| named.split_once("\" validation failed: "))
    {
        rest = inner;
    }
    rest
}
