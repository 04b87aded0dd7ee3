//! The references to secret managers in a document.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use crate::Document;
use crate::document::Items;
use crate::secret::is_manager_reference;

/// The members of a certificate that may be references.
const OF_CERTIFICATES: [&str; 4] = ["cert", "key", "certs", "keys"];

/// Every reference in the plugins and the certificates of a document.
pub(super) fn of(document: &Document) -> BTreeSet<Arc<str>> {
    let mut found = BTreeSet::new();
    in_items(&document.routes, &mut found);
    in_items(&document.services, &mut found);
    in_items(&document.plugin_configs, &mut found);
    in_items(&document.global_rules, &mut found);
    in_items(&document.consumers, &mut found);
    in_items(&document.credentials, &mut found);
    in_items(&document.consumer_groups, &mut found);
    for item in document.ssls.values() {
        for member in OF_CERTIFICATES.iter().filter_map(|name| item.raw.get(name)) {
            in_value(member, &mut found);
        }
    }
    found
}

fn in_items<T>(items: &Items<T>, found: &mut BTreeSet<Arc<str>>) {
    for item in items.values() {
        if let Some(plugins) = item.raw.get("plugins") {
            in_value(plugins, found);
        }
    }
}

fn in_value(value: &Value, found: &mut BTreeSet<Arc<str>>) {
    match value {
        Value::String(text) if is_manager_reference(text) => {
            found.insert(text.as_str().into());
        }
        Value::Array(items) => items.iter().for_each(|item| in_value(item, found)),
        Value::Object(members) => members.values().for_each(|member| in_value(member, found)),
        _ => {}
    }
}
