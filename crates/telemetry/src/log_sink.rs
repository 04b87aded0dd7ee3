//! Files that lines are written to without making anyone wait.
//!
//! Each target has one thread. Lines are copied into a buffer that the thread takes as a whole, so
//! many lines share one write; the first line after a pause is written at once.

mod state;
#[cfg(test)]
mod tests;
mod writer;

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::JoinHandle;

use state::{Push, Shared};
use thiserror::Error;
use writer::{Target, Writer};

use crate::metrics::Metrics;

/// How many bytes may wait to be written, unless chosen otherwise.
pub const DEFAULT_CAPACITY: usize = 8 * 1024 * 1024;

/// Writes lines to one file, or to standard output.
///
/// Dropping it writes what waits and ends its thread.
#[derive(Debug)]
pub struct LogSink {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Hands out one sink per target, so that two loggers of one file share its thread.
#[derive(Clone, Debug, Default)]
pub struct LogSinks {
    inner: Arc<Sinks>,
}

#[derive(Debug, Default)]
struct Sinks {
    metrics: Option<Metrics>,
    open: Mutex<HashMap<String, Weak<LogSink>>>,
}

/// A log file that cannot be opened.
#[derive(Debug, Error)]
#[error("cannot open the log file \"{path}\" for writing")]
pub struct LogSinkError {
    path: PathBuf,
    source: io::Error,
}

// === impl LogSink ===

impl LogSink {
    /// Opens a file for appending, with its folders; `-` is standard output.
    ///
    /// Entries that are lost are counted in `metrics`, if given.
    ///
    /// # Errors
    /// The file cannot be opened, or no thread can be started.
    pub fn open(target: &str, metrics: Option<Metrics>) -> Result<Self, LogSinkError> {
        Self::with_capacity(target, metrics, DEFAULT_CAPACITY)
    }

    /// Like [`LogSink::open`], with the number of bytes that may wait to be written.
    ///
    /// # Errors
    /// The file cannot be opened, or no thread can be started.
    pub fn with_capacity(
        target: &str,
        metrics: Option<Metrics>,
        capacity: usize,
    ) -> Result<Self, LogSinkError> {
        let failed = |source| LogSinkError {
            path: PathBuf::from(target),
            source,
        };
        let opened = Target::open(target).map_err(failed)?;
        Self::start(target, opened, metrics, capacity).map_err(failed)
    }

    fn start(
        name: &str,
        target: Target,
        metrics: Option<Metrics>,
        capacity: usize,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(capacity));
        let writer = Writer::new(name, target, metrics, Arc::clone(&shared));
        let thread = std::thread::Builder::new()
            .name("log-writer".to_owned())
            .spawn(move || writer.run())?;
        Ok(Self {
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Takes a line, given without its end; never waits for the file.
    ///
    /// Returns whether it was taken: `false` when too much is waiting, or after [`LogSink::close`].
    /// Line breaks inside are the caller's to escape.
    pub fn write_line(&self, line: impl AsRef<[u8]>) -> bool {
        self.shared.push(line.as_ref()) == Push::Taken
    }

    /// Opens the file anew, as log rotation asks for; what waits goes to the new file.
    pub fn reopen(&self) {
        self.shared.ask_reopen();
    }

    /// Waits until every line taken so far is handed to the operating system.
    pub fn flush(&self) {
        self.shared.flush();
    }

    /// Writes what waits and ends the thread; later lines are dropped and counted.
    pub fn close(&self) {
        self.shared.close();
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("log writer ended by a panic");
        }
    }

    /// How many lines were lost: no room, or a failed write.
    pub fn dropped(&self) -> u64 {
        self.shared.lost()
    }
}

impl Drop for LogSink {
    fn drop(&mut self) {
        self.close();
    }
}

// === impl LogSinks ===

impl LogSinks {
    /// No sinks yet; lost entries of all of them will be counted in `metrics`.
    pub fn new(metrics: Metrics) -> Self {
        Self {
            inner: Arc::new(Sinks {
                metrics: Some(metrics),
                open: Mutex::default(),
            }),
        }
    }

    /// The sink of this target: the one that is in use, or a new one.
    ///
    /// # Errors
    /// As [`LogSink::open`].
    pub fn open(&self, target: &str) -> Result<Arc<LogSink>, LogSinkError> {
        let mut open = self.lock();
        if let Some(sink) = open.get(target).and_then(Weak::upgrade) {
            return Ok(sink);
        }
        open.retain(|_, sink| sink.strong_count() > 0);
        let sink = Arc::new(LogSink::open(target, self.inner.metrics.clone())?);
        open.insert(target.to_owned(), Arc::downgrade(&sink));
        Ok(sink)
    }

    /// Opens every file anew, as log rotation asks for.
    pub fn reopen_all(&self) {
        for sink in self.lock().values().filter_map(Weak::upgrade) {
            sink.reopen();
        }
    }

    /// Writes what waits in every sink.
    pub fn flush_all(&self) {
        let sinks: Vec<_> = self.lock().values().filter_map(Weak::upgrade).collect();
        for sink in sinks {
            sink.flush();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Weak<LogSink>>> {
        self.inner
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
