//! Compiling single plugins, each configuration once.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::Arc;

use config::document::{Item, Items};
use config::resource::{PluginMetadata, Plugins};
use plugin::{Host, Identity, Lack, Link, PluginFault, Registry};
use serde_json::Value;

use super::build::{Memory, Report};
use super::{Environment, Outcome, Reported};

/// Compiles plugins and remembers them for the next snapshot.
pub(super) struct Compiler<'a> {
    pub(super) environment: Environment<'a>,
    metadata: &'a Items<PluginMetadata>,
    previous: Option<&'a Compiled>,
    /// References to secrets of which nothing that was made before can be taken over.
    unsettled: BTreeSet<Arc<str>>,
    made: Compiled,
    /// What references without a value made of plugins in use.
    lacks: Vec<(Fault, Outcome)>,
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

/// A reference without a value, because of which a consumer is not known.
pub(super) type Unproven = (Fault, Outcome);

/// What is wrong with a part of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) key: Arc<str>,
    pub(super) pointer: String,
    pub(super) message: String,
    /// Further faults of the same part.
    pub(super) others: Vec<Self>,
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
            lacks: Vec::new(),
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
            .and_then(|made| made.find(&place, config, metadata))
            .filter(|piece| piece.outcome.is_ok());
        let piece = match known {
            Some(piece) if !self.mentions_unsettled(config) => piece.clone(),
            _ => self.piece(&place, config, known),
        };
        let outcome = piece.outcome.clone();
        self.note_lacks(&place, &piece);
        self.made.0.insert(place, piece);
        outcome
    }

    /// Compiles a plugin; the one that was made from the same configuration before stays when a
    /// secret that it has is gone.
    fn piece(
        &mut self,
        place: &(Arc<str>, Arc<str>),
        config: &Arc<Value>,
        known: Option<&Piece>,
    ) -> Piece {
        let (key, name) = place;
        let registry = self.environment.registry;
        let made = registry.compile(name, config, &self.host(key, name));
        if let Ok(Some(link)) = &made
            && let Some(lack) = link.lacks().first()
            && let Some(known) = known.filter(|piece| piece.is_whole())
        {
            let fault = Fault::of_lack(place, lack);
            self.lacks.push((fault, Outcome::Kept));
            return known.clone();
        }
        Piece {
            config: Arc::clone(config),
            metadata: self.metadata.get(name).cloned(),
            outcome: made.map_err(|fault| Fault::of_plugin(key, name, fault)),
        }
    }

    fn note_lacks(&mut self, place: &(Arc<str>, Arc<str>), piece: &Piece) {
        let link = piece.outcome.as_ref().ok().and_then(Option::as_ref);
        for lack in link.map_or(&[][..], Link::lacks) {
            let noted = (Fault::of_lack(place, lack), outcome(lack));
            self.lacks.push(noted);
        }
    }

    /// How a consumer's plugin configuration makes it known, and because of which references without
    /// a value it does not.
    pub(super) fn identify(
        &self,
        key: &Arc<str>,
        name: &Arc<str>,
        config: &Value,
    ) -> Result<(Option<Identity>, Vec<Unproven>), Fault> {
        let registry = self.environment.registry;
        let identified = registry
            .identify(name, config, &self.host(key, name))
            .map_err(|fault| Fault::of_plugin(key, name, fault))?;
        let place = (Arc::clone(key), Arc::clone(name));
        let lacks = identified.lacks.iter();
        let lacks = lacks.map(|lack| (Fault::of_lack(&place, lack), outcome(lack)));
        Ok((identified.identity, lacks.collect()))
    }

    /// What the next snapshot may take over.
    pub(super) fn finish(self, report: &mut Report) -> Compiled {
        for (fault, outcome) in self.lacks {
            report.add(fault, outcome);
        }
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

impl Piece {
    /// Whether nothing was missing when it was made.
    fn is_whole(&self) -> bool {
        let link = self.outcome.as_ref().ok().and_then(Option::as_ref);
        link.is_some_and(|link| link.lacks().is_empty())
    }
}

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
            others: Vec::new(),
        }
    }

    fn of_plugin(key: &Arc<str>, name: &str, fault: PluginFault) -> Self {
        let place = config::fault::pointer_to(["plugins", name]);
        match fault {
            PluginFault::Invalid {
                pointer,
                detail,
                others,
                ..
            } => {
                let others = others.into_iter();
                let others = others.map(|other| Self::of_plugin(key, name, other));
                Self {
                    others: others.collect(),
                    ..Self::new(key, &format!("{place}{pointer}"), detail)
                }
            }
            unknown @ PluginFault::Unknown { .. } => Self::new(key, &place, unknown.to_string()),
        }
    }

    fn of_lack((key, name): &(Arc<str>, Arc<str>), lack: &Lack) -> Self {
        let place = config::fault::pointer_to(["plugins", name]);
        Self::new(key, &format!("{place}{}", lack.pointer), lack.to_string())
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

/// What becomes of an item in which a reference has no value.
fn outcome(lack: &Lack) -> Outcome {
    if lack.is_of_environment() {
        Outcome::Unset
    } else {
        Outcome::Used
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
