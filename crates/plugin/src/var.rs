//! Variables of a request, by name.

use std::borrow::Cow;

use crate::Ctx;

/// A compiled variable name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Var {}

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

// === impl Var ===

impl Var {
    /// Compiles a name without `$`, for example `arg_x` or `http_x_y`; any name is valid, an unknown
    /// one has no value.
    pub fn named(_name: &str) -> Self {
        Self {}
    }

    /// The value for this request.
    pub fn value<'a>(&self, _ctx: &'a Ctx) -> Option<Value<'a>> {
        None
    }
}
