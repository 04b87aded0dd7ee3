//! Where resources come from, and how a change is noticed.

mod file;
mod store_source;

pub mod store;

pub use file::{FileFault, FileReason, FileSource, read_document};
pub use store::{Seal, Store, StoreError, Stored, Transaction};
pub use store_source::StoreSource;

use crate::document::Loaded;

/// A source of resources.
#[derive(Debug)]
pub enum Source {
    /// The embedded store.
    Store(StoreSource),
    /// A standalone file, watched.
    File(FileSource),
}

/// Why a source could not be read. The configuration in use stays in use.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The embedded store cannot be read.
    #[error("cannot read the store")]
    Store(#[from] StoreError),
    /// The whole file is unusable.
    #[error("{0}")]
    File(#[from] FileFault),
}

// === impl Source ===

impl Source {
    /// Reads everything. Items that did not change since the last call are the same `Arc`.
    ///
    /// # Errors
    ///
    /// [`SourceError`] when the source as a whole cannot be read; a faulty item alone is no error.
    pub async fn load(&mut self) -> Result<Loaded, SourceError> {
        match self {
            Self::Store(store) => store.load().await.map_err(SourceError::from),
            Self::File(file) => file.load().await.map_err(SourceError::from),
        }
    }

    /// Waits until there is something new to load. May be dropped and called again at any time.
    ///
    /// # Errors
    ///
    /// [`SourceError`] when the source cannot be watched any longer.
    pub async fn changed(&mut self) -> Result<(), SourceError> {
        match self {
            Self::Store(store) => store.changed().await.map_err(SourceError::from),
            Self::File(file) => {
                file.changed().await;
                Ok(())
            }
        }
    }

    /// Whether the Admin API may write to the source.
    pub const fn is_writable(&self) -> bool {
        matches!(self, Self::Store(_))
    }
}

/// Runs work that blocks on a thread that may.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // the runtime is shutting down, and this future with it
            Err(_) => std::future::pending().await,
        },
    }
}
