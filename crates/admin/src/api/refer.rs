//! What resources say of one another: what is named must be there, and stay.

use config::Kind;
use config::source::Transaction;
use config::source::store::PREFIX;
use serde_json::Value;

use super::fields::{id_text, plugins};
use super::kind::{PluginUse, ROWS, Row};
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
    for user in ROWS.iter().filter(|user| may_name(user, row.kind)) {
        for entry in transaction.list(&format!("{PREFIX}/{}/", user.kind.plural()))? {
            // the keys of credentials begin as those of consumers do
            let found = parse_key(&entry.key).filter(|(kind, _)| *kind == user.kind);
            if let Some((_, user_id)) = found
                && let Some(how) = names(user, &entry.value, row.kind, id)
            {
                let noun = user.noun;
                return Err(Refusal::invalid(format!(
                    "{refusing}, {how}{noun} [{user_id}] is still using it now"
                )));
            }
        }
    }
    Ok(())
}

/// The members of a kind that name one of kind `to`.
fn pointers(user: &Row, to: Kind) -> impl Iterator<Item = &'static str> {
    let named = user.references.iter();
    named
        .filter(move |reference| reference.to == to)
        .map(|reference| reference.pointer)
}

/// Whether a kind has members or plugins that can name one of kind `to`.
fn may_name(user: &Row, to: Kind) -> bool {
    let runs_plugins = matches!(user.plugins, PluginUse::Run | PluginUse::Consumer);
    pointers(user, to).next().is_some() || (to == Kind::Upstream && runs_plugins)
}

/// How a resource names the one of kind `to`: itself, or `plugin in ` it.
fn names(user: &Row, value: &Value, to: Kind, id: &str) -> Option<&'static str> {
    let named = |pointer| {
        value
            .pointer(pointer)
            .and_then(id_text)
            .is_some_and(|named| named == id)
    };
    if pointers(user, to).any(named) {
        return Some("");
    }
    (to == Kind::Upstream && splits_to(value, id)).then_some("plugin in ")
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
