//! Texts with `$variables`.

use crate::Ctx;

/// A compiled text such as `$remote_addr "$request" $status`.
#[derive(Clone, Debug)]
pub struct Template {}

// === impl Template ===

impl Template {
    /// Compiles `text`; `$name` and `${name}` are variables, everything else stands for itself.
    pub fn new(_text: &str) -> Self {
        Self {}
    }

    /// Writes the text for this request; a variable without a value is written as `missing`.
    pub fn write(&self, _ctx: &Ctx, _missing: &str, _out: &mut String) {}
}
