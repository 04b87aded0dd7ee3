//! Checks and writes that happen as one step.

use std::fmt;
use std::time::{Duration, SystemTime};

use redb::{ReadableTable as _, Table, WriteTransaction};
use serde_json::Value;

use super::{
    COUNTERS, ENTRIES, REVISION, Row, Seal, StoreError, Stored, current, read_all, read_one, time,
};

/// A step of checks and writes. See [`super::Store::transact`].
pub struct Transaction<'t> {
    entries: Table<'t, &'static str, Row<'static>>,
    counters: Table<'t, &'static str, u64>,
    seal: &'t Seal,
    revision: u64,
    written: bool,
}

// === impl Transaction ===

impl<'t> Transaction<'t> {
    pub(super) fn new(writing: &'t WriteTransaction, seal: &'t Seal) -> Result<Self, StoreError> {
        let counters = writing.open_table(COUNTERS)?;
        Ok(Self {
            entries: writing.open_table(ENTRIES)?,
            revision: current(&counters)? + 1,
            counters,
            seal,
            written: false,
        })
    }

    /// The revision that the writes of this step get.
    pub const fn revision(&self) -> u64 {
        self.revision
    }

    /// Reads one entry, as this step has left it so far.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when reading fails.
    pub fn get(&self, key: &str) -> Result<Option<Stored>, StoreError> {
        read_one(&self.entries, key, self.seal)
    }

    /// Reads all entries whose key starts with `prefix`, as this step has left them so far.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when reading fails.
    pub fn list(&self, prefix: &str) -> Result<Vec<Stored>, StoreError> {
        read_all(&self.entries, prefix, self.seal)
    }

    /// Writes one entry, with a life of its own when `ttl` is given.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when writing fails.
    pub fn put(
        &mut self,
        key: &str,
        value: &Value,
        ttl: Option<Duration>,
    ) -> Result<Stored, StoreError> {
        let created = self.entries.get(key)?.map(|row| row.value().0);
        let created = created.unwrap_or(self.revision);
        let mut closed = value.clone();
        let closing = self.seal.close(key, &mut closed);
        closing.map_err(|_| StoreError::Sealing {
            key: key.to_owned(),
        })?;
        let text = closed.to_string();
        let expires = ttl.map_or(0, |ttl| milliseconds(SystemTime::now() + ttl).max(1));
        self.entries
            .insert(key, (created, self.revision, expires, text.as_bytes()))?;
        self.written = true;
        Ok(Stored {
            key: key.to_owned(),
            value: value.clone(),
            created,
            modified: self.revision,
            expires: (expires > 0).then(|| time(expires)),
        })
    }

    /// Removes one entry and returns what it was.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when writing fails.
    pub fn delete(&mut self, key: &str) -> Result<Option<Stored>, StoreError> {
        let entry = self.get(key)?;
        if entry.is_some() {
            self.entries.remove(key)?;
            self.written = true;
        }
        Ok(entry)
    }

    /// Counts the step, when it has written anything.
    pub(super) fn finish(mut self) -> Result<Option<u64>, StoreError> {
        if !self.written {
            return Ok(None);
        }
        self.counters.insert(REVISION, self.revision)?;
        Ok(Some(self.revision))
    }
}

impl fmt::Debug for Transaction<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Transaction")
            .field("revision", &self.revision)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

fn milliseconds(time: SystemTime) -> u64 {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
