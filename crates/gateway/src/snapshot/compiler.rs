//! Compiling single plugins, each configuration once.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use config::document::{Item, Items};
use config::resource::{PluginMetadata, Plugins};
use plugin::{Host, Identity, Link, PluginFault, Registry};
use serde_json::Value;

use super::build::Memory;
use super::{Environment, Outcome, Reported};

/// Compiles plugins and remembers them for the next snapshot.
pub(super) struct Compiler<'a> {
    pub(super) environment: Environment<'a>,
    metadata: &'a Items<PluginMetadata>,
    previous: Option<&'a Compiled>,
    /// References to secrets of which nothing that was made before can be taken over.
    unsettled: BTreeSet<Arc<str>>,
    made: Compiled,
}

/// Compiled plugins by the key of their resource and their name.
#[derive(Debug, Default)]
pub(super) struct Compiled(HashMap<(Arc<str>, Arc<str>), Piece>);

/// One plugin and what it was made from.
#[derive(Clone)]
struct Piece {
    config: Arc<Value>,
    metadata: Option<Arc<Item<PluginMetadata>>>,
    outcome: Result<Option<Link>, Fault>,
}

/// What is wrong with a part of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) key: Arc<str>,
    pub(super) pointer: String,
    pub(super) message: String,
}

// === impl Compiler ===

impl<'a> Compiler<'a> {
    pub(super) fn new(
        environment: Environment<'a>,
        metadata: &'a Items<PluginMetadata>,
        memory: Option<&'a Memory>,
    ) -> Self {
        let before = memory.map(|memory| memory.process.secrets().clone());
        let secrets = environment.process.secrets();
        Self {
            environment,
            metadata,
            previous: memory.map(|memory| &memory.plugins),
            unsettled: secrets.unsettled(&before.unwrap_or_default()),
            made: Compiled::default(),
        }
    }

    /// Whether a plugin tells who the caller is.
    pub(super) fn is_auth(&self, name: &str) -> bool {
        let entry = self.environment.registry.find(name);
        entry.is_some_and(|entry| entry.consumer.is_some())
    }

    /// Whether a plugin refers to a secret that has another value than before, or none.
    pub(super) fn is_unsettled(&self, plugins: &Plugins) -> bool {
        let mut configs = plugins.iter().map(|(_, config)| config);
        !self.unsettled.is_empty() && configs.any(|config| self.mentions_unsettled(config))
    }

    /// Whether a plugin that tells who a consumer is refers to such a secret.
    pub(super) fn is_unsettled_identity(&self, plugins: &Plugins) -> bool {
        let mut auth = plugins.iter().filter(|(name, _)| self.is_auth(name));
        auth.any(|(_, config)| self.mentions_unsettled(config))
    }

    fn mentions_unsettled(&self, config: &Value) -> bool {
        !self.unsettled.is_empty() && Registry::mentions(config, &self.unsettled)
    }

    /// The plugin `name` of the resource `key`; `None` when it is disabled.
    pub(super) fn link(
        &mut self,
        key: &Arc<str>,
        name: &Arc<str>,
        config: &Arc<Value>,
    ) -> Result<Option<Link>, Fault> {
        let place = (Arc::clone(key), Arc::clone(name));
        let metadata = self.metadata.get(name);
        if let Some(piece) = self.made.find(&place, config, metadata) {
            return piece.outcome.clone();
        }
        let known = self
            .previous
            .and_then(|made| made.find(&place, config, metadata));
        let piece = match known {
            Some(piece) if piece.outcome.is_ok() && !self.mentions_unsettled(config) => {
                piece.clone()
            }
            _ => Piece {
                config: Arc::clone(config),
                metadata: metadata.cloned(),
                outcome: self
                    .environment
                    .registry
                    .compile(name, config, &self.host(key, name))
                    .map_err(|fault| Fault::of_plugin(key, name, fault)),
            },
        };
        let outcome = piece.outcome.clone();
        self.made.0.insert(place, piece);
        outcome
    }

    /// How a consumer's plugin configuration makes it known.
    pub(super) fn identify(
        &self,
        key: &Arc<str>,
        name: &Arc<str>,
        config: &Value,
    ) -> Result<Option<Identity>, Fault> {
        let registry = self.environment.registry;
        registry
            .identify(name, config, &self.host(key, name))
            .map_err(|fault| Fault::of_plugin(key, name, fault))
    }

    /// What the next snapshot may take over.
    pub(super) fn finish(self) -> Compiled {
        self.made
    }

    fn host<'h>(&'h self, key: &'h str, name: &str) -> Host<'h> {
        let metadata = self.metadata.get(name);
        Host {
            living: self.environment.living,
            metrics: self.environment.metrics,
            environment: self.environment.process,
            attributes: self.environment.attributes.get(name),
            metadata: metadata.map(|item| &item.raw),
            resource: key,
        }
    }
}

// === impl Piece ===

// Written by hand: configurations hold credentials.
impl fmt::Debug for Piece {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Piece")
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

// === impl Compiled ===

impl Compiled {
    fn find(
        &self,
        place: &(Arc<str>, Arc<str>),
        config: &Arc<Value>,
        metadata: Option<&Arc<Item<PluginMetadata>>>,
    ) -> Option<&Piece> {
        let piece = self.0.get(place)?;
        let is_same = Arc::ptr_eq(&piece.config, config) && same(piece.metadata.as_ref(), metadata);
        is_same.then_some(piece)
    }
}

// === impl Fault ===

impl Fault {
    pub(super) fn new(key: &Arc<str>, pointer: &str, message: impl Into<String>) -> Self {
        Self {
            key: Arc::clone(key),
            pointer: pointer.to_owned(),
            message: message.into(),
        }
    }

    fn of_plugin(key: &Arc<str>, name: &str, fault: PluginFault) -> Self {
        let name = name.replace('~', "~0").replace('/', "~1");
        let (pointer, message) = match fault {
            PluginFault::Invalid {
                pointer, detail, ..
            } => (pointer, detail),
            unknown @ PluginFault::Unknown { .. } => (String::new(), unknown.to_string()),
        };
        Self::new(key, &format!("/plugins/{name}{pointer}"), message)
    }

    pub(super) fn reported(self, outcome: Outcome) -> Reported {
        Reported {
            key: self.key,
            pointer: self.pointer,
            message: self.message,
            outcome,
        }
    }
}

/// Whether two items are the very same, or both absent.
pub(super) fn same<T>(one: Option<&Arc<T>>, other: Option<&Arc<T>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (None, None) => true,
        _ => false,
    }
}
