//! What resources say of one another: what is named must be there, and stay.

use config::source::Transaction;
use config::source::store::PREFIX;
use serde_json::Value;

use super::fields::{id_text, plugins};
use super::kind::{ROWS, Row};
use super::refusal::Refusal;
use super::target::{key, parse_key};

/// The plugin that sends requests to upstreams by their ids.
const SPLITTING: &str = "traffic-split";

/// Refuses a resource that names another which is not there.
pub(super) fn all_there(
    transaction: &Transaction<'_>,
    row: &Row,
    value: &Value,
) -> Result<(), Refusal> {
    for reference in row.references {
        let Some(id) = value.pointer(reference.pointer).and_then(id_text) else {
            continue;
        };
        if transaction.get(&key(reference.to, &id))?.is_none() {
            let noun = Row::of(reference.to).noun;
            return Err(Refusal::missing_reference(
                reference.pointer,
                noun,
                &id,
                reference.to,
            ));
        }
    }
    Ok(())
}

/// Refuses to delete what another resource names.
pub(super) fn not_in_use(
    transaction: &Transaction<'_>,
    row: &Row,
    id: &str,
) -> Result<(), Refusal> {
    let Some(refusing) = row.in_use else {
        return Ok(());
    };
    for user in &ROWS {
        let pointers = || {
            let named = user.references.iter();
            named
                .filter(|reference| reference.to == row.kind)
                .map(|reference| reference.pointer)
        };
        let splits =
            row.kind == config::Kind::Upstream && user.plugins == super::kind::PluginUse::Run;
        if pointers().next().is_none() && !splits {
            continue;
        }
        for entry in transaction.list(&format!("{PREFIX}/{}/", user.kind.plural()))? {
            let Some((kind, user_id)) =
                parse_key(&entry.key).filter(|(kind, _)| *kind == user.kind)
            else {
                continue;
            };
            let names =
                |pointer| entry.value.pointer(pointer).and_then(id_text).as_deref() == Some(id);
            let noun = Row::of(kind).noun;
            let by = if pointers().any(names) {
                format!("{noun} [{user_id}]")
            } else if splits && splits_to(&entry.value, id) {
                format!("plugin in {noun} [{user_id}]")
            } else {
                continue;
            };
            return Err(Refusal::invalid(format!(
                "{refusing}, {by} is still using it now"
            )));
        }
    }
    Ok(())
}

/// Whether a plugin of the resource sends requests to the upstream `id`.
fn splits_to(value: &Value, id: &str) -> bool {
    let array = |value: &Value, name: &str| {
        let items = value.get(name).and_then(Value::as_array);
        items.cloned().unwrap_or_default()
    };
    plugins(value)
        .filter(|(name, _)| *name == SPLITTING)
        .flat_map(|(_, config)| array(config, "rules"))
        .flat_map(|rule| array(&rule, "weighted_upstreams"))
        .filter_map(|upstream| upstream.get("upstream_id").and_then(id_text))
        .any(|named| named == id)
}
