//! Resources as operators see them.

use config::document::Items;
use config::source::Stored;
use config::{Document, Kind};
use serde_json::{Value, json};

/// One resource as operators see it.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) key: String,
    pub(crate) value: Value,
    pub(crate) created: u64,
    pub(crate) modified: u64,
}

// === impl View ===

impl View {
    /// `{"key":…,"value":…,"createdIndex":…,"modifiedIndex":…}`.
    pub(crate) fn into_json(self) -> Value {
        json!({
            "key": self.key,
            "value": self.value,
            "createdIndex": self.created,
            "modifiedIndex": self.modified,
        })
    }
}

impl From<Stored> for View {
    fn from(stored: Stored) -> Self {
        Self {
            key: stored.key,
            value: stored.value,
            created: stored.created,
            modified: stored.modified,
        }
    }
}

/// The items of one kind in a document whose identifier starts with `prefix`.
pub(crate) fn views(document: &Document, kind: Kind, prefix: &str) -> Vec<View> {
    match kind {
        Kind::Route => some(&document.routes, prefix),
        Kind::Service => some(&document.services, prefix),
        Kind::Upstream => some(&document.upstreams, prefix),
        Kind::Consumer => some(&document.consumers, prefix),
        Kind::Credential => some(&document.credentials, prefix),
        Kind::ConsumerGroup => some(&document.consumer_groups, prefix),
        Kind::PluginConfig => some(&document.plugin_configs, prefix),
        Kind::GlobalRule => some(&document.global_rules, prefix),
        Kind::PluginMetadata => some(&document.plugin_metadata, prefix),
        Kind::Ssl => some(&document.ssls, prefix),
        Kind::Secret => some(&document.secrets, prefix),
    }
}

/// One item of a document.
pub(crate) fn view(document: &Document, kind: Kind, id: &str) -> Option<View> {
    match kind {
        Kind::Route => one(&document.routes, id),
        Kind::Service => one(&document.services, id),
        Kind::Upstream => one(&document.upstreams, id),
        Kind::Consumer => one(&document.consumers, id),
        Kind::Credential => one(&document.credentials, id),
        Kind::ConsumerGroup => one(&document.consumer_groups, id),
        Kind::PluginConfig => one(&document.plugin_configs, id),
        Kind::GlobalRule => one(&document.global_rules, id),
        Kind::PluginMetadata => one(&document.plugin_metadata, id),
        Kind::Ssl => one(&document.ssls, id),
        Kind::Secret => one(&document.secrets, id),
    }
}

fn some<T>(items: &Items<T>, prefix: &str) -> Vec<View> {
    items
        .iter()
        .filter(|(id, _)| id.starts_with(prefix))
        .map(|(_, item)| of(item))
        .collect()
}

fn one<T>(items: &Items<T>, id: &str) -> Option<View> {
    items.get(id).map(|item| of(item))
}

fn of<T>(item: &config::Item<T>) -> View {
    View {
        key: item.key.to_string(),
        value: item.raw.clone(),
        created: item.created,
        modified: item.modified,
    }
}
