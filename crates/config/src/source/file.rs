//! The standalone file as a source of resources: APISIX's `apisix.yaml` or `apisix.json`, watched.

mod read;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub use read::{FileFault, FileReason, read_document};

use super::blocking;
use crate::document::{Document, Loaded};
use crate::substitute::Environment;

/// How often a watched file is looked at.
const PERIOD: Duration = Duration::from_secs(1);

/// A standalone file as a source of resources.
///
/// The file is looked at once a second, by the things that every way of replacing it changes: time,
/// size and identity. So an edit in place, a rename over it and a link that points elsewhere are
/// all seen, on every kind of file system.
#[derive(Debug)]
pub struct FileSource {
    path: PathBuf,
    environment: Arc<Environment>,
    period: Duration,
    last: Arc<Document>,
    loads: u64,
    seen: Option<Fingerprint>,
}

/// What tells one state of a file from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fingerprint {
    modified: Option<SystemTime>,
    size: u64,
    identity: (u64, u64),
}

// === impl FileSource ===

impl FileSource {
    /// A source over a file, which need not be there yet. `environment` is what `${{NAME}}` means.
    pub fn new(path: impl Into<PathBuf>, environment: Environment) -> Self {
        Self {
            path: path.into(),
            environment: Arc::new(environment),
            period: PERIOD,
            last: Arc::default(),
            loads: 0,
            seen: None,
        }
    }

    /// Looks at the file in other intervals than once a second.
    #[must_use]
    pub const fn looked_at_every(mut self, period: Duration) -> Self {
        self.period = period;
        self
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the file.
    ///
    /// An item that is faulty is reported and leaves its previous good version in use; a fault of
    /// the whole file leaves the whole previous document in use.
    ///
    /// # Errors
    ///
    /// [`FileFault`] when the file as a whole cannot be used.
    pub async fn load(&mut self) -> Result<Loaded, FileFault> {
        // taken before the file is read: a change in between leads to one load too many
        self.seen = fingerprint(&self.path).await;
        let text = tokio::fs::read_to_string(&self.path).await;
        let text = text.map_err(|error| FileFault::unreadable(&self.path, &error))?;
        let revision = self.loads + 1;
        let (path, last) = (self.path.clone(), Arc::clone(&self.last));
        let environment = Arc::clone(&self.environment);
        // a large file takes long enough for clients to notice
        let reading = move || read_document(&path, &text, &environment, &last, revision);
        let loaded = blocking(reading).await?;
        self.loads = revision;
        self.last = Arc::clone(&loaded.document);
        Ok(loaded)
    }

    /// Waits until the file is another one than at the last load or at the last call of this.
    pub async fn changed(&mut self) {
        loop {
            tokio::time::sleep(self.period).await;
            let now = fingerprint(&self.path).await;
            if now != self.seen {
                self.seen = now;
                return;
            }
        }
    }
}

/// The state of a file; `None` when it is not there.
async fn fingerprint(path: &Path) -> Option<Fingerprint> {
    let metadata = tokio::fs::metadata(path).await.ok()?;
    Some(Fingerprint {
        modified: metadata.modified().ok(),
        size: metadata.len(),
        identity: identity(&metadata),
    })
}

#[cfg(unix)]
fn identity(metadata: &std::fs::Metadata) -> (u64, u64) {
    use std::os::unix::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino())
}

#[cfg(not(unix))]
const fn identity(_: &std::fs::Metadata) -> (u64, u64) {
    (0, 0)
}

#[cfg(test)]
mod tests;
