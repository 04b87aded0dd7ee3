//! What the gateway says in its error log.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Everything that was said, one line for each event: level, then fields.
#[derive(Clone, Debug, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<String>>>);

struct Line(String);

// === impl Heard ===

impl Heard {
    /// Whether a line of this level holds this text.
    pub(crate) fn has(&self, level: &str, text: &str) -> bool {
        self.count(level, text) > 0
    }

    /// How many lines of this level hold this text.
    pub(crate) fn count(&self, level: &str, text: &str) -> usize {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = lines.iter();
        lines
            .filter(|line| line.starts_with(level) && line.contains(text))
            .count()
    }
}

impl Subscriber for Heard {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Of others only what an operator would see by default.
        let is_ours = ["ai", "plugins", "net", "llm"];
        let room = metadata.target().split("::").next().unwrap_or_default();
        is_ours.contains(&room)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

// === impl Line ===

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        _ = write!(self.0, " {field}={value:?}");
    }
}
