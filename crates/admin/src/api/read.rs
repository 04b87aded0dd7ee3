//! Reading one resource, or a list of them.

use config::source::Store;
use config::source::store::PREFIX;
use http::StatusCode;
use serde_json::Value;

use super::kind::Row;
use super::refusal::Refusal;
use super::target::{Target, key, parse_key};
use super::{Answered, Source, Wiring, page};
use crate::call::Query;
use crate::view::{self, View};

/// Answers `GET`.
pub(super) fn read(
    wiring: &Wiring,
    target: &Target<'_>,
    query: &Query,
) -> Result<Answered, Refusal> {
    if let Some(consumer) = target.consumer {
        let found = one(wiring, Row::of(config::Kind::Consumer), consumer)?;
        found.ok_or_else(no_consumer)?;
    }
    let row = target.row;
    let Some(id) = target.full_id() else {
        let views = many(wiring, row, &target.scope)?;
        let views = views.into_iter().map(|view| shown(row, view)).collect();
        return Ok(Answered::ok(&page::page(row.kind, views, query)?));
    };
    let found = one(wiring, row, &id)?.ok_or(Refusal::Missing)?;
    Ok(Answered::ok(&shown(row, found).into_json()))
}

/// The refusal of a path below a consumer that is not there.
pub(super) fn no_consumer() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "consumer not found")
}

/// Takes out what is never sent.
pub(super) fn shown(row: &Row, mut view: View) -> View {
    if let Value::Object(members) = &mut view.value {
        for name in row.hidden {
            members.shift_remove(*name);
        }
    }
    view
}

fn one(wiring: &Wiring, row: &Row, id: &str) -> Result<Option<View>, Refusal> {
    match &wiring.source {
        Source::Store(store) => Ok(store.get(&key(row.kind, id))?.map(View::from)),
        Source::ReadOnly => Ok(view::view(&wiring.live.document(), row.kind, id)),
    }
}

fn many(wiring: &Wiring, row: &Row, scope: &str) -> Result<Vec<View>, Refusal> {
    match &wiring.source {
        Source::Store(store) => from_store(store, row, scope),
        Source::ReadOnly => Ok(view::views(&wiring.live.document(), row.kind, scope)),
    }
}

fn from_store(store: &Store, row: &Row, scope: &str) -> Result<Vec<View>, Refusal> {
    let prefix = format!("{PREFIX}/{}", row.kind.path(scope));
    let mut entries = store.list(&prefix)?;
    // the keys of credentials begin as those of consumers do
    entries.retain(|entry| parse_key(&entry.key).is_some_and(|(kind, _)| kind == row.kind));
    Ok(entries.into_iter().map(View::from).collect())
}
