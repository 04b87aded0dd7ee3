//! A log file that is opened by its first line.
//!
//! A configuration is compiled where it is only checked, too; that must not leave files behind.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use plugin::Host;
use telemetry::log_sink::{LogSink, LogSinks};
use telemetry::metrics::Metrics;

/// The file at a path, shared with all others that write to it.
#[derive(Debug)]
pub(super) struct LazySink {
    path: String,
    sinks: Arc<LogSinks>,
    metrics: Metrics,
    opened: OnceLock<Arc<LogSink>>,
    complained: AtomicBool,
}

// === impl LazySink ===

impl LazySink {
    pub(super) fn new(path: String, host: &Host<'_>) -> Self {
        Self {
            path,
            sinks: host.log_sinks(),
            metrics: host.metrics.clone(),
            opened: OnceLock::new(),
            complained: AtomicBool::new(false),
        }
    }

    /// Takes a line without its end; one that cannot be written is counted as lost.
    pub(super) fn write_line(&self, line: &str) {
        match self.sink() {
            // What it has no room for, the sink counts itself.
            Some(sink) => _ = sink.write_line(line),
            None => self.metrics.log_entries_dropped(&self.path, 1),
        }
    }

    fn sink(&self) -> Option<&Arc<LogSink>> {
        if let Some(sink) = self.opened.get() {
            return Some(sink);
        }
        match self.sinks.open(&self.path) {
            Ok(sink) => Some(self.opened.get_or_init(|| sink)),
            Err(error) => {
                if !self.complained.swap(true, Ordering::Relaxed) {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::error!(%error, cause, "log entries are lost");
                }
                None
            }
        }
    }
}
