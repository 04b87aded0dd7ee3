//! The identifier of a resource: where it comes from, and what must agree with it.

use plugin::Registry;
use serde_json::{Map, Value};

use super::fields::id_text;
use super::kind::Identity;
use super::refusal::Refusal;
use super::target::Target;

/// Settles the identifier of a resource that is put, and writes it into the members where the kind
/// keeps it there. `None` when a consumer has no name, which its schema refuses.
pub(super) fn settle(
    target: &Target<'_>,
    members: &mut Map<String, Value>,
    registry: &Registry,
) -> Result<Option<String>, Refusal> {
    let noun = target.row.noun;
    let wrong = || Refusal::invalid(format!("wrong {noun} id"));
    let inside = members.get("id").and_then(id_text);
    match target.row.identity {
        Identity::Username => {
            let name = members.get("username").and_then(Value::as_str);
            match (target.id, name) {
                (Some(id), Some(name)) if id != name => Err(Refusal::invalid("wrong username")),
                _ => Ok(name.map(str::to_owned)),
            }
        }
        Identity::PluginName => {
            let name = target.needed_id()?;
            if registry.find(&name).is_none() {
                return Err(Refusal::invalid("invalid plugin name"));
            }
            members.insert("id".to_owned(), name.clone().into());
            Ok(Some(name))
        }
        Identity::Id => {
            let id = match (target.full_id(), inside) {
                (Some(id), Some(inside)) if id != inside => return Err(wrong()),
                (Some(id), _) | (None, Some(id)) => id,
                (None, None) => return target.needed_id().map(Some),
            };
            members.insert("id".to_owned(), id.clone().into());
            Ok(Some(id))
        }
        Identity::Manager | Identity::Credential => {
            let full = target.needed_id()?;
            let short = target.id.unwrap_or_default();
            if inside.is_some_and(|inside| inside != full && inside != short) {
                return Err(wrong());
            }
            let kept = if target.row.identity == Identity::Manager {
                &full
            } else {
                short
            };
            members.insert("id".to_owned(), kept.into());
            Ok(Some(full))
        }
    }
}

/// Refuses an identifier where the server makes one.
pub(super) fn refuse(target: &Target<'_>, members: &Map<String, Value>) -> Result<(), Refusal> {
    if target.id.is_none() && !members.contains_key("id") {
        return Ok(());
    }
    let message = format!("wrong {} id, do not need it", target.row.noun);
    Err(Refusal::invalid(message))
}
