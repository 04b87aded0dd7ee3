//! Which consumer is known by which credential: each credential may make one consumer known.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use config::Kind;
use config::secret::is_reference;
use config::source::Transaction;
use config::source::store::PREFIX;
use plugin::{Meta, Registry};
use serde_json::Value;

use super::check::Credentials;
use super::fields::plugins;
use super::refusal::Refusal;
use super::target::parse_key;

/// Who is known by what, as of one revision of the store.
///
/// Kept beside the store so that a write need not read all consumers. It is right at its revision
/// only: when somebody else wrote, or a commit failed, it is read anew.
///
/// A reference to a secret is not looked up here, and so not compared.
#[derive(Debug, Default)]
pub(super) struct Holders {
    revision: Option<u64>,
    /// The items by plugin and credential; several only of one consumer.
    by_credential: HashMap<(&'static str, String), BTreeSet<String>>,
    /// The credentials by item: `jack` or `jack/credentials/a`.
    by_item: BTreeMap<String, Credentials>,
}

// === impl Holders ===

impl Holders {
    /// Refuses credentials by which another consumer than the holder of `item` is known.
    pub(super) fn judge(
        &mut self,
        transaction: &Transaction<'_>,
        registry: &Registry,
        item: &str,
        credentials: &Credentials,
    ) -> Result<(), Refusal> {
        if credentials.is_empty() {
            return Ok(());
        }
        if !self.is_current(transaction) {
            self.read(transaction, registry)?;
        }
        for credential in credentials {
            let items = self.by_credential.get(credential).into_iter().flatten();
            let mut owners = items.map(|item| owner(item));
            if let Some(other) = owners.find(|other| *other != owner(item)) {
                let (plugin, _) = credential;
                return Err(Refusal::invalid(format!(
                    "duplicate key of plugin {plugin} found with consumer: {other}"
                )));
            }
        }
        Ok(())
    }

    /// Notes that an item was written, or removed, in which case it has no credentials.
    pub(super) fn note(
        &mut self,
        transaction: &Transaction<'_>,
        kind: Kind,
        id: &str,
        credentials: Credentials,
    ) {
        if !self.is_current(transaction) {
            return;
        }
        if matches!(kind, Kind::Consumer | Kind::Credential) {
            self.forget(id);
            self.add(id, credentials);
        }
        self.revision = Some(transaction.revision());
    }

    /// Forgets everything when it is of a revision after that of the store: a step that noted
    /// something did not come to its end.
    pub(super) fn unless_after(&mut self, revision: u64) {
        if self.revision > Some(revision) {
            *self = Self::default();
        }
    }

    fn is_current(&self, transaction: &Transaction<'_>) -> bool {
        self.revision == transaction.revision().checked_sub(1)
    }

    fn read(&mut self, transaction: &Transaction<'_>, registry: &Registry) -> Result<(), Refusal> {
        *self = Self::default();
        let prefix = format!("{PREFIX}/{}/", Kind::Consumer.plural());
        for entry in transaction.list(&prefix)? {
            if let Some((_, id)) = parse_key(&entry.key) {
                self.add(id, credentials(registry, &entry.value));
            }
        }
        self.revision = transaction.revision().checked_sub(1);
        Ok(())
    }

    fn add(&mut self, id: &str, credentials: Credentials) {
        if credentials.is_empty() {
            return;
        }
        for credential in &credentials {
            let items = self.by_credential.entry(credential.clone()).or_default();
            items.insert(id.to_owned());
        }
        self.by_item.insert(id.to_owned(), credentials);
    }

    /// Takes the credentials of an item out.
    pub(super) fn forget(&mut self, id: &str) {
        for credential in self.by_item.remove(id).unwrap_or_default() {
            if let Some(items) = self.by_credential.get_mut(&credential) {
                items.remove(id);
                if items.is_empty() {
                    self.by_credential.remove(&credential);
                }
            }
        }
    }
}

/// The consumer that an item belongs to.
fn owner(item: &str) -> &str {
    item.split('/').next().unwrap_or(item)
}

/// The credentials of a consumer or credential that was checked when it was written.
fn credentials(registry: &Registry, value: &Value) -> Credentials {
    plugins(value)
        .filter(|(_, config)| !Meta::is_disabled(config))
        .filter_map(|(name, config)| {
            let entry = registry.find(name)?;
            let credential = (entry.consumer?.credential)(&Meta::strip(config)).ok()?;
            (!is_reference(&credential)).then_some((entry.name, credential))
        })
        .collect()
}
