//! The environment variables of the process, which may hold secrets.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The environment variables of the process as they were when it began; never printed.
///
/// Clones share them.
#[derive(Clone, Default)]
pub struct Environment(Arc<BTreeMap<String, String>>);

// === impl Environment ===

impl Environment {
    /// The value of the variable `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self(Arc::new(variables.into_iter().collect()))
    }
}

impl From<&BTreeMap<String, String>> for Environment {
    fn from(variables: &BTreeMap<String, String>) -> Self {
        Self(Arc::new(variables.clone()))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Environment({} variables)", self.0.len())
    }
}
