//! The values of references to secret managers at one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::{Place, references};
use crate::Document;
use crate::secret::Secret;

/// The values of references to secret managers at one moment; never printed.
///
/// Clones share them.
#[derive(Clone, Default)]
pub struct SecretValues(Arc<BTreeMap<Arc<str>, Outcome>>);

/// What is known of one reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Value(Secret),
    /// Why there is none.
    None(String),
    /// There may be one: its manager is known, and was not asked.
    Unasked,
}

// === impl SecretValues ===

impl SecretValues {
    /// What can be said of the references of a document without asking anybody.
    pub fn unasked(document: &Document) -> Self {
        let outcome = |text: &Arc<str>| match Place::parse(text) {
            Ok(place) if document.secrets.contains_key(&place.manager) => Outcome::Unasked,
            Ok(place) => Outcome::None(format!("there is no secret manager {}", place.manager)),
            Err(why) => Outcome::None(why),
        };
        let texts = references::of(document).into_iter();
        texts
            .map(|text| (Arc::clone(&text), outcome(&text)))
            .collect()
    }

    /// The value of a reference.
    ///
    /// # Errors
    ///
    /// Why there is none, without anything secret.
    pub fn get(&self, reference: &str) -> Result<&str, String> {
        match self.0.get(reference) {
            Some(Outcome::Value(value)) => Ok(value.expose()),
            Some(Outcome::None(why)) => Err(why.clone()),
            Some(Outcome::Unasked) => Err("its manager was not asked".to_owned()),
            None => Err(match Place::parse(reference) {
                Ok(place) => format!("{} was not asked for it", place.manager),
                Err(why) => why,
            }),
        }
    }

    /// Whether a reference may have a value that nobody asked for.
    pub fn is_unasked(&self, reference: &str) -> bool {
        self.0.get(reference) == Some(&Outcome::Unasked)
    }

    /// The references whose values are others than they were `before`, and those that have none:
    /// what is made of them cannot be taken over.
    pub fn unsettled(&self, before: &Self) -> BTreeSet<Arc<str>> {
        let has_value = |outcome: &Outcome| matches!(outcome, Outcome::Value(_));
        let gone = before.0.keys().filter(|text| !self.0.contains_key(*text));
        let new = self
            .0
            .iter()
            .filter(|(text, outcome)| !has_value(outcome) || before.0.get(*text) != Some(*outcome));
        gone.chain(new.map(|(text, _)| text)).cloned().collect()
    }
}

impl FromIterator<(Arc<str>, Result<Secret, String>)> for SecretValues {
    /// References, each with its value or why it has none.
    fn from_iter<I: IntoIterator<Item = (Arc<str>, Result<Secret, String>)>>(values: I) -> Self {
        let outcome = |value: Result<_, _>| value.map_or_else(Outcome::None, Outcome::Value);
        let values = values.into_iter();
        values.map(|(text, value)| (text, outcome(value))).collect()
    }
}

impl FromIterator<(Arc<str>, Outcome)> for SecretValues {
    fn from_iter<I: IntoIterator<Item = (Arc<str>, Outcome)>>(outcomes: I) -> Self {
        Self(Arc::new(outcomes.into_iter().collect()))
    }
}

impl fmt::Debug for SecretValues {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "SecretValues({} references)", self.0.len())
    }
}
