//! The embedded store: keys, JSON values and revisions, as etcd counts them.
//!
//! Every write is on disk before its call returns, so what was acknowledged survives a kill. One
//! counter numbers all writes; each entry knows the number of its creation and of its last change.
//! Writers take turns, readers never wait.
//!
//! All methods of [`Store`] and [`Transaction`] block on the disk: call them from a thread that may.

mod seal;
mod transaction;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use redb::backends::{FileBackend, InMemoryBackend};
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};
use serde_json::Value;
use tokio::sync::watch;

pub use seal::Seal;
pub use transaction::Transaction;

/// The prefix of all keys, as in an etcd that APISIX uses.
pub const PREFIX: &str = "/apisix";

/// What the store may keep in memory: configurations are small, and typed copies are kept anyway.
const CACHE_BYTES: usize = 4 << 20;

/// created, modified, end of life in milliseconds since 1970 (0 for none), JSON text
type Row<'t> = (u64, u64, u64, &'t [u8]);

const ENTRIES: TableDefinition<'static, &str, Row<'static>> = TableDefinition::new("entries");
const COUNTERS: TableDefinition<'static, &str, u64> = TableDefinition::new("counters");
const REVISION: &str = "revision";

/// The embedded store. Cloning it gives another handle to the same store.
#[derive(Clone, Debug)]
pub struct Store {
    database: Arc<Database>,
    revision: Arc<watch::Sender<u64>>,
    seal: Arc<Seal>,
}

/// One entry of the store.
#[derive(Clone, PartialEq)]
pub struct Stored {
    /// The key, such as `/apisix/routes/1`.
    pub key: String,
    /// The value.
    pub value: Value,
    /// The revision that created the entry.
    pub created: u64,
    /// The revision that last changed it.
    pub modified: u64,
    /// When the entry ends by itself.
    pub expires: Option<SystemTime>,
}

/// Why the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory or the file in it cannot be used.
    #[error("cannot open {path}: {reason}")]
    Open {
        /// The file or directory.
        path: String,
        /// Why, in the system's words.
        reason: String,
    },
    /// Reading or writing failed.
    #[error("the store failed")]
    Database(#[source] Box<redb::Error>),
    /// An entry is no JSON: the file was changed by something else.
    #[error("the entry {key} is damaged: {reason}")]
    Damaged {
        /// The key of the entry.
        key: String,
        /// Why it cannot be read.
        reason: String,
    },
    /// A secret could not be encrypted, so nothing was written.
    #[error("the secrets of {key} cannot be encrypted")]
    Sealing {
        /// The key of the entry.
        key: String,
    },
    /// The entry is not at the expected revision.
    #[error("value changed before overwritten")]
    Changed,
}

// === impl Store ===

impl Store {
    /// Opens the store in a directory, creating both when they are not there.
    ///
    /// The file is readable by its owner only, because it holds credentials.
    ///
    /// # Errors
    ///
    /// [`StoreError::Open`] when the directory cannot be used, or another process has it open.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let file = directory.join("tollgate.redb");
        let failed = |reason: &dyn fmt::Display| StoreError::Open {
            path: file.display().to_string(),
            reason: reason.to_string(),
        };
        std::fs::create_dir_all(directory).map_err(|error| failed(&error))?;
        let handle = private_file(&file).map_err(|error| failed(&error))?;
        let database = Database::builder()
            .set_cache_size(CACHE_BYTES)
            .create_with_backend(FileBackend::new(handle).map_err(|error| failed(&error))?)
            .map_err(|error| failed(&error))?;
        Self::prepare(database)
    }

    /// A store that ends with the process.
    ///
    /// # Errors
    ///
    /// [`StoreError::Database`] when there is no memory for it.
    pub fn in_memory() -> Result<Self, StoreError> {
        let database = Database::builder().create_with_backend(InMemoryBackend::new())?;
        Self::prepare(database)
    }

    /// The same store, where secrets lie encrypted. Whoever reads entries sees them decrypted.
    #[must_use]
    pub fn sealed(self, seal: Seal) -> Self {
        Self {
            seal: Arc::new(seal),
            ..self
        }
    }

    /// Reads one entry.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when reading fails.
    pub fn get(&self, key: &str) -> Result<Option<Stored>, StoreError> {
        let reading = self.database.begin_read()?;
        read_one(&reading.open_table(ENTRIES)?, key, &self.seal)
    }

    /// Reads all entries whose key starts with `prefix`, in the order of their keys.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when reading fails.
    pub fn list(&self, prefix: &str) -> Result<Vec<Stored>, StoreError> {
        let reading = self.database.begin_read()?;
        read_all(&reading.open_table(ENTRIES)?, prefix, &self.seal)
    }

    /// Shows all entries whose key starts with `prefix` to `visit`, values still as text, and
    /// returns the revision they belong to.
    pub(super) fn visit(
        &self,
        prefix: &str,
        mut visit: impl FnMut(&str, Row<'_>) -> Result<(), StoreError>,
    ) -> Result<u64, StoreError> {
        let reading = self.database.begin_read()?;
        let revision = current(&reading.open_table(COUNTERS)?)?;
        each(&reading.open_table(ENTRIES)?, prefix, &mut visit)?;
        Ok(revision)
    }

    /// The value of an entry that [`Store::visit`] showed.
    pub(super) fn value_of(&self, key: &str, text: &[u8]) -> Result<Value, StoreError> {
        value_of(key, text, &self.seal)
    }

    /// The number of the last write; 0 before the first one.
    pub fn revision(&self) -> u64 {
        *self.revision.borrow()
    }

    /// A receiver that sees the number of each write once the write is on disk.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// Runs checks and writes as one step: no other writer comes between, and either all of it is
    /// written or nothing. All writes of the step share one revision.
    ///
    /// # Errors
    ///
    /// What `work` returns, in which case nothing is written, or the store's own failure.
    pub fn transact<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, E>,
    ) -> Result<T, E> {
        let writing = self.database.begin_write().map_err(StoreError::from)?;
        let outcome = {
            let mut transaction = Transaction::new(&writing, &self.seal)?;
            let value = work(&mut transaction)?;
            let revision = transaction.finish()?;
            (value, revision)
        };
        // an early return above drops the write, which undoes it
        let (value, revision) = outcome;
        if let Some(revision) = revision {
            writing.commit().map_err(StoreError::from)?;
            self.announce(revision);
        }
        Ok(value)
    }

    /// Writes one entry, with a life of its own when `ttl` is given.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when writing fails.
    pub fn put(
        &self,
        key: &str,
        value: &Value,
        ttl: Option<Duration>,
    ) -> Result<Stored, StoreError> {
        self.transact(|transaction| transaction.put(key, value, ttl))
    }

    /// Writes one entry if it is still at the revision `expected`, 0 for not there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Changed`] when it is not, or [`StoreError`] when writing fails.
    pub fn compare_and_put(
        &self,
        key: &str,
        expected: u64,
        value: &Value,
        ttl: Option<Duration>,
    ) -> Result<Stored, StoreError> {
        self.transact(|transaction| {
            let modified = transaction.get(key)?.map_or(0, |entry| entry.modified);
            if modified != expected {
                return Err(StoreError::Changed);
            }
            transaction.put(key, value, ttl)
        })
    }

    /// Removes one entry and returns what it was.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when writing fails.
    pub fn delete(&self, key: &str) -> Result<Option<Stored>, StoreError> {
        self.transact(|transaction| transaction.delete(key))
    }

    /// Removes the entries whose life ends at `now` or before, and says when the next one ends.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when writing fails.
    pub fn expire(&self, now: SystemTime) -> Result<Option<SystemTime>, StoreError> {
        let mut ends = Vec::new();
        self.visit("", |key, (_, _, end, _)| {
            if end > 0 {
                ends.push((time(end), key.to_owned()));
            }
            Ok(())
        })?;
        let (over, left): (Vec<_>, Vec<_>) = ends.into_iter().partition(|(end, _)| *end <= now);
        if !over.is_empty() {
            self.transact(|transaction| -> Result<(), StoreError> {
                for (_, key) in &over {
                    // a writer may have given it a new life meanwhile
                    let end = transaction.get(key)?.and_then(|entry| entry.expires);
                    if end.is_some_and(|end| end <= now) {
                        transaction.delete(key)?;
                    }
                }
                Ok(())
            })?;
        }
        Ok(left.into_iter().map(|(end, _)| end).min())
    }

    fn prepare(database: Database) -> Result<Self, StoreError> {
        let writing = database.begin_write()?;
        writing.open_table(ENTRIES)?;
        let revision = current(&writing.open_table(COUNTERS)?)?;
        writing.commit()?;
        let store = Self {
            database: Arc::new(database),
            revision: Arc::new(watch::Sender::new(revision)),
            seal: Arc::default(),
        };
        store.expire(SystemTime::now())?;
        Ok(store)
    }

    /// Tells watchers of a write. Writers may arrive here in another order than they committed.
    fn announce(&self, revision: u64) {
        self.revision.send_if_modified(|last| {
            let newer = revision > *last;
            *last = revision.max(*last);
            newer
        });
    }
}

// === impl Stored ===

// Written by hand: values hold credentials.
impl fmt::Debug for Stored {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Stored")
            .field("key", &self.key)
            .field("created", &self.created)
            .field("modified", &self.modified)
            .finish_non_exhaustive()
    }
}

// === reading ===

fn current(counters: &impl ReadableTable<&'static str, u64>) -> Result<u64, StoreError> {
    Ok(counters.get(REVISION)?.map_or(0, |value| value.value()))
}

fn read_one(
    entries: &impl ReadableTable<&'static str, Row<'static>>,
    key: &str,
    seal: &Seal,
) -> Result<Option<Stored>, StoreError> {
    match entries.get(key)? {
        Some(row) => stored(key, row.value(), seal).map(Some),
        None => Ok(None),
    }
}

fn read_all(
    entries: &impl ReadableTable<&'static str, Row<'static>>,
    prefix: &str,
    seal: &Seal,
) -> Result<Vec<Stored>, StoreError> {
    let mut found = Vec::new();
    each(entries, prefix, &mut |key: &str, row: Row<'_>| {
        found.push(stored(key, row, seal)?);
        Ok(())
    })?;
    Ok(found)
}

fn each(
    entries: &impl ReadableTable<&'static str, Row<'static>>,
    prefix: &str,
    visit: &mut impl FnMut(&str, Row<'_>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    for entry in entries.range(prefix..)? {
        let (key, row) = entry?;
        if !key.value().starts_with(prefix) {
            break;
        }
        visit(key.value(), row.value())?;
    }
    Ok(())
}

fn stored(key: &str, row: Row<'_>, seal: &Seal) -> Result<Stored, StoreError> {
    let (created, modified, expires, text) = row;
    let value = value_of(key, text, seal)?;
    Ok(Stored {
        key: key.to_owned(),
        value,
        created,
        modified,
        expires: (expires > 0).then(|| time(expires)),
    })
}

fn value_of(key: &str, text: &[u8], seal: &Seal) -> Result<Value, StoreError> {
    let mut value = serde_json::from_slice(text).map_err(|error| StoreError::Damaged {
        key: key.to_owned(),
        reason: error.to_string(),
    })?;
    seal.open(key, &mut value);
    Ok(value)
}

fn time(milliseconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds)
}

#[cfg(unix)]
fn private_file(path: &Path) -> std::io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = std::fs::OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600);
    options.open(path)
}

#[cfg(not(unix))]
fn private_file(path: &Path) -> std::io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.open(path)
}

// === impl StoreError ===

macro_rules! from_redb {
    ($($error:ty),*) => {$(
        impl From<$error> for StoreError {
            fn from(error: $error) -> Self {
                Self::Database(Box::new(error.into()))
            }
        }
    )*};
}

from_redb!(
    redb::CommitError,
    redb::DatabaseError,
    redb::StorageError,
    redb::TableError,
    redb::TransactionError
);

#[cfg(test)]
mod tests;
