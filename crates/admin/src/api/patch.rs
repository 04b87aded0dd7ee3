//! Changing a part of a resource.

use serde_json::{Map, Value};

use super::refusal::Refusal;

/// Merges `patch` into `value`: objects member by member, all else is replaced, `null` removes.
pub(super) fn merge(value: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *value = patch;
        return;
    };
    let members = as_object(value);
    for (name, part) in patch {
        if part.is_null() {
            members.shift_remove(&name);
        } else {
            merge(members.entry(name).or_insert(Value::Null), part);
        }
    }
}

/// Replaces the place that `path` names by `part`, making the objects on the way; `null` removes.
pub(super) fn replace(value: &mut Value, path: &[&str], part: Value) -> Result<(), Refusal> {
    let Some((last, way)) = path.split_last() else {
        *value = part;
        return Ok(());
    };
    let mut place = value;
    for (index, name) in way.iter().enumerate() {
        let Value::Object(members) = place else {
            return Err(wrong_path(&path[..index]));
        };
        place = members
            .entry((*name).to_owned())
            .or_insert_with(|| Value::Object(Map::new()));
    }
    let Value::Object(members) = place else {
        return Err(wrong_path(way));
    };
    if part.is_null() {
        members.shift_remove(*last);
    } else {
        members.insert((*last).to_owned(), part);
    }
    Ok(())
}

fn as_object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(members) => members,
        _ => unreachable!("it was just made an object"),
    }
}

fn wrong_path(path: &[&str]) -> Refusal {
    Refusal::invalid(format!("invalid sub-path: /{}", path.join("/")))
}

#[cfg(test)]
mod tests;
