//! What the gateway says in its error log.

use std::cell::RefCell;
use std::fmt::{self, Write as _};
use std::sync::Once;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Everything that this thread, and so the test that runs on it, has said: one line for each event,
/// with its level first.
#[derive(Debug)]
pub(crate) struct Heard {
    /// How many lines came before.
    before: usize,
}

/// One for all threads: callsites ask only once whether anybody listens.
struct Listener;

struct Line(String);

// === impl Heard ===

impl Heard {
    /// Listens from here on.
    pub(crate) fn listening() -> Self {
        static LISTENER: Once = Once::new();
        LISTENER.call_once(|| {
            tracing::subscriber::set_global_default(Listener).expect("the only one");
        });
        Self {
            before: LINES.with_borrow(Vec::len),
        }
    }

    /// Whether a line of this level holds this text.
    pub(crate) fn has(&self, level: &str, text: &str) -> bool {
        self.count(level, text) > 0
    }

    /// How many lines of this level hold this text.
    pub(crate) fn count(&self, level: &str, text: &str) -> usize {
        let holds = |line: &&String| line.starts_with(level) && line.contains(text);
        LINES.with_borrow(|lines| lines.iter().skip(self.before).filter(holds).count())
    }

    /// All lines, for messages.
    pub(crate) fn lines(&self) -> String {
        LINES.with_borrow(|lines| lines.get(self.before..).unwrap_or_default().join("\n"))
    }
}

// === impl Listener ===

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let rooms = ["ai", "plugins", "net", "llm"];
        let room = metadata.target().split("::").next().unwrap_or_default();
        rooms.contains(&room)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        LINES.with_borrow_mut(|lines| lines.push(line.0));
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
