//! What references to secrets stand for: environment variables, and what secret managers answered.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use config::lookup::SecretValues;
use config::secret::{environment_value, is_manager_reference, is_reference};

/// What references to secrets stand for: the environment variables of the process as they were when
/// it began, and the answers of secret managers; never printed.
///
/// Clones share them.
#[derive(Clone, Default)]
pub struct Environment {
    variables: Arc<BTreeMap<String, String>>,
    secrets: SecretValues,
}

// === impl Environment ===

impl Environment {
    /// The value of the variable `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// The answers of secret managers.
    pub fn secrets(&self) -> &SecretValues {
        &self.secrets
    }

    /// The value that a reference to a secret stands for.
    ///
    /// # Errors
    /// Why there is none, without anything secret.
    pub fn resolve(&self, reference: &str) -> Result<String, String> {
        let value = if is_manager_reference(reference) {
            self.secrets.get(reference).map(str::to_owned)
        } else {
            environment_value(reference, |name| self.get(name))
        }?;
        if is_reference(&value) {
            return Err("it leads to another reference".to_owned());
        }
        Ok(value)
    }

    /// The same variables with these answers of secret managers.
    #[must_use]
    pub fn with_secrets(&self, secrets: SecretValues) -> Self {
        Self {
            variables: Arc::clone(&self.variables),
            secrets,
        }
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(variables: I) -> Self {
        Self {
            variables: Arc::new(variables.into_iter().collect()),
            secrets: SecretValues::default(),
        }
    }
}

impl From<&BTreeMap<String, String>> for Environment {
    fn from(variables: &BTreeMap<String, String>) -> Self {
        Self {
            variables: Arc::new(variables.clone()),
            secrets: SecretValues::default(),
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Environment({} variables, {:?})",
            self.variables.len(),
            self.secrets
        )
    }
}
