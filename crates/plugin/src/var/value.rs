//! The value of a variable, and what it is as text and as a number.

use std::borrow::Cow;
use std::fmt::Write as _;

/// The value of a variable.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// Text.
    Text(Cow<'a, str>),
    /// A whole number.
    Integer(i64),
    /// Any other number.
    Number(f64),
    /// A JSON value that is neither.
    Json(serde_json::Value),
}

// === impl Value ===

impl<'a> Value<'a> {
    /// A count; one beyond the range of the type is its largest value.
    pub(super) fn count(count: u64) -> Self {
        Self::Integer(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// A JSON value in the form that fits it best.
    pub(super) fn json(value: serde_json::Value) -> Self {
        match value {
            serde_json::Value::String(text) => Self::Text(Cow::Owned(text)),
            serde_json::Value::Number(number) => match number.as_i64() {
                Some(whole) => Self::Integer(whole),
                None => Self::Number(number.as_f64().unwrap_or_default()),
            },
            other => Self::Json(other),
        }
    }

    /// Appends it as text; an object or array as JSON.
    pub fn write(&self, out: &mut String) {
        match self {
            Self::Text(text) => out.push_str(text),
            Self::Integer(number) => {
                out.push_str(itoa::Buffer::new().format(*number));
            }
            Self::Number(number) => _ = write!(out, "{number}"),
            Self::Json(serde_json::Value::String(text)) => out.push_str(text),
            Self::Json(value) => _ = write!(out, "{value}"),
        }
    }

    /// It as text.
    pub fn into_text(self) -> Cow<'a, str> {
        match self {
            Self::Text(text) => text,
            other => {
                let mut out = String::new();
                other.write(&mut out);
                Cow::Owned(out)
            }
        }
    }

    /// The same with a text replaced.
    pub(super) fn map_text(self, change: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Text(text) => Self::Text(Cow::Owned(change(&text))),
            other => other,
        }
    }

    /// It as a number, by the rules of Lua's `tonumber`.
    pub(crate) fn to_number(&self) -> Option<f64> {
        match self {
            Self::Text(text) => to_number(text),
            Self::Integer(number) => Some(as_float(*number)),
            Self::Number(number) => Some(*number),
            Self::Json(_) => None,
        }
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

/// Reads a text as `LuaJIT`'s `tonumber` does: space around it, decimal and hexadecimal with fraction
/// and exponent, binary, `inf` and `nan`.
pub(crate) fn to_number(text: &str) -> Option<f64> {
    let text = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\x0b');
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let value = unsigned(digits)?;
    Some(if negative { -value } else { value })
}

fn unsigned(digits: &str) -> Option<f64> {
    let prefix = digits.get(..2).unwrap_or_default();
    if prefix.eq_ignore_ascii_case("0x") {
        return hexadecimal(digits.get(2..)?);
    }
    if prefix.eq_ignore_ascii_case("0b") {
        let bits = digits.get(2..)?;
        let bits = u64::from_str_radix(bits, 2)
            .ok()
            .filter(|_| !bits.starts_with('+'))?;
        return Some(as_float(i64::try_from(bits).unwrap_or(i64::MAX)));
    }
    let starts_well = |c: char| c.is_ascii_digit() || c == '.';
    let is_word = ["inf", "infinity", "nan"]
        .iter()
        .any(|word| digits.eq_ignore_ascii_case(word));
    if is_word || digits.starts_with(starts_well) {
        return digits.parse().ok();
    }
    None
}

/// `1F.8p2`, without the `0x`.
fn hexadecimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = match text.find(['p', 'P']) {
        Some(at) => (text.get(..at)?, text.get(at + 1..)?.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0.0;
    for digit in whole.chars() {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let mut place = 1.0 / 16.0;
    for digit in fraction.chars() {
        value += f64::from(digit.to_digit(16)?) * place;
        place /= 16.0;
    }
    Some(value * 2.0_f64.powi(exponent))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "Lua numbers are doubles: beyond 2^53 they lose the same digits"
)]
pub(crate) fn as_float(number: i64) -> f64 {
    number as f64
}
