//! Whole standalone documents, checked without being used.
//!
//! Source: `apache/apisix`, `apisix/admin/standalone.lua`.

use std::collections::HashSet;

use config::locate::parse_yaml;
use config::{Document, Kind};
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::check::Judge;
use super::fields::id_text;
use super::kind::Row;
use super::refusal::Refusal;
use super::{Answered, Wiring};
use crate::call::Call;
use crate::reply::Reply;

/// Members of an item that tell of its storage.
const INDEXES: [&str; 2] = ["createdIndex", "modifiedIndex"];

/// The sections of what does not run here.
const REFUSED: [&str; 2] = ["protos", "stream_routes"];

/// `/configs/validate`: every item by itself, and that none is there twice. References between
/// items are not looked at.
pub(super) fn validate(wiring: &Wiring, call: &Call) -> Result<Answered, Refusal> {
    let sections = sections(call)?;
    let document = wiring.live.document();
    let mut review = Review {
        wiring,
        document: &document,
        errors: Vec::new(),
    };
    for kind in Kind::ALL {
        if let Some(section) = sections.get(kind.plural()) {
            versioned(&sections, kind)?;
            review.section(kind, section);
        }
    }
    for name in REFUSED {
        let items = sections.get(name).and_then(Value::as_array);
        if items.is_some_and(|items| !items.is_empty()) {
            review
                .errors
                .push(json!({ "resource_type": name, "error": "not supported" }));
        }
    }
    if review.errors.is_empty() {
        return Ok(Answered::ok(&json!({})));
    }
    let body = json!({ "error_msg": "Configuration validation failed", "errors": review.errors });
    Ok(Answered::read(Reply::json(StatusCode::BAD_REQUEST, &body)))
}

/// The items of a document, looked at one by one.
struct Review<'a> {
    wiring: &'a Wiring,
    document: &'a Document,
    errors: Vec<Value>,
}

// === impl Review ===

impl Review<'_> {
    fn section(&mut self, kind: Kind, section: &Value) {
        let Some(items) = section.as_array() else {
            let error = json!({ "resource_type": kind.plural(), "error": "expected an array" });
            self.errors.push(error);
            return;
        };
        let mut seen = HashSet::new();
        for (index, item) in items.iter().enumerate() {
            let id = id_of(kind, item);
            let judged = self.item(kind, id.as_deref().unwrap_or_default(), item);
            let twice = id.clone().filter(|id| !seen.insert(id.clone()));
            let twice = twice.map(|id| duplicate(kind, &id));
            for error in twice
                .into_iter()
                .chain(judged.err().map(Refusal::into_text))
            {
                self.errors.push(json!({
                    "resource_type": kind.plural(),
                    "resource_id": id,
                    "index": index,
                    "error": error,
                }));
            }
        }
    }

    fn item(&self, section: Kind, id: &str, item: &Value) -> Result<(), Refusal> {
        let is_credential = section == Kind::Consumer && id.contains("/credentials/");
        let kind = if is_credential {
            Kind::Credential
        } else {
            section
        };
        let mut value = item.clone();
        if let Value::Object(members) = &mut value {
            members.retain(|name, _| !INDEXES.contains(&name.as_str()));
        }
        let judge = Judge {
            row: Row::of(kind),
            plugins: &self.wiring.plugins,
            document: self.document,
        };
        judge.judge(id, &value).map(drop)
    }
}

fn sections(call: &Call) -> Result<Map<String, Value>, Refusal> {
    if call.body.is_empty() {
        return Err(Refusal::invalid("missing configurations"));
    }
    let text = String::from_utf8_lossy(&call.body);
    let document = if call.is_yaml {
        let located = parse_yaml(&text);
        located
            .map(|located| located.value)
            .map_err(|error| Refusal::invalid(format!("invalid request body: {}", error.reason)))?
    } else {
        serde_json::from_str(&text)
            .map_err(|error| Refusal::unreadable(&error, text.clone().into_owned()))?
    };
    match document {
        Value::Object(members) => Ok(members),
        _ => Err(Refusal::invalid("invalid request body: expected an object")),
    }
}

fn versioned(sections: &Map<String, Value>, kind: Kind) -> Result<(), Refusal> {
    let name = format!("{}_conf_version", kind.plural());
    match sections.get(&name) {
        Some(version) if !version.is_number() => {
            Err(Refusal::invalid(format!("{name} must be a number")))
        }
        _ => Ok(()),
    }
}

fn id_of(kind: Kind, item: &Value) -> Option<String> {
    let named = item.get("username").filter(|_| kind == Kind::Consumer);
    named.or_else(|| item.get("id")).and_then(id_text)
}

fn duplicate(kind: Kind, id: &str) -> String {
    let what = match kind {
        Kind::Consumer if id.contains("/credentials/") => "credential id",
        Kind::Consumer => "username",
        _ => "id",
    };
    format!("found duplicate {what} {id} in {}", kind.plural())
}
