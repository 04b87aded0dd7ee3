//! What a reference to a secret manager says.

use std::sync::Arc;

use crate::secret::MANAGER_PREFIX;

/// A field of a secret at a manager.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The manager, as in `vault/main`.
    pub(super) manager: Arc<str>,
    path: Arc<str>,
    field: String,
}

// === impl Place ===

impl Place {
    /// Reads `$secret://vault/<id>/<path>/<field>`.
    ///
    /// # Errors
    ///
    /// What was expected instead.
    pub(super) fn parse(reference: &str) -> Result<Self, String> {
        let rest = reference
            .get(MANAGER_PREFIX.len()..)
            .filter(|_| reference.is_char_boundary(MANAGER_PREFIX.len()))
            .unwrap_or_default();
        let mut parts = rest.splitn(3, '/');
        let (kind, id, key) = (parts.next(), parts.next(), parts.next());
        match kind {
            Some("vault") => {}
            Some(kind @ ("aws" | "gcp")) => {
                return Err(format!(
                    "secret manager {kind} is not available in this version, expected vault"
                ));
            }
            _ => {
                return Err("expected $secret://vault/<id>/<path>/<field>".to_owned());
            }
        }
        let named =
            key.and_then(|key| key.rsplit_once('/'))
                .zip(id)
                .filter(|((path, field), id)| {
                    let is_name = |part: &str| !matches!(part, "" | "." | "..");
                    is_name(id) && is_name(field) && path.split('/').all(is_name)
                });
        let ((path, field), id) = named.ok_or("expected $secret://vault/<id>/<path>/<field>")?;
        Ok(Self {
            manager: format!("vault/{id}").into(),
            path: path.into(),
            field: field.to_owned(),
        })
    }

    /// The secret, and its field.
    pub(super) fn parts(&self) -> (super::SecretKey, String) {
        let key = (Arc::clone(&self.manager), Arc::clone(&self.path));
        (key, self.field.clone())
    }
}
