//! The whole configuration at one moment.

mod draft;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

pub use draft::Draft;

use crate::fault::CheckError;
use crate::locate::{Origin, Place};
use crate::resource::{
    Consumer, ConsumerGroup, Credential, GlobalRule, Kind, PluginConfig, PluginMetadata, Route,
    SecretManager, Service, Ssl, Upstream,
};

/// The items of one kind by identifier.
pub type Items<T> = BTreeMap<Arc<str>, Arc<Item<T>>>;

/// One resource with what is known about its storage.
///
/// An item that did not change between two documents is the same `Arc` in both, so a compiled form
/// may be kept for as long as the pointer is equal.
pub struct Item<T> {
    /// The identifier: for a credential the part after `credentials/`, else as in the key.
    pub id: Arc<str>,
    /// Where the item is kept: `/apisix/routes/1` in a store, `/routes/1` from a file.
    pub key: Arc<str>,
    /// The revision at which the item was created.
    pub created: u64,
    /// The revision at which the item was last changed.
    pub modified: u64,
    /// The typed value, with defaults.
    pub value: T,
    /// The value as it is stored, without defaults.
    pub raw: Value,
}

/// The whole configuration at one moment: typed resources, plugin configurations still raw.
#[derive(Clone, Debug, Default)]
pub struct Document {
    /// The revision of the source; 0 before the first load.
    pub revision: u64,
    /// Routes.
    pub routes: Items<Route>,
    /// Services.
    pub services: Items<Service>,
    /// Upstreams.
    pub upstreams: Items<Upstream>,
    /// Consumers by name.
    pub consumers: Items<Consumer>,
    /// Credentials by `<consumer>/credentials/<id>`.
    pub credentials: Items<Credential>,
    /// Consumer groups.
    pub consumer_groups: Items<ConsumerGroup>,
    /// Plugin configurations.
    pub plugin_configs: Items<PluginConfig>,
    /// Global rules.
    pub global_rules: Items<GlobalRule>,
    /// Plugin metadata by plugin name.
    pub plugin_metadata: Items<PluginMetadata>,
    /// TLS certificates.
    pub ssls: Items<Ssl>,
    /// Secret managers by `<manager>/<id>`.
    pub secrets: Items<SecretManager>,
    /// The names of the enabled plugins, when the source has such a list.
    pub plugins: Option<Arc<[String]>>,
    /// Where each item was written, for sources that are text.
    pub origin: Option<Arc<Origin>>,
}

/// An item with a fault, while all others were taken.
#[derive(Clone, Debug)]
pub struct Rejected {
    /// The key of the item, such as `/routes/1`.
    pub key: String,
    /// What is wrong with it.
    pub error: CheckError,
    /// Where it is written, for sources that are text.
    pub place: Option<Place>,
    /// What became of it.
    pub fate: Fate,
}

/// What became of an item with a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its previous good version stays in use.
    Kept,
    /// It is left out.
    LeftOut,
    /// It is in use; the fault only concerns the part named.
    InUse,
    /// It is in use, without the value of an environment variable that is not set.
    Unset,
}

/// A document and what had to be left out of it.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The document.
    pub document: Arc<Document>,
    /// The items that were refused, in the order of the source.
    pub rejected: Vec<Rejected>,
}

/// One item as a source has it, not yet judged.
#[derive(Clone)]
pub struct Entry {
    /// The kind.
    pub kind: Kind,
    /// The identifier as in [`Kind::path`].
    pub id: String,
    /// The key.
    pub key: String,
    /// The revision of creation.
    pub created: u64,
    /// The revision of the last change.
    pub modified: u64,
    /// The value.
    pub value: Value,
}

// === impl Item ===

// Written by hand: values hold credentials.
impl<T> fmt::Debug for Item<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Item")
            .field("key", &self.key)
            .field("created", &self.created)
            .field("modified", &self.modified)
            .finish_non_exhaustive()
    }
}

// === impl Entry ===

impl fmt::Debug for Entry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Entry")
            .field("key", &self.key)
            .field("created", &self.created)
            .field("modified", &self.modified)
            .finish_non_exhaustive()
    }
}

// === impl Document ===

impl Document {
    /// The credentials of one consumer.
    pub fn credentials_of<'a>(
        &'a self,
        consumer: &str,
    ) -> impl Iterator<Item = &'a Arc<Item<Credential>>> + use<'a> {
        let start: Arc<str> = format!("{consumer}/credentials/").into();
        let prefix = Arc::clone(&start);
        self.credentials
            .range(start..)
            .take_while(move |(key, _)| key.starts_with(&*prefix))
            .map(|(_, item)| item)
    }

    /// Where a part of an item is written: `key` names the item, `pointer` the part inside it.
    pub fn place(&self, key: &str, pointer: &str) -> Option<Place> {
        self.origin.as_ref()?.place(key, pointer)
    }

    /// How many items there are, of all kinds.
    pub fn len(&self) -> usize {
        self.routes.len()
            + self.services.len()
            + self.upstreams.len()
            + self.consumers.len()
            + self.credentials.len()
            + self.consumer_groups.len()
            + self.plugin_configs.len()
            + self.global_rules.len()
            + self.plugin_metadata.len()
            + self.ssls.len()
            + self.secrets.len()
    }

    /// Whether there is no item at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

// === impl Fate ===

impl Fate {
    /// How a log tells of it.
    pub const fn told(self) -> &'static str {
        match self {
            Self::Kept => "the last good version stays",
            Self::LeftOut => "left out",
            Self::InUse => "the rest is in use",
            Self::Unset => "in use without it",
        }
    }
}

// === impl Rejected ===

impl fmt::Display for Rejected {
    /// `apisix.yaml:12:5: routes[0].uri: expected a string, found 5`, or without a file
    /// `/routes/1: uri: expected a string, found 5`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => {
                let bare = CheckError {
                    pointer: String::new(),
                    ..self.error.clone()
                };
                write!(formatter, "{place}: {}: {}", place.path, bare.plain())
            }
            None => write!(formatter, "{}: {}", self.key, self.error.plain()),
        }
    }
}
