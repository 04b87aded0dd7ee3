//! The embedded store as a source of resources.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;

use super::blocking;
use super::store::{PREFIX, Store, StoreError};
use crate::document::{Document, Draft, Entry, Loaded};
use crate::resource::Kind;

/// The embedded store as a source of resources.
///
/// Ends the life of entries with a time to live while [`StoreSource::changed`] is awaited.
#[derive(Debug)]
pub struct StoreSource {
    store: Store,
    written: watch::Receiver<u64>,
    last: Arc<Document>,
}

// === impl StoreSource ===

impl StoreSource {
    /// A source over a store, which may be written to from elsewhere.
    pub fn new(store: Store) -> Self {
        Self {
            written: store.subscribe(),
            store,
            last: Arc::default(),
        }
    }

    /// The store, for the Admin API.
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// Reads everything.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot be read.
    pub async fn load(&mut self) -> Result<Loaded, StoreError> {
        // seen before it is read: a write in between leads to one load too many, never too few
        self.written.borrow_and_update();
        let store = self.store.clone();
        let last = Arc::clone(&self.last);
        let loaded = blocking(move || read(&store, &last)).await?;
        self.last = Arc::clone(&loaded.document);
        Ok(loaded)
    }

    /// Waits for the next write, and ends the life of entries meanwhile.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when entries at the end of their life cannot be removed.
    pub async fn changed(&mut self) -> Result<(), StoreError> {
        loop {
            if self.written.has_changed().unwrap_or(false) {
                return Ok(());
            }
            let store = self.store.clone();
            let next = blocking(move || store.expire(SystemTime::now())).await?;
            let pause = next.map(|end| end.duration_since(SystemTime::now()).unwrap_or_default());
            let expiry = async {
                match pause {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // the store holds the sender, so this can only be a write
                _ = self.written.changed() => {
                    self.written.mark_changed();
                    return Ok(());
                }
                () = expiry => {}
            }
        }
    }
}

fn read(store: &Store, last: &Document) -> Result<Loaded, StoreError> {
    let mut draft = Draft::new(Some(last), None);
    let revision = store.visit(
        &format!("{PREFIX}/"),
        |key, (created, modified, _, text)| {
            let path = key.strip_prefix(PREFIX).unwrap_or_default();
            // other keys, such as counters, are not resources
            let Some((kind, id)) = Kind::parse_path(path.trim_start_matches('/')) else {
                return Ok(());
            };
            if draft.keeps(kind, id, modified) {
                return Ok(());
            }
            draft.take(Entry {
                kind,
                id: id.to_owned(),
                key: key.to_owned(),
                created,
                modified,
                value: store.value_of(key, text)?,
            });
            Ok(())
        },
    )?;
    Ok(draft.finish(revision))
}

#[cfg(test)]
mod tests;
