//! Keywords of JSON Schema that are replaced.
//!
//! Those that judge strings, so that secret references pass them; and `dependentRequired`, so that
//! its message can name the member that asks for another one.

use jsonschema::{Keyword, ValidationError};
use serde_json::Value;

use crate::secret::is_reference;

/// A rule for strings that a secret reference is exempt from.
pub(super) enum StringRule {
    /// `minLength`
    Shortest(usize),
    /// `maxLength`
    Longest(usize),
    /// `pattern`, with its source
    Pattern(Box<fancy_regex::Regex>, String),
}

/// `dependentRequired`: members, each with those that must be there when it is.
pub(super) struct Dependencies(Vec<(String, Vec<String>)>);

/// A keyword as the validator keeps it.
pub(super) type BoxedKeyword = Box<dyn for<'i> Keyword<'i>>;

// === impl StringRule ===

impl<'i> Keyword<'i> for StringRule {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        match instance.as_str().and_then(|text| self.complaint(text)) {
            Some(message) => Err(ValidationError::custom(message)),
            None => Ok(()),
        }
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        instance
            .as_str()
            .is_none_or(|text| self.complaint(text).is_none())
    }
}

impl StringRule {
    fn complaint(&self, text: &str) -> Option<String> {
        if is_reference(text) {
            return None;
        }
        let found = || text.chars().count();
        match self {
            Self::Shortest(limit) if found() < *limit => Some(format!(
                "string too short, expected at least {limit}, got {}",
                found()
            )),
            Self::Longest(limit) if found() > *limit => Some(format!(
                "string too long, expected at most {limit}, got {}",
                found()
            )),
            Self::Pattern(regex, source) if !regex.is_match(text).unwrap_or(false) => Some(
                format!("failed to match pattern \"{source}\" with \"{text}\""),
            ),
            _ => None,
        }
    }
}

/// Builds `minLength` or `maxLength`.
pub(super) fn length(
    value: &Value,
    rule: fn(usize) -> StringRule,
) -> Result<BoxedKeyword, ValidationError<'static>> {
    value
        .as_u64()
        .and_then(|limit| usize::try_from(limit).ok())
        .map(|limit| Box::new(rule(limit)) as BoxedKeyword)
        .ok_or_else(|| ValidationError::schema("a length must be a whole number"))
}

/// Builds `pattern`.
pub(super) fn pattern(value: &Value) -> Result<BoxedKeyword, ValidationError<'static>> {
    let Some(source) = value.as_str() else {
        return Err(ValidationError::schema("a pattern must be a string"));
    };
    let regex = fancy_regex::Regex::new(source)
        .map_err(|error| ValidationError::schema(format!("pattern {source:?}: {error}")))?;
    Ok(Box::new(StringRule::Pattern(
        Box::new(regex),
        source.to_owned(),
    )))
}

// === impl Dependencies ===

impl<'i> Keyword<'i> for Dependencies {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        match self.missing(instance) {
            Some((name, given)) => Err(ValidationError::custom(format!(
                "property \"{name}\" is required when \"{given}\" is set"
            ))),
            None => Ok(()),
        }
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        self.missing(instance).is_none()
    }
}

impl Dependencies {
    fn missing(&self, instance: &Value) -> Option<(&str, &str)> {
        let object = instance.as_object()?;
        let given = self
            .0
            .iter()
            .filter(|(given, _)| object.contains_key(given));
        given
            .flat_map(|(given, names)| {
                names
                    .iter()
                    .map(move |name| (name.as_str(), given.as_str()))
            })
            .find(|(name, _)| !object.contains_key(*name))
    }
}

/// Builds `dependentRequired`.
pub(super) fn dependencies(value: &Value) -> Result<BoxedKeyword, ValidationError<'static>> {
    let names = |names: &Value| -> Option<Vec<String>> {
        let names = names.as_array()?.iter();
        names.map(|name| name.as_str().map(str::to_owned)).collect()
    };
    let dependencies: Option<Vec<_>> = value.as_object().and_then(|members| {
        let members = members.iter();
        members
            .map(|(given, value)| Some((given.clone(), names(value)?)))
            .collect()
    });
    match dependencies {
        Some(dependencies) => Ok(Box::new(Dependencies(dependencies))),
        None => Err(ValidationError::schema(
            "dependentRequired must hold arrays of names",
        )),
    }
}
