//! The way from a document's top to the place of a fault.

use jsonschema::ValidationError;
use jsonschema::paths::LocationSegment;

/// One step from a schema to the subschema that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Into a declared member.
    Property(String),
    /// Into a member whose name fits a pattern.
    Matching(String, String),
    /// Into a member that is not declared.
    Additional(String),
    /// Into an array item, from 0.
    Item(usize),
    /// Into one of several schemas that all hold.
    AllOf(usize),
    /// Into what holds when a condition is met.
    Then,
    /// Into what holds when a condition is not met.
    Else,
}

/// The steps to the place where the error is.
pub(super) fn steps(error: &ValidationError<'_>) -> Vec<Step> {
    let schema = error.evaluation_path();
    let mut schema = schema.segments().peekable();
    let document: Vec<_> = error.instance_path().segments().collect();
    let mut taken = 0;
    let mut steps = Vec::new();
    while let Some(keyword) = schema.next() {
        // the last segment is the keyword that failed
        if schema.peek().is_none() {
            break;
        }
        let here = || {
            document
                .get(taken)
                .map(ToString::to_string)
                .unwrap_or_default()
        };
        let step = match keyword.to_string().as_str() {
            "properties" => Step::Property(text(schema.next().as_ref())),
            "patternProperties" => Step::Matching(here(), text(schema.next().as_ref())),
            "additionalProperties" => Step::Additional(here()),
            "items" => Step::Item(here().parse().unwrap_or_default()),
            "prefixItems" => Step::Item(index(schema.next().as_ref())),
            "allOf" => Step::AllOf(index(schema.next().as_ref())),
            "then" => Step::Then,
            "else" => Step::Else,
            _ => continue,
        };
        let inwards = !matches!(step, Step::AllOf(_) | Step::Then | Step::Else);
        taken += usize::from(inwards);
        steps.push(step);
    }
    // a fault behind a reference knows only the way from there: what is missing comes first
    let missing = document.len().saturating_sub(taken);
    let front = document
        .into_iter()
        .take(missing)
        .map(|segment| match segment {
            LocationSegment::Property(name) => Step::Property(name.into_owned()),
            LocationSegment::Index(index) => Step::Item(index),
        });
    front.chain(steps).collect()
}

fn text(segment: Option<&LocationSegment<'_>>) -> String {
    segment.map_or_else(String::new, ToString::to_string)
}

fn index(segment: Option<&LocationSegment<'_>>) -> usize {
    match segment {
        Some(LocationSegment::Index(index)) => *index,
        _ => 0,
    }
}
