//! Events of a stream before they are bytes.

use bytes::Bytes;
use serde_json::Value;

use crate::behaviour::{Behaviour, LineEnd};

/// One event.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) name: Option<&'static str>,
    pub(crate) data: String,
    pub(crate) role: Role,
}

/// What an event is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It brings text.
    Text,
    /// It is the end mark.
    End,
    Other,
}

// === impl Event ===

impl Event {
    /// An event without a name.
    pub(crate) fn data(data: &Value) -> Self {
        Self {
            name: None,
            data: data.to_string(),
            role: Role::Other,
        }
    }

    /// An event with a name.
    pub(crate) fn named(name: &'static str, data: &Value) -> Self {
        Self {
            name: Some(name),
            ..Self::data(data)
        }
    }

    pub(crate) fn with_role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }

    pub(crate) fn bytes(&self, line_end: LineEnd) -> Bytes {
        let end = line_end.as_str();
        let name = self.name.map(|name| format!("event: {name}{end}"));
        let name = name.unwrap_or_default();
        Bytes::from(format!("{name}data: {}{end}{end}", self.data))
    }
}

/// The events that are left when an error comes in the middle, or the end mark is missing.
pub(crate) fn faulty(events: Vec<Event>, error: Event, behaviour: &Behaviour) -> Vec<Event> {
    let Some(chunks) = behaviour.error_after else {
        return events
            .into_iter()
            .filter(|event| !behaviour.no_end || event.role != Role::End)
            .collect();
    };
    let mut texts = 0;
    let mut left = Vec::new();
    for event in events {
        let is_text = event.role == Role::Text;
        let is_over = texts == chunks && (is_text || chunks > 0);
        if is_over || event.role == Role::End {
            break;
        }
        texts += usize::from(is_text);
        left.push(event);
    }
    left.push(error);
    left
}
