//! One comparison of a variable's value with a configured one.

use std::net::IpAddr;

use fancy_regex::{Regex, RegexBuilder};
use ipnet::IpNet;
use serde_json::Value as Json;

use super::ExprError;
use crate::Value;
use crate::var::to_number;

/// How many steps a regular expression may try on one value; beyond it, it does not match.
const BACKTRACK_LIMIT: usize = 100_000;

/// An operator with the right side it compares to, ready to use.
#[derive(Debug)]
pub(super) enum Test {
    Equal(Json),
    Unequal(Json),
    Greater(Option<f64>),
    GreaterOrEqual(Option<f64>),
    Less(Option<f64>),
    LessOrEqual(Option<f64>),
    Matches(Box<Regex>),
    In(Vec<Json>),
    Has(Json),
    Address(Vec<IpNet>),
}

const OPERATORS: [&str; 11] = [
    "==", "~=", ">", ">=", "<", "<=", "~~", "~*", "in", "has", "ipmatch",
];

// === impl Test ===

impl Test {
    /// Whether there is an operator of that name.
    pub(super) fn knows(operator: &str) -> bool {
        OPERATORS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(operator))
    }

    /// Compiles an operator that is known with its right side.
    pub(super) fn compile(operator: &str, right: &Json) -> Result<Self, ExprError> {
        let number = || number(right);
        Ok(match &*operator.to_ascii_lowercase() {
            "~=" => Self::Unequal(right.clone()),
            ">" => Self::Greater(number()),
            ">=" => Self::GreaterOrEqual(number()),
            "<" => Self::Less(number()),
            "<=" => Self::LessOrEqual(number()),
            "~~" => Self::Matches(regex(right, false)?),
            "~*" => Self::Matches(regex(right, true)?),
            "in" => Self::In(right.as_array().cloned().unwrap_or_default()),
            "has" => Self::Has(right.clone()),
            "ipmatch" => Self::Address(networks(right)?),
            _ => Self::Equal(right.clone()),
        })
    }

    /// Whether the comparison holds; `left` is `None` for a variable without a value.
    pub(super) fn holds(&self, left: Option<&Value<'_>>) -> bool {
        match self {
            Self::Equal(right) => equal(left, right),
            Self::Unequal(right) => !equal(left, right),
            Self::Greater(right) => ordered(left, *right, |l, r| l > r),
            Self::GreaterOrEqual(right) => ordered(left, *right, |l, r| l >= r),
            Self::Less(right) => ordered(left, *right, |l, r| l < r),
            Self::LessOrEqual(right) => ordered(left, *right, |l, r| l <= r),
            Self::Matches(regex) => left.is_some_and(|left| found(regex, left)),
            Self::In(list) => left.is_some_and(|left| list.iter().any(|one| same(left, one))),
            Self::Has(right) => left.is_some_and(|left| has(left, right)),
            Self::Address(networks) => left.is_some_and(|left| within(networks, left)),
        }
    }
}

/// A number on the right makes a number of the left; everything else is compared as it is.
fn equal(left: Option<&Value<'_>>, right: &Json) -> bool {
    match (left, right) {
        (None, Json::Null) => true,
        (None, _) | (Some(_), Json::Null) => false,
        (Some(left), Json::Number(_)) => ordered(Some(left), number(right), |l, r| {
            #[expect(clippy::float_cmp, reason = "the configured number is meant exactly")]
            let same = l == r;
            same
        }),
        (Some(left), _) => same(left, right),
    }
}

/// Strict equality. Numbers that this gateway knows as such are text elsewhere, so they equal both.
fn same(left: &Value<'_>, right: &Json) -> bool {
    match (left, right) {
        (Value::Text(left), Json::String(right)) => left == right,
        (Value::Integer(_) | Value::Number(_), Json::String(right)) => {
            let mut text = String::new();
            left.write(&mut text);
            text == *right
        }
        (Value::Integer(left), Json::Number(right)) if right.is_i64() => {
            right.as_i64() == Some(*left)
        }
        (Value::Integer(_) | Value::Number(_), Json::Number(_)) => {
            left.to_number() == number(right)
        }
        (Value::Json(left), right) => match right {
            // compat: api7/lua-resty-expr two tables are never the same one
            Json::Array(_) | Json::Object(_) => false,
            _ => left == right,
        },
        _ => false,
    }
}

fn ordered(left: Option<&Value<'_>>, right: Option<f64>, holds: impl Fn(f64, f64) -> bool) -> bool {
    match (left.and_then(Value::to_number), right) {
        (Some(left), Some(right)) => holds(left, right),
        _ => false,
    }
}

fn has(left: &Value<'_>, right: &Json) -> bool {
    let Value::Json(Json::Array(items)) = left else {
        return false;
    };
    items.iter().any(|item| match (item, right) {
        (Json::Array(_) | Json::Object(_), _) => false,
        (Json::Number(_), Json::Number(_)) => number(item) == number(right),
        _ => item == right,
    })
}

fn found(regex: &Regex, left: &Value<'_>) -> bool {
    let mut text = String::new();
    let text = match left {
        Value::Text(text) => text,
        other => {
            other.write(&mut text);
            &*text
        }
    };
    // A match that exceeds its limit is none, as with PCRE's own limit.
    regex.is_match(text).unwrap_or(false)
}

fn within(networks: &[IpNet], left: &Value<'_>) -> bool {
    let Value::Text(text) = left else {
        return false;
    };
    let address: Option<IpAddr> = text.parse().ok();
    address.is_some_and(|address| {
        let address = address.to_canonical();
        networks.iter().any(|network| network.contains(&address))
    })
}

// === right sides ===

fn number(right: &Json) -> Option<f64> {
    match right {
        Json::Number(number) => number.as_f64(),
        Json::String(text) => to_number(text),
        _ => None,
    }
}

fn regex(right: &Json, ignore_case: bool) -> Result<Box<Regex>, ExprError> {
    let pattern = match right {
        Json::String(pattern) => pattern.clone(),
        Json::Number(number) => number.to_string(),
        other => {
            return Err(ExprError(format!(
                "invalid regular expression: expected a string, found {other}"
            )));
        }
    };
    RegexBuilder::new(&pattern)
        .case_insensitive(ignore_case)
        .backtrack_limit(BACKTRACK_LIMIT)
        .build()
        .map(Box::new)
        .map_err(|error| ExprError(format!("invalid regular expression \"{pattern}\": {error}")))
}

fn networks(right: &Json) -> Result<Vec<IpNet>, ExprError> {
    let one = std::slice::from_ref(right);
    let list = right.as_array().map_or(one, Vec::as_slice);
    list.iter()
        .map(|item| {
            let text = item.as_str().unwrap_or_default();
            network(text).ok_or_else(|| ExprError(format!("invalid ip address: {item}")))
        })
        .collect()
}

/// An address or a network in CIDR form.
fn network(text: &str) -> Option<IpNet> {
    match text.parse::<IpNet>() {
        Ok(network) => Some(network),
        Err(_) => text
            .parse::<IpAddr>()
            .ok()
            .map(|address| IpNet::from(address.to_canonical())),
    }
}
