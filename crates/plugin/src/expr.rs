//! Expressions over variables: `vars` of routes, `_meta.filter`, `match` of loggers.

use serde_json::Value;

use crate::Ctx;

/// A compiled expression.
#[derive(Debug)]
pub struct Expr {}

/// An expression that cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ExprError(pub String);

// === impl Expr ===

impl Expr {
    /// Compiles the JSON form.
    ///
    /// # Errors
    /// [`ExprError`] in APISIX's words.
    pub fn compile(_json: &Value) -> Result<Self, ExprError> {
        Ok(Self {})
    }

    /// Whether the request matches.
    pub fn matches(&self, _ctx: &mut Ctx) -> bool {
        true
    }

    /// Whether a variable reads the request body (`post_arg…`, `request_body`), so that it must be
    /// read before matching.
    pub fn needs_body(&self) -> bool {
        false
    }
}
