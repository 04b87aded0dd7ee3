//! One named variable.

use std::fmt;

use super::Value;
use crate::Ctx;

/// A variable with a name of its own: what it is called and how it is read.
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) read: for<'a> fn(&'a Ctx) -> Option<Value<'a>>,
    pub(super) needs_body: bool,
}

// === impl Row ===

impl Row {
    pub(super) const fn new(
        name: &'static str,
        read: for<'a> fn(&'a Ctx) -> Option<Value<'a>>,
    ) -> Self {
        Self {
            name,
            read,
            needs_body: false,
        }
    }

    pub(super) const fn of_body(
        name: &'static str,
        read: for<'a> fn(&'a Ctx) -> Option<Value<'a>>,
    ) -> Self {
        Self {
            name,
            read,
            needs_body: true,
        }
    }
}

// Names are unique, functions cannot be compared.
impl PartialEq for Row {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Row {}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
