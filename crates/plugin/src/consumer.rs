//! Consumers, found by the credential that an auth plugin read.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

/// A consumer as found by one of its credentials.
pub struct Consumer {
    /// `username`.
    pub username: Arc<str>,
    /// `group_id`.
    pub group_id: Option<Arc<str>>,
    /// Id of the credential that identified it, when it was not the consumer's own plugin config.
    pub credential_id: Option<Arc<str>>,
    /// Label `custom_id`.
    pub custom_id: Option<Arc<str>>,
    /// The auth plugin's consumer config (for example `{"key": …}`).
    pub auth: Value,
    /// Whether the consumer or its group bring plugins besides authentication.
    pub brings_plugins: bool,
}

/// Every consumer of a snapshot, by auth plugin and credential.
#[derive(Default)]
pub struct Consumers {
    by_credential: HashMap<&'static str, HashMap<String, Arc<Consumer>>>,
    by_name: HashMap<String, Arc<Consumer>>,
}

// === impl Consumer ===

impl fmt::Debug for Consumer {
    /// Names only: `auth` holds keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consumer")
            .field("username", &self.username)
            .field("group_id", &self.group_id)
            .field("credential_id", &self.credential_id)
            .finish_non_exhaustive()
    }
}

// === impl Consumers ===

impl Consumers {
    /// Adds a consumer under `credential` of the auth plugin `plugin`; the consumer that already
    /// holds that credential is returned and stays.
    pub fn insert(
        &mut self,
        plugin: &'static str,
        credential: String,
        consumer: Arc<Consumer>,
    ) -> Option<Arc<Consumer>> {
        let known = self.by_credential.entry(plugin).or_default();
        if let Some(holder) = known.get(&credential) {
            return Some(holder.clone());
        }
        known.insert(credential, consumer);
        None
    }

    /// Adds a consumer under its name, for `anonymous_consumer`.
    pub fn insert_named(&mut self, consumer: Arc<Consumer>) {
        self.by_name.insert(consumer.username.to_string(), consumer);
    }

    /// The consumer that holds `credential` of the auth plugin `plugin`.
    pub fn find(&self, plugin: &str, credential: &str) -> Option<&Arc<Consumer>> {
        self.by_credential.get(plugin)?.get(credential)
    }

    /// The consumer named `username`.
    pub fn named(&self, username: &str) -> Option<&Arc<Consumer>> {
        self.by_name.get(username)
    }
}

impl fmt::Debug for Consumers {
    /// Names only: consumers are kept by their credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_name.keys()).finish()
    }
}
