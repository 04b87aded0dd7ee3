//! The signals that a running gateway hears.

use anyhow::Context as _;
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// `SIGHUP`: read resources again and reopen logs.
    Reload,
    /// `SIGTERM` or `SIGINT`: come to an end.
    End,
}

/// The signals of this process.
#[derive(Debug)]
pub(crate) struct Signals {
    reload: Stream,
    terminate: Stream,
    interrupt: Stream,
}

// === impl Signals ===

impl Signals {
    /// Starts to listen; from here on the signals no longer end the process by themselves.
    pub(crate) fn new() -> anyhow::Result<Self> {
        let stream = |kind| signal(kind).context("cannot listen for signals");
        Ok(Self {
            reload: stream(SignalKind::hangup())?,
            terminate: stream(SignalKind::terminate())?,
            interrupt: stream(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            Some(()) = self.reload.recv() => Signal::Reload,
            _ = self.terminate.recv() => Signal::End,
            _ = self.interrupt.recv() => Signal::End,
        }
    }
}
