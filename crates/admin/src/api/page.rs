//! Filters and pages of lists.

use config::Kind;
use fancy_regex::Regex;
use serde_json::{Value, json};

use super::fields::id_text;
use super::refusal::Refusal;
use crate::call::Query;
use crate::view::View;

/// How many items a page may have.
const SIZES: std::ops::RangeInclusive<u64> = 10..=500;

/// What a list is cut down by; all of it must hold.
#[derive(Debug, Default)]
struct Filters {
    name: Option<Regex>,
    uri: Option<Regex>,
    label: Option<String>,
    /// Members and the values they must have.
    members: Vec<(String, String)>,
}

/// `{"list":[…],"total":n}` of what the query asks for.
pub(super) fn page(kind: Kind, mut views: Vec<View>, query: &Query) -> Result<Value, Refusal> {
    let filters = Filters::of(kind, query)?;
    views.retain(|view| filters.admit(&view.value));
    let total = views.len();
    if let (Some(page), Some(size)) = (query.get("page"), query.get("page_size")) {
        views = cut(views, page, size)?;
    }
    let list: Vec<Value> = views.into_iter().map(View::into_json).collect();
    Ok(json!({ "list": list, "total": total }))
}

fn cut(mut views: Vec<View>, page: &str, size: &str) -> Result<Vec<View>, Refusal> {
    let size = size.parse::<u64>().ok().filter(|size| SIZES.contains(size));
    let size = size.ok_or_else(|| {
        let (least, most) = SIZES.into_inner();
        Refusal::Bare(format!("page_size must be between {least} and {most}"))
    })?;
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let before = page.parse::<usize>().unwrap_or(1).max(1) - 1;
    views.sort_by_key(|view| view.created);
    Ok(views
        .into_iter()
        .skip(before.saturating_mul(size))
        .take(size)
        .collect())
}

// === impl Filters ===

impl Filters {
    fn of(kind: Kind, query: &Query) -> Result<Self, Refusal> {
        let mut filters = Self {
            name: pattern(query, "name")?,
            uri: pattern(query, "uri")?,
            label: query.get("label").map(str::to_owned),
            members: Vec::new(),
        };
        if let (Kind::Route, Some(filter)) = (kind, query.get("filter")) {
            for (member, value) in Query::parse(filter).iter() {
                match member {
                    "service_id" | "upstream_id" => {
                        filters.members.push((member.to_owned(), value.to_owned()));
                    }
                    other => tracing::warn!(member = other, "a list cannot be filtered by this"),
                }
            }
        }
        Ok(filters)
    }

    fn admit(&self, value: &Value) -> bool {
        let label = |label: &String| value.pointer("/labels").and_then(|all| all.get(label));
        let uris = value.get("uris").and_then(Value::as_array);
        let mut uris = value
            .get("uri")
            .into_iter()
            .chain(uris.into_iter().flatten());
        self.name
            .as_ref()
            .is_none_or(|pattern| value.get("name").is_some_and(|name| matches(pattern, name)))
            && self
                .uri
                .as_ref()
                .is_none_or(|pattern| uris.any(|uri| matches(pattern, uri)))
            && self.label.as_ref().is_none_or(|name| label(name).is_some())
            && self.members.iter().all(|(member, wanted)| {
                value.get(member).and_then(id_text).as_ref() == Some(wanted)
            })
    }
}

fn pattern(query: &Query, name: &str) -> Result<Option<Regex>, Refusal> {
    let Some(text) = query.get(name).filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    Regex::new(text).map(Some).map_err(|error| {
        Refusal::invalid(format!(
            "invalid argument {name}: expected a regular expression: {error}"
        ))
    })
}

/// A pattern that takes too long to try does not match.
fn matches(pattern: &Regex, value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|text| pattern.is_match(text).unwrap_or(false))
}
