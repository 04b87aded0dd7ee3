//! The validator for resource and plugin schemas, and APISIX's words for its faults.
//!
//! One place holds all texts. They follow `api7/jsonschema`, the validator of APISIX, because users
//! and their tests match on them. What JSON Schema's own keywords cannot do is done by replacing
//! them: a string that holds a secret reference is not yet the value, so the keywords that judge
//! strings pass it.

mod blame;
mod keywords;
mod path;

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use jsonschema::Draft;
use jsonschema::error::{TypeKind, ValidationError, ValidationErrorKind};
use serde_json::{Map, Value};

use crate::fault::{CheckError, is_sensitive, pointer_to};
use crate::nearest::nearest;
use blame::{blamed, blames_reference, missing, ranked, says_what_is_missing};
use keywords::StringRule;
use path::{Step, steps};

/// A compiled JSON Schema.
#[derive(Debug)]
pub struct Validator {
    compiled: jsonschema::Validator,
    schema: Value,
}

/// A schema that does not compile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid schema at {pointer:?}: {reason}")]
pub struct SchemaError {
    /// JSON pointer into the schema.
    pub pointer: String,
    /// Why it does not compile.
    pub reason: String,
}

// === impl Validator ===

impl Validator {
    /// Compiles a schema of draft 2020-12.
    ///
    /// # Errors
    ///
    /// [`SchemaError`] when the schema is no valid one.
    pub fn new(schema: &Value) -> Result<Self, SchemaError> {
        let mut schema = schema.clone();
        declare_no_members(&mut schema);
        jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true)
            .with_format("ipv4-network", |text: &str| is_network(text, false))
            .with_format("ipv6-network", |text: &str| is_network(text, true))
            .with_format("address:port", |text: &str| is_listen_address(text))
            .with_keyword("minLength", |_, value, _| {
                keywords::length(value, StringRule::Shortest)
            })
            .with_keyword("maxLength", |_, value, _| {
                keywords::length(value, StringRule::Longest)
            })
            .with_keyword("dependentRequired", |_, value, _| {
                keywords::dependencies(value)
            })
            .with_keyword("pattern", |_, value, _| keywords::pattern(value))
            .build(&schema)
            .map_err(|error| SchemaError {
                pointer: error.instance_path().as_str().to_owned(),
                reason: error.to_string(),
            })
            .map(|compiled| Self { compiled, schema })
    }

    /// Checks a document.
    ///
    /// # Errors
    ///
    /// The faults of the document, the one APISIX would name first in front.
    pub fn check(&self, document: &Value) -> Result<(), CheckError> {
        self.check_except(document, |_| false)
    }

    /// Checks a document whose references to secrets get their values later: they may also stand
    /// where one of several words, or a format, is expected.
    ///
    /// # Errors
    ///
    /// As [`Validator::check`].
    pub fn check_unresolved(&self, document: &Value) -> Result<(), CheckError> {
        self.check_except(document, blames_reference)
    }

    fn check_except(
        &self,
        document: &Value,
        is_excused: impl Fn(&ValidationError<'_>) -> bool,
    ) -> Result<(), CheckError> {
        if self.compiled.is_valid(document) {
            return Ok(());
        }
        let errors = self.compiled.iter_errors(document);
        let errors: Vec<_> = errors.filter(|error| !is_excused(error)).collect();
        let mut faults = ranked(&errors)
            .into_iter()
            .map(|error| self.describe(error));
        match faults.next() {
            Some(mut first) => {
                first.others = faults.collect();
                Err(first)
            }
            None => Ok(()),
        }
    }

    fn describe(&self, error: &ValidationError<'_>) -> CheckError {
        let place = blamed(error);
        let mut fault = CheckError::rule(pointer(place), message(error), expectation(place));
        match place.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => {
                let name = unexpected.first().map_or("", String::as_str);
                fault.pointer.push_str(&pointer_to([name]));
                fault.meant(self.meant(place, name))
            }
            _ if says_what_is_missing(place) => fault,
            _ => fault.found(place.instance()),
        }
    }

    /// The known member that an unknown name was probably meant to be.
    fn meant(&self, error: &ValidationError<'_>, name: &str) -> Option<&str> {
        let (owner, _) = error.schema_path().as_str().rsplit_once('/')?;
        let known = self.schema.pointer(owner)?.get("properties")?.as_object()?;
        nearest(name, known.keys().map(String::as_str))
    }
}

/// Says of closed objects without members that they have none: only then does the validator name
/// the member that it refuses.
fn declare_no_members(schema: &mut Value) {
    match schema {
        Value::Object(keywords) => {
            let is_closed = keywords.get("additionalProperties") == Some(&Value::Bool(false));
            let is_open = keywords.contains_key("patternProperties");
            for (keyword, inner) in &mut *keywords {
                // these hold values, not schemas
                if !matches!(keyword.as_str(), "const" | "enum" | "default" | "examples") {
                    declare_no_members(inner);
                }
            }
            if is_closed && !is_open {
                keywords
                    .entry("properties")
                    .or_insert_with(|| Value::Object(Map::new()));
            }
        }
        Value::Array(schemas) => schemas.iter_mut().for_each(declare_no_members),
        _ => {}
    }
}

fn is_listen_address(text: &str) -> bool {
    let named = text.strip_prefix("localhost:");
    named.is_some_and(|port| port.parse::<u16>().is_ok()) || text.parse::<SocketAddr>().is_ok()
}

fn is_network(text: &str, v6: bool) -> bool {
    let Some((address, bits)) = text.split_once('/') else {
        return false;
    };
    let (valid, most) = if v6 {
        (address.parse::<Ipv6Addr>().is_ok(), 128)
    } else {
        (address.parse::<Ipv4Addr>().is_ok(), 32)
    };
    let digits = !bits.is_empty() && bits.bytes().all(|byte| byte.is_ascii_digit());
    valid && digits && bits.parse::<u8>().is_ok_and(|bits| bits <= most)
}

// === the texts ===

fn pointer(error: &ValidationError<'_>) -> String {
    error.instance_path().as_str().to_owned()
}

/// The whole message, from the document's top down to the place.
fn message(error: &ValidationError<'_>) -> String {
    let mut text = String::new();
    for step in steps(error) {
        let _ = match step {
            Step::Property(name) => write!(text, "property \"{name}\" validation failed: "),
            Step::Matching(name, pattern) => {
                write!(text, "failed to validate {name} (matching \"{pattern}\"): ")
            }
            Step::Additional(name) => {
                write!(text, "failed to validate additional property {name}: ")
            }
            Step::Item(index) => write!(text, "failed to validate item {}: ", index + 1),
            Step::AllOf(index) => write!(text, "allOf {} failed: ", index + 1),
            Step::Then => return text + "then clause did not match",
            Step::Else => return text + "else clause did not match",
        };
    }
    text + &reason(error)
}

/// What is wrong at the place itself.
fn reason(error: &ValidationError<'_>) -> String {
    let value = error.instance();
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            format!("property \"{name}\" is required")
        }
        ValidationErrorKind::Type { kind } => match type_names(kind).as_slice() {
            [single] => format!("wrong type: expected {single}, got {}", lua_type(value)),
            several => {
                let several = several.join(", ");
                format!(
                    "wrong type: expected one of {several}, got {}",
                    lua_type(value)
                )
            }
        },
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let name = unexpected.first().map_or("", String::as_str);
            format!("additional properties forbidden, found {name}")
        }
        ValidationErrorKind::Enum { .. } | ValidationErrorKind::Constant { .. } => {
            "matches none of the enum values".to_owned()
        }
        ValidationErrorKind::Custom { message, keyword } => {
            if keyword == "pattern" && is_sensitive(&pointer(error)) {
                return message
                    .split(" with \"")
                    .next()
                    .unwrap_or_default()
                    .to_owned();
            }
            message.clone()
        }
        ValidationErrorKind::AnyOf { .. } => "object matches none of the required".to_owned(),
        ValidationErrorKind::OneOfNotValid { .. } => {
            "value should match only one schema, but matches none".to_owned()
        }
        ValidationErrorKind::OneOfMultipleValid { context } => {
            let mut valid = (1..).zip(context).filter(|(_, errors)| errors.is_empty());
            let first = valid.next().map_or(1, |(index, _)| index);
            let second = valid.next().map_or(2, |(index, _)| index);
            format!(
                "value should match only one schema, but matches both schemas {first} and {second}"
            )
        }
        ValidationErrorKind::Not { .. } => "value wasn't supposed to match schema".to_owned(),
        kind => size_reason(kind, value),
    }
}

/// What is wrong with a number, a count or a format.
fn size_reason(kind: &ValidationErrorKind, value: &Value) -> String {
    match kind {
        ValidationErrorKind::Minimum { limit } => {
            format!(
                "expected {} to be at least {}",
                number(value),
                number(limit)
            )
        }
        ValidationErrorKind::Maximum { limit } => {
            format!("expected {} to be at most {}", number(value), number(limit))
        }
        ValidationErrorKind::ExclusiveMinimum { limit } => {
            format!(
                "expected {} to be greater than {}",
                number(value),
                number(limit)
            )
        }
        ValidationErrorKind::ExclusiveMaximum { limit } => {
            format!(
                "expected {} to be smaller than {}",
                number(value),
                number(limit)
            )
        }
        ValidationErrorKind::MultipleOf { multiple_of } => {
            format!(
                "expected {} to be a multiple of {multiple_of}",
                number(value)
            )
        }
        ValidationErrorKind::MinItems { limit } => {
            format!("expect array to have at least {limit} items")
        }
        ValidationErrorKind::MaxItems { limit } => {
            format!("expect array to have at most {limit} items")
        }
        ValidationErrorKind::MinProperties { limit } => {
            format!("expect object to have at least {limit} properties")
        }
        ValidationErrorKind::MaxProperties { limit } => {
            format!("expect object to have at most {limit} properties")
        }
        ValidationErrorKind::UniqueItems => {
            let (first, second) = equal_items(value);
            format!("expected unique items but items {first} and {second} are equal")
        }
        ValidationErrorKind::Format { format } => format!("expected a valid {format}"),
        other => format!("failed the rule {:?}", other.keyword()),
    }
}

/// What the place should hold, in our own words.
fn expectation(error: &ValidationError<'_>) -> String {
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            format!("a field \"{name}\"")
        }
        ValidationErrorKind::Type { kind } => alternatives(
            type_names(kind)
                .into_iter()
                .map(|name| with_article(name).to_owned()),
        ),
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let name = unexpected.first().map_or("", String::as_str);
            format!("no field \"{name}\"")
        }
        ValidationErrorKind::Enum { options } => match &**options {
            Value::Array(words) => alternatives(words.iter().map(Value::to_string)),
            other => other.to_string(),
        },
        ValidationErrorKind::Constant { expected_value } => expected_value.to_string(),
        ValidationErrorKind::Minimum { limit } => format!("at least {}", number(limit)),
        ValidationErrorKind::Maximum { limit } => format!("at most {}", number(limit)),
        ValidationErrorKind::ExclusiveMinimum { limit } => format!("more than {}", number(limit)),
        ValidationErrorKind::ExclusiveMaximum { limit } => format!("less than {}", number(limit)),
        ValidationErrorKind::Custom { keyword, message } => custom_expectation(keyword, message),
        ValidationErrorKind::MinItems { limit } => format!("at least {limit} items"),
        ValidationErrorKind::MaxItems { limit } => format!("at most {limit} items"),
        ValidationErrorKind::MinProperties { limit } => format!("at least {limit} members"),
        ValidationErrorKind::MaxProperties { limit } => format!("at most {limit} members"),
        ValidationErrorKind::UniqueItems => "no item twice".to_owned(),
        ValidationErrorKind::Format { format } if format == "address:port" => {
            "an address and a port such as 127.0.0.1:9080".to_owned()
        }
        ValidationErrorKind::Format { format } => format!("a valid {format}"),
        ValidationErrorKind::AnyOf { context } => branches(context, "at least one of "),
        ValidationErrorKind::OneOfNotValid { context }
        | ValidationErrorKind::OneOfMultipleValid { context } => {
            branches(context, "exactly one of ")
        }
        ValidationErrorKind::Not { .. } => {
            "something that another rule does not exclude".to_owned()
        }
        other => format!("what the rule {:?} allows", other.keyword()),
    }
}

fn custom_expectation(keyword: &str, message: &str) -> String {
    let limit = |start: &str| {
        let rest = message.split(start).nth(1).unwrap_or_default();
        rest.split(',').next().unwrap_or_default().to_owned()
    };
    match keyword {
        "dependentRequired" => {
            let names = message.strip_prefix("property ").unwrap_or(message);
            let names = names.replace(" is required when ", ", because ");
            format!("a field {names}")
        }
        "minLength" => format!("at least {} characters", limit("at least ")),
        "maxLength" => format!("at most {} characters", limit("at most ")),
        _ => {
            let pattern = message
                .strip_prefix("failed to match pattern \"")
                .unwrap_or(message);
            let pattern = pattern.split("\" with \"").next().unwrap_or_default();
            format!("a string that matches {pattern}")
        }
    }
}

// === alternatives ===

/// What a list of failed alternatives asks for.
fn branches(context: &[Vec<ValidationError<'static>>], how_many: &str) -> String {
    let asked = context.iter().map(|errors| {
        let names = missing(errors);
        match (names.is_empty(), ranked(errors).first()) {
            (false, _) => format!("a field {}", names.join(" with ")),
            (true, Some(first)) => expectation(first),
            (true, None) => "what is there".to_owned(),
        }
    });
    let text = alternatives(asked);
    if text.contains(" or ") && text.contains("a field ") {
        let names = text.replace("a field ", "").replace(" or ", ", ");
        return format!("{how_many}the fields {names}");
    }
    text
}

fn alternatives(words: impl Iterator<Item = String>) -> String {
    let mut text = String::new();
    for word in words {
        if text.contains(&word) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(" or ");
        }
        text.push_str(&word);
    }
    text
}

// === small words ===

fn type_names(kind: &TypeKind) -> Vec<&'static str> {
    match kind {
        TypeKind::Single(single) => vec![single.as_str()],
        TypeKind::Multiple(several) => several.iter().map(jsonschema::JsonType::as_str).collect(),
    }
}

fn with_article(name: &str) -> &str {
    match name {
        "string" => "a string",
        "number" => "a number",
        "integer" => "an integer",
        "boolean" => "a boolean",
        "object" => "an object",
        "array" => "an array",
        other => other,
    }
}

// compat: apache/apisix: the validator names what it found by its type in Lua
const fn lua_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "userdata",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) | Value::Object(_) => "table",
    }
}

/// A number as Lua prints it: without a fraction of zero.
fn number(value: &Value) -> String {
    match value.as_f64() {
        // Hundreds of digits tell nobody anything.
        Some(float) if value.is_f64() && float.abs() >= 1e14 => {
            format!("{float:e}").replacen('e', "e+", 1)
        }
        Some(float) if value.is_f64() => float.to_string(),
        _ => value.to_string(),
    }
}

fn equal_items(value: &Value) -> (usize, usize) {
    let items = value.as_array().map_or(&[][..], Vec::as_slice);
    for (second, item) in items.iter().enumerate() {
        if let Some(first) = items.iter().take(second).position(|other| other == item) {
            return (first + 1, second + 1);
        }
    }
    (1, 2)
}

#[cfg(test)]
mod tests;
