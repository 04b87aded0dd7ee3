//! The thread that writes.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::state::{Batch, Shared, Work};
use crate::metrics::Metrics;

/// How long lines gather after a write.
const GATHER: Duration = Duration::from_millis(20);

/// A troubled target is reported, and looked at, this often.
const INTERVAL: Duration = Duration::from_secs(1);

/// A buffer that grew beyond this is given back.
const KEPT_BUFFER: usize = 256 * 1024;

#[derive(Debug)]
pub(super) enum Target {
    Stdout,
    File { path: PathBuf, file: File },
}

#[derive(Debug)]
pub(super) struct Writer {
    name: String,
    target: Target,
    metrics: Option<Metrics>,
    shared: Arc<Shared>,
    checked: Instant,
    reported: Option<Instant>,
    unreported: u64,
    failing: bool,
}

// === impl Target ===

impl Target {
    pub(super) fn open(target: &str) -> io::Result<Self> {
        if target == "-" {
            return Ok(Self::Stdout);
        }
        let path = PathBuf::from(target);
        let file = open_file(&path)?;
        Ok(Self::File { path, file })
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(bytes)?;
                out.flush()
            }
            Self::File { file, .. } => file.write_all(bytes),
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        if let Self::File { path, file } = self {
            *file = open_file(path)?;
        }
        Ok(())
    }

    /// Whether the path leads to another file, or to none.
    fn is_moved(&self) -> bool {
        let Self::File { path, file } = self else {
            return false;
        };
        match (fs::metadata(path), file.metadata()) {
            (Ok(there), Ok(here)) => (there.dev(), there.ino()) != (here.dev(), here.ino()),
            _ => true,
        }
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        fs::create_dir_all(folder)?;
    }
    OpenOptions::new().append(true).create(true).open(path)
}

// === impl Writer ===

impl Writer {
    pub(super) fn new(
        name: &str,
        target: Target,
        metrics: Option<Metrics>,
        shared: Arc<Shared>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            target,
            metrics,
            shared,
            checked: Instant::now(),
            reported: None,
            unreported: 0,
            failing: false,
        }
    }

    pub(super) fn run(mut self) {
        let mut spare = Batch::default();
        loop {
            let work = self.shared.take(spare);
            self.perform(&work);
            self.shared.done(&work);
            if work.closed {
                self.report();
                return;
            }
            let quiet = work.batch.lines == 0;
            spare = emptied(work.batch);
            if !quiet || self.unreported > 0 {
                self.shared.gather(GATHER);
            }
        }
    }

    /// A writer that does not first trust its open file for a while.
    #[cfg(test)]
    pub(super) fn looking_at_once(mut self) -> Self {
        self.failing = true;
        self
    }

    fn perform(&mut self, work: &Work) {
        if work.reopen || self.is_time_to_look() && self.target.is_moved() {
            let outcome = self.target.reopen();
            self.judge(outcome, 0);
        }
        if work.batch.lines > 0 {
            let outcome = self.target.write(&work.batch.bytes);
            self.judge(outcome, work.batch.lines);
        }
        if work.refused > 0 {
            self.lose(work.refused);
        }
    }

    fn is_time_to_look(&mut self) -> bool {
        let due = self.failing || self.checked.elapsed() >= INTERVAL;
        if due {
            self.checked = Instant::now();
        }
        due
    }

    /// Reports a failure once, and the recovery from it.
    fn judge(&mut self, outcome: io::Result<()>, lines: u64) {
        match outcome {
            Ok(()) if self.failing && lines > 0 => {
                self.failing = false;
                tracing::info!(target_path = self.name, "log target works again");
            }
            Ok(()) => {}
            Err(error) => {
                if !std::mem::replace(&mut self.failing, true) {
                    tracing::error!(target_path = self.name, %error, "log target fails");
                }
                if lines > 0 {
                    self.shared.add_lost(lines);
                    self.lose(lines);
                }
            }
        }
    }

    fn lose(&mut self, lines: u64) {
        if let Some(metrics) = &self.metrics {
            metrics.log_entries_dropped(&self.name, lines);
        }
        self.unreported += lines;
        let is_quiet = self.reported.is_some_and(|at| at.elapsed() < INTERVAL);
        if !is_quiet {
            self.report();
        }
    }

    fn report(&mut self) {
        let entries = std::mem::take(&mut self.unreported);
        if entries > 0 {
            self.reported = Some(Instant::now());
            tracing::warn!(target_path = self.name, entries, "log entries dropped");
        }
    }
}

fn emptied(mut batch: Batch) -> Batch {
    batch.lines = 0;
    batch.bytes.clear();
    batch.bytes.shrink_to(KEPT_BUFFER);
    batch
}
