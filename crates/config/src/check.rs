//! Judges one resource: by its schema, by its type, and by the rules that span fields.

use std::sync::OnceLock;

use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};

pub use crate::fault::CheckError;
use crate::resource::{
    AnyResource, Consumer, ConsumerGroup, Credential, GlobalRule, Kind, PluginConfig,
    PluginMetadata, Resource, Route, SecretManager, Service, Ssl, Upstream,
};
use crate::schema::schema_of;
use crate::wording::Validator;

/// Fields that hold Lua code or its results, by kind: refused with a reason of their own.
const LUA_FIELDS: [(&str, &str); 4] = [
    ("script", "plugins"),
    ("script_id", "plugins"),
    ("filter_func", "vars"),
    ("service_protocol", "plugins"),
];

/// What a kind is checked by, built at its first use.
struct Judge {
    schema: Value,
    validator: Validator,
}

/// Checks one document as a resource of type `R` and reads it.
///
/// Schema defaults are in the typed value only: the document itself is not changed.
///
/// # Errors
///
/// The faults of the document, the one APISIX would name first in front.
pub fn check<R: Resource>(document: &Value) -> Result<R, CheckError> {
    refuse_lua(R::KIND, document)?;
    judge(R::KIND).validator.check(document)?;
    let resource: R = read(document)?;
    resource.rules()?;
    Ok(resource)
}

/// Checks one document as a resource of a kind that is known only at run time.
///
/// # Errors
///
/// As [`check`].
pub fn check_resource(kind: Kind, document: &Value) -> Result<AnyResource, CheckError> {
    match kind {
        Kind::Route => check::<Route>(document).map(Resource::into_any),
        Kind::Service => check::<Service>(document).map(Resource::into_any),
        Kind::Upstream => check::<Upstream>(document).map(Resource::into_any),
        Kind::Consumer => check::<Consumer>(document).map(Resource::into_any),
        Kind::Credential => check::<Credential>(document).map(Resource::into_any),
        Kind::ConsumerGroup => check::<ConsumerGroup>(document).map(Resource::into_any),
        Kind::PluginConfig => check::<PluginConfig>(document).map(Resource::into_any),
        Kind::GlobalRule => check::<GlobalRule>(document).map(Resource::into_any),
        Kind::PluginMetadata => check::<PluginMetadata>(document).map(Resource::into_any),
        Kind::Ssl => check::<Ssl>(document).map(Resource::into_any),
        Kind::Secret => check::<SecretManager>(document).map(Resource::into_any),
    }
}

/// Checks one document by the schema of its kind only, as `/schema/validate/{kind}` does.
///
/// # Errors
///
/// As [`check`], without the rules that span fields.
pub fn check_schema(kind: Kind, document: &Value) -> Result<(), CheckError> {
    judge(kind).validator.check(document)
}

/// The JSON Schema of a kind.
pub fn schema(kind: Kind) -> &'static Value {
    &judge(kind).schema
}

/// Reads a document that its schema has accepted into a type.
///
/// JSON Schema calls `2.0` an integer and serde does not, so such numbers are read as integers when
/// the type asks for that.
///
/// # Errors
///
/// What serde says, for what the schema cannot express.
pub fn read<T: DeserializeOwned>(document: &Value) -> Result<T, CheckError> {
    T::deserialize(document)
        .or_else(|_| T::deserialize(&with_whole_numbers(document)))
        .map_err(|error| {
            let message = error.to_string();
            CheckError::rule("", message.clone(), message)
        })
}

fn judge(kind: Kind) -> &'static Judge {
    static JUDGES: [OnceLock<Judge>; Kind::ALL.len()] = [const { OnceLock::new() }; 11];
    JUDGES[kind as usize].get_or_init(|| {
        let schema = match kind {
            Kind::Route => schema_of::<Route>(),
            Kind::Service => schema_of::<Service>(),
            Kind::Upstream => schema_of::<Upstream>(),
            Kind::Consumer => schema_of::<Consumer>(),
            Kind::Credential => schema_of::<Credential>(),
            Kind::ConsumerGroup => schema_of::<ConsumerGroup>(),
            Kind::PluginConfig => schema_of::<PluginConfig>(),
            Kind::GlobalRule => schema_of::<GlobalRule>(),
            Kind::PluginMetadata => schema_of::<PluginMetadata>(),
            Kind::Ssl => schema_of::<Ssl>(),
            Kind::Secret => schema_of::<SecretManager>(),
        };
        let validator =
            Validator::new(&schema).expect("schemas of our own types compile, as a test shows");
        Judge { schema, validator }
    })
}

fn refuse_lua(kind: Kind, document: &Value) -> Result<(), CheckError> {
    if !matches!(kind, Kind::Route | Kind::Service) {
        return Ok(());
    }
    let given = |(name, _): &&(&str, &str)| document.get(name).is_some();
    let Some((name, instead)) = LUA_FIELDS.iter().find(given) else {
        return Ok(());
    };
    Err(CheckError::rule(
        format!("/{name}"),
        format!("property \"{name}\" is not supported: Lua code does not run here, use {instead}"),
        format!("no field \"{name}\", because Lua code does not run here: use {instead}"),
    ))
}

/// A copy in which every number with a zero fraction is an integer.
fn with_whole_numbers(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(whole(number)),
        Value::Array(items) => items.iter().map(with_whole_numbers).collect(),
        Value::Object(members) => {
            let members: Map<String, Value> = members
                .iter()
                .map(|(name, value)| (name.clone(), with_whole_numbers(value)))
                .collect();
            Value::Object(members)
        }
        other => other.clone(),
    }
}

fn whole(number: &Number) -> Number {
    /// The largest range in which every whole number is a double.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() <= EXACT => {
            #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
            let integer = float as i64;
            u64::try_from(integer).map_or_else(|_| integer.into(), Number::from)
        }
        _ => number.clone(),
    }
}

#[cfg(test)]
mod tests;
