//! A document being put together.

use std::sync::Arc;

use super::{Document, Entry, Fate, Item, Items, Loaded, Rejected};
use crate::check::check;
use crate::fault::CheckError;
use crate::locate::Origin;
use crate::resource::{
    Consumer, ConsumerGroup, Credential, GlobalRule, Kind, PluginConfig, PluginMetadata, Resource,
    Route, SecretManager, Service, Ssl, Upstream,
};

/// A document being put together from the entries of a source.
///
/// A faulty entry never blocks others. Where the previous document has a good version of it, that
/// version stays: a typing error must not take a route that works off the air. This is stricter
/// than APISIX's file mode, which drops the item, and the same as its etcd mode.
#[derive(Debug)]
pub struct Draft<'a> {
    previous: Option<&'a Document>,
    document: Document,
    rejected: Vec<Rejected>,
}

/// A resource type that has a place in the document.
trait Shelf: Resource {
    /// The place in a document.
    fn shelf(document: &Document) -> &Items<Self>;

    /// The place in a document, to fill it.
    fn shelf_mut(document: &mut Document) -> &mut Items<Self>;

    /// Judges what only the key can tell.
    fn fits_key(&self, _id: &str) -> Result<(), CheckError> {
        Ok(())
    }
}

// === impl Draft ===

impl<'a> Draft<'a> {
    /// Starts a document that keeps what did not change since `previous`.
    pub fn new(previous: Option<&'a Document>, origin: Option<Arc<Origin>>) -> Self {
        let document = Document {
            origin,
            ..Document::default()
        };
        Self {
            previous,
            document,
            rejected: Vec::new(),
        }
    }

    /// Sets the names of the enabled plugins.
    pub fn plugins(&mut self, names: Vec<String>) {
        self.document.plugins = Some(names.into());
    }

    /// Takes an item over from the previous document when it is still at this revision, so that
    /// its value need not be read again. For sources that have revisions of their own.
    pub fn keeps(&mut self, kind: Kind, id: &str, modified: u64) -> bool {
        match kind {
            Kind::Route => self.carry::<Route>(id, modified),
            Kind::Service => self.carry::<Service>(id, modified),
            Kind::Upstream => self.carry::<Upstream>(id, modified),
            Kind::Consumer => self.carry::<Consumer>(id, modified),
            Kind::Credential => self.carry::<Credential>(id, modified),
            Kind::ConsumerGroup => self.carry::<ConsumerGroup>(id, modified),
            Kind::PluginConfig => self.carry::<PluginConfig>(id, modified),
            Kind::GlobalRule => self.carry::<GlobalRule>(id, modified),
            Kind::PluginMetadata => self.carry::<PluginMetadata>(id, modified),
            Kind::Ssl => self.carry::<Ssl>(id, modified),
            Kind::Secret => self.carry::<SecretManager>(id, modified),
        }
    }

    /// Judges an entry and takes it in, or reports it.
    pub fn take(&mut self, entry: Entry) {
        match entry.kind {
            Kind::Route => self.shelve::<Route>(entry),
            Kind::Service => self.shelve::<Service>(entry),
            Kind::Upstream => self.shelve::<Upstream>(entry),
            Kind::Consumer => self.shelve::<Consumer>(entry),
            Kind::Credential => self.shelve::<Credential>(entry),
            Kind::ConsumerGroup => self.shelve::<ConsumerGroup>(entry),
            Kind::PluginConfig => self.shelve::<PluginConfig>(entry),
            Kind::GlobalRule => self.shelve::<GlobalRule>(entry),
            Kind::PluginMetadata => self.shelve::<PluginMetadata>(entry),
            Kind::Ssl => self.shelve::<Ssl>(entry),
            Kind::Secret => self.shelve::<SecretManager>(entry),
        }
    }

    /// Reports something of the source that is no usable entry.
    pub fn reject(&mut self, key: impl Into<String>, error: CheckError) {
        self.report(key.into(), error, false);
    }

    /// The finished document.
    pub fn finish(mut self, revision: u64) -> Loaded {
        self.document.revision = revision;
        Loaded {
            document: Arc::new(self.document),
            rejected: self.rejected,
        }
    }

    fn shelve<T: Shelf>(&mut self, entry: Entry) {
        let previous = self
            .previous
            .and_then(|document| T::shelf(document).get(&*entry.id));
        // a text has no revisions of its own: there, equal content is the same item
        let by_content = self.document.origin.is_some();
        if let Some(item) = previous
            && by_content
            && *item.key == *entry.key
            && item.raw == entry.value
        {
            self.insert(&entry.id, Arc::clone(item));
            return;
        }
        let judged = check::<T>(&entry.value).and_then(|value| {
            value.fits_key(&entry.id)?;
            Ok(value)
        });
        match judged {
            Ok(value) => {
                let created = match previous {
                    Some(item) if by_content => item.created,
                    _ => entry.created,
                };
                let item = Item {
                    id: entry
                        .id
                        .rsplit_once("/credentials/")
                        .map_or(&*entry.id, |(_, id)| id)
                        .into(),
                    key: entry.key.into(),
                    created,
                    modified: entry.modified,
                    value,
                    raw: entry.value,
                };
                self.insert(&entry.id, Arc::new(item));
            }
            Err(error) => {
                if let Some(item) = previous {
                    self.insert(&entry.id, Arc::clone(item));
                }
                self.report(entry.key, error, previous.is_some());
            }
        }
    }

    fn carry<T: Shelf>(&mut self, id: &str, modified: u64) -> bool {
        let previous = self
            .previous
            .and_then(|document| T::shelf(document).get(id));
        let Some(item) = previous.filter(|item| item.modified == modified) else {
            return false;
        };
        self.insert(id, Arc::clone(item));
        true
    }

    fn insert<T: Shelf>(&mut self, id: &str, item: Arc<Item<T>>) {
        T::shelf_mut(&mut self.document).insert(id.into(), item);
    }

    fn report(&mut self, key: String, error: CheckError, kept: bool) {
        let place = self.document.place(&key, &error.pointer);
        self.rejected.push(Rejected {
            key,
            error,
            place,
            fate: if kept { Fate::Kept } else { Fate::LeftOut },
        });
    }
}

// === impl Shelf ===

macro_rules! shelves {
    ($($resource:ty => $field:ident,)*) => {$(
        impl Shelf for $resource {
            fn shelf(document: &Document) -> &Items<Self> {
                &document.$field
            }

            fn shelf_mut(document: &mut Document) -> &mut Items<Self> {
                &mut document.$field
            }
        }
    )*};
}

shelves! {
    Route => routes,
    Service => services,
    Upstream => upstreams,
    Credential => credentials,
    ConsumerGroup => consumer_groups,
    PluginConfig => plugin_configs,
    GlobalRule => global_rules,
    PluginMetadata => plugin_metadata,
    Ssl => ssls,
}

impl Shelf for Consumer {
    fn shelf(document: &Document) -> &Items<Self> {
        &document.consumers
    }

    fn shelf_mut(document: &mut Document) -> &mut Items<Self> {
        &mut document.consumers
    }

    fn fits_key(&self, id: &str) -> Result<(), CheckError> {
        if self.username == id {
            return Ok(());
        }
        let expected = format!("{id:?}, as in the key");
        let error = CheckError::rule("/username", "wrong username", expected);
        Err(error.found(&self.username.as_str().into()))
    }
}

impl Shelf for SecretManager {
    fn shelf(document: &Document) -> &Items<Self> {
        &document.secrets
    }

    fn shelf_mut(document: &mut Document) -> &mut Items<Self> {
        &mut document.secrets
    }

    fn fits_key(&self, id: &str) -> Result<(), CheckError> {
        self.rules_of(id.split('/').next().unwrap_or_default())
    }
}
