//! What a plugin's configuration should have held, where compiling refused it.

use config::document::Items;
use config::wording::Validator;
use config::{CheckError, Document};
use gateway::Reported;
use plugin::Registry;
use serde_json::Value;

/// The same fault as the schema tells it, with what was expected and what was found; `None` when it is
/// not of a plugin's schema.
pub(crate) fn by_schema(
    fault: &Reported,
    document: &Document,
    registry: &Registry,
) -> Option<CheckError> {
    let name = fault.pointer.strip_prefix("/plugins/")?.split('/').next()?;
    let config = raw(document, &fault.key)?.get("plugins")?.get(name)?;
    let schema = registry.schema(name)?;
    let error = Validator::new(schema)
        .ok()?
        .check_unresolved(config)
        .err()?;
    let error = error.under(name).under("plugins");
    let mut all = error.all();
    let same = all.find(|one| one.pointer == fault.pointer)?;
    Some(CheckError {
        others: Vec::new(),
        ..same.clone()
    })
}

/// A resource as it was written.
fn raw<'d>(document: &'d Document, key: &str) -> Option<&'d Value> {
    fn of<'d, T>(items: &'d Items<T>, key: &str) -> Option<&'d Value> {
        let mut items = items.values();
        let item = items.find(|item| *item.key == *key)?;
        Some(&item.raw)
    }
    of(&document.routes, key)
        .or_else(|| of(&document.services, key))
        .or_else(|| of(&document.plugin_configs, key))
        .or_else(|| of(&document.global_rules, key))
        .or_else(|| of(&document.consumers, key))
        .or_else(|| of(&document.consumer_groups, key))
}

#[cfg(test)]
mod tests;
