//! The keywords that judge strings, replaced so that secret references pass them.

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
