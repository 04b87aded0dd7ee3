//! Creating and changing resources.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use config::Document;
use config::check::check_schema;
use config::source::{Store, Stored, Transaction};
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::check::{Credentials, Judge};
use super::holders::Holders;
use super::kind::Row;
use super::refusal::Refusal;
use super::target::{Target, key};
use super::{Answered, identity, patch, read, refer, unique};
use crate::call::{Call, Query};
use crate::plugin_host::PluginHost;
use crate::reply::Reply;
use crate::view::View;

/// The members that only the server sets.
const TIMES: [&str; 2] = ["create_time", "update_time"];

/// The longest life that an entry can be given, in seconds.
const LONGEST_LIFE: f64 = 1e9;

/// Where resources are written.
#[derive(Debug)]
pub(super) struct Desk<'a> {
    pub(super) store: &'a Store,
    pub(super) plugins: &'a PluginHost,
    pub(super) holders: &'a Mutex<Holders>,
    /// What is served.
    pub(super) document: Arc<Document>,
}

// === impl Desk ===

impl Desk<'_> {
    /// Creates a resource, or replaces it.
    pub(super) fn put(&self, target: &Target<'_>, call: &Call) -> Result<Answered, Refusal> {
        let row = target.row;
        let mut members = members(row, call)?;
        let ttl = ttl(&call.query)?;
        forbid_times(row, &members)?;
        let id = identity::settle(target, &mut members, &self.plugins.registry)?;
        let id = id.unwrap_or_default();
        let mut value = Value::Object(members);
        let credentials = self.judge(row).judge(&id, &value)?;
        let key = key(row.kind, &id);
        let (stored, before) = self.step(|transaction| {
            self.consistent(transaction, target, &id, (&value, credentials))?;
            let before = transaction.get(&key)?;
            note_times(row, &mut value, before.as_ref());
            let stored = transaction.put(&key, &value, ttl)?;
            Ok((stored, before))
        })?;
        let status = match before {
            None => StatusCode::CREATED,
            Some(_) => StatusCode::OK,
        };
        Ok(written(row, stored, status))
    }

    /// Creates a resource under an identifier of the server's choice.
    pub(super) fn post(&self, target: &Target<'_>, call: &Call) -> Result<Answered, Refusal> {
        let row = target.row;
        let members = members(row, call)?;
        let ttl = ttl(&call.query)?;
        forbid_times(row, &members)?;
        identity::refuse(target, &members)?;
        let mut value = Value::Object(members);
        let credentials = self.judge(row).judge("", &value)?;
        let stored = self.step(|transaction| {
            let id = format!("{:020}", transaction.revision());
            self.consistent(transaction, target, &id, (&value, credentials))?;
            if let Value::Object(members) = &mut value {
                members.insert("id".to_owned(), id.as_str().into());
            }
            note_times(row, &mut value, None);
            transaction
                .put(&key(row.kind, &id), &value, ttl)
                .map_err(Refusal::from)
        })?;
        Ok(written(row, stored, StatusCode::CREATED))
    }

    /// Changes a part of a resource. Patches take turns, so that none undoes another.
    pub(super) fn patch(&self, target: &Target<'_>, call: &Call) -> Result<Answered, Refusal> {
        let row = target.row;
        let id = target.needed_id()?;
        let part = parse(call, "missing new configuration")?;
        let ttl = ttl(&call.query)?;
        if target.inner.is_empty() && !part.is_object() {
            return Err(Refusal::invalid("invalid configuration"));
        }
        let key = key(row.kind, &id);
        let stored = self.step(|transaction| {
            let before = transaction.get(&key)?.ok_or(Refusal::Missing)?;
            let mut value = before.value.clone();
            if target.inner.is_empty() {
                patch::merge(&mut value, part);
            } else {
                patch::replace(&mut value, target.inner, part)?;
            }
            let Value::Object(mut members) = value else {
                return Err(Refusal::invalid("invalid configuration"));
            };
            identity::settle(target, &mut members, &self.plugins.registry)?;
            let mut value = Value::Object(members);
            let credentials = self.judge(row).judge(&id, &value)?;
            self.consistent(transaction, target, &id, (&value, credentials))?;
            note_times(row, &mut value, Some(&before));
            transaction.put(&key, &value, ttl).map_err(Refusal::from)
        })?;
        Ok(written(row, stored, StatusCode::OK))
    }

    fn judge(&self, row: &'static Row) -> Judge<'_> {
        Judge {
            row,
            plugins: self.plugins,
            document: &self.document,
        }
    }

    /// Judges a resource by the others that are there, as the last thing before it is written.
    fn consistent(
        &self,
        transaction: &Transaction<'_>,
        target: &Target<'_>,
        id: &str,
        (value, credentials): (&Value, Credentials),
    ) -> Result<(), Refusal> {
        let row = target.row;
        if let Some(consumer) = target.consumer
            && transaction
                .get(&key(config::Kind::Consumer, consumer))?
                .is_none()
        {
            return Err(read::no_consumer());
        }
        refer::all_there(transaction, row, value)?;
        if row.kind == config::Kind::GlobalRule {
            unique::rules(transaction, id, value)?;
        }
        let mut holders = self.holders();
        holders.judge(transaction, &self.plugins.registry, id, &credentials)?;
        holders.note(transaction, row.kind, id, credentials);
        Ok(())
    }

    /// Runs checks and writes as one step.
    pub(super) fn step<T>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let outcome = self.store.transact(work);
        if outcome.is_err() {
            self.holders().unless_after(self.store.revision());
        }
        outcome
    }

    /// Who is known by what. Only ever locked by the one writer of the store.
    pub(super) fn holders(&self) -> MutexGuard<'_, Holders> {
        // after a panic its revision is not the store's, so it is read anew
        self.holders.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer that tells what was written.
fn written(row: &Row, stored: Stored, status: StatusCode) -> Answered {
    let revision = stored.modified;
    let view = read::shown(row, View::from(stored));
    let body = json!({ "key": view.key, "value": view.value });
    Answered {
        reply: Reply::json(status, &body),
        written: Some(revision),
    }
}

/// The members of a whole resource in a body.
fn members(row: &Row, call: &Call) -> Result<Map<String, Value>, Refusal> {
    match parse(call, "missing configurations")? {
        Value::Object(members) => Ok(members),
        other => Err(match check_schema(row.kind, &other) {
            Err(error) => Refusal::faulty("invalid configuration: ", &error),
            Ok(()) => Refusal::invalid("invalid configuration"),
        }),
    }
}

fn parse(call: &Call, missing: &str) -> Result<Value, Refusal> {
    if call.body.is_empty() {
        return Err(Refusal::invalid(missing));
    }
    serde_json::from_slice(&call.body).map_err(|error| {
        Refusal::unreadable(&error, String::from_utf8_lossy(&call.body).into_owned())
    })
}

fn ttl(query: &Query) -> Result<Option<Duration>, Refusal> {
    let Some(text) = query.get("ttl") else {
        return Ok(None);
    };
    let seconds: f64 = text
        .parse()
        .map_err(|_| Refusal::invalid("invalid argument ttl: should be a number"))?;
    if !(seconds > 0.0 && seconds <= LONGEST_LIFE) {
        let message = format!(
            "invalid argument ttl: should be above 0 and at most {LONGEST_LIFE}, found {text}"
        );
        return Err(Refusal::invalid(message));
    }
    Ok(Some(Duration::from_secs_f64(seconds)))
}

fn forbid_times(row: &Row, members: &Map<String, Value>) -> Result<(), Refusal> {
    let given = TIMES.into_iter().find(|name| members.contains_key(*name));
    match given.filter(|_| row.timed) {
        // compat: apache/apisix apisix/admin/resource.lua: two blanks
        Some(name) => Err(Refusal::at(
            &format!("/{name}"),
            format!("the property is forbidden:  {name}"),
            "no such member, because the server sets it",
        )),
        None => Ok(()),
    }
}

/// Notes when the resource was created and changed, in seconds since 1970.
fn note_times(row: &Row, value: &mut Value, before: Option<&Stored>) {
    let (true, Value::Object(members)) = (row.timed, value) else {
        return;
    };
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let created = before.and_then(|before| before.value.get("create_time").cloned());
    let [create_time, update_time] = TIMES;
    if !members.contains_key(create_time) {
        members.insert(
            create_time.to_owned(),
            created.unwrap_or_else(|| now.into()),
        );
    }
    members.insert(update_time.to_owned(), now.into());
}
