//! Which of many errors is told first, and where the finger is put.

use jsonschema::error::{ValidationError, ValidationErrorKind};

use super::path::{Step, steps};
use crate::secret::is_reference;

/// The errors in the order in which APISIX's validator would meet them: on each level types, then
/// missing members, then the members themselves, then unknown members, then alternatives.
pub(super) fn ranked<'e, 'i>(errors: &'e [ValidationError<'i>]) -> Vec<&'e ValidationError<'i>> {
    let mut sorted: Vec<_> = errors.iter().collect();
    sorted.sort_by_cached_key(|error| rank(error));
    sorted
}

fn rank(error: &ValidationError<'_>) -> Vec<u8> {
    let own = match error.kind() {
        ValidationErrorKind::Type { .. } => 0,
        ValidationErrorKind::Required { .. } => 2,
        ValidationErrorKind::AdditionalProperties { .. } => 4,
        kind if is_combination(kind) => 5,
        _ => 1,
    };
    steps(error)
        .iter()
        .map(|step| match step {
            Step::Property(_) | Step::Matching(..) | Step::Additional(_) | Step::Item(_) => 3,
            Step::AllOf(_) | Step::Then | Step::Else => 5,
        })
        .chain([own])
        .collect()
}

const fn is_combination(kind: &ValidationErrorKind) -> bool {
    matches!(
        kind,
        ValidationErrorKind::AnyOf { .. }
            | ValidationErrorKind::OneOfNotValid { .. }
            | ValidationErrorKind::OneOfMultipleValid { .. }
            | ValidationErrorKind::Not { .. }
    )
}

/// The error to put the finger on: below alternatives, the one of the branch that was meant.
pub(super) fn blamed<'e>(error: &'e ValidationError<'_>) -> &'e ValidationError<'e> {
    let (ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context }) =
        error.kind()
    else {
        return error;
    };
    let here = error.instance_path().as_str().len();
    let meant = context
        .iter()
        .filter_map(|errors| ranked(errors).into_iter().next())
        .filter(|first| first.instance_path().as_str().len() > here)
        .max_by_key(|first| first.instance_path().as_str().len());
    meant.map_or(error, blamed)
}

/// Whether the fault is that something is not there, so that nothing can be shown.
pub(super) fn says_what_is_missing(error: &ValidationError<'_>) -> bool {
    match error.kind() {
        ValidationErrorKind::Required { .. } => true,
        ValidationErrorKind::Custom { keyword, .. } => keyword == "dependentRequired",
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            context.iter().all(|errors| !missing(errors).is_empty())
        }
        ValidationErrorKind::OneOfMultipleValid { .. } => error.instance().is_object(),
        _ => false,
    }
}

/// The members that a branch misses, when that is all it complains about.
pub(super) fn missing(errors: &[ValidationError<'_>]) -> Vec<String> {
    errors
        .iter()
        .map_while(|error| match error.kind() {
            ValidationErrorKind::Required { property } => Some(property.to_string()),
            _ => None,
        })
        .collect()
}

/// Whether an error is that a reference to a secret is not yet the word that it stands for.
pub(super) fn blames_reference(error: &ValidationError<'_>) -> bool {
    match error.kind() {
        ValidationErrorKind::Enum { .. }
        | ValidationErrorKind::Constant { .. }
        | ValidationErrorKind::Format { .. } => error.instance().as_str().is_some_and(is_reference),
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            let mut branches = context.iter();
            branches.any(|errors| errors.iter().all(blames_reference))
        }
        _ => false,
    }
}
