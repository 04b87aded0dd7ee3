//! One block of lines, read as an event.

/// One server-sent event, borrowed from the decoder until the next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// The type: `message` unless an `event:` line says otherwise, which may also say nothing.
    pub name: &'a str,
    /// The `data:` lines, joined by line feeds; empty when there is none.
    pub data: &'a [u8],
    /// The last `id:` line.
    pub id: Option<&'a [u8]>,
    /// The last `retry:` line that is a number, in milliseconds.
    pub retry: Option<u64>,
}

/// The type of an event that does not name one.
const DEFAULT_NAME: &str = "message";

// === impl Event ===

impl<'a> Event<'a> {
    /// An event of the default type.
    pub fn message(data: &'a [u8]) -> Self {
        Self {
            name: DEFAULT_NAME,
            data,
            id: None,
            retry: None,
        }
    }

    /// An event of a named type.
    pub fn named(name: &'a str, data: &'a [u8]) -> Self {
        Self {
            name,
            ..Self::message(data)
        }
    }

    /// Whether the event has the default type.
    pub fn is_message(&self) -> bool {
        self.name == DEFAULT_NAME
    }
}

/// Reads a block; `None` when no line of it is a field.
///
/// One data line is borrowed from the block; several are joined in `joined`, which is reused.
/// Source: apache/apisix `apisix/plugins/ai-transport/sse.lua` for what counts as a field, and the
/// WHATWG HTML standard for line ends.
pub(super) fn read<'a>(block: &'a [u8], joined: &'a mut Vec<u8>) -> Option<Event<'a>> {
    let mut event = Event::message(b"");
    let mut is_event = false;
    let mut data_lines = 0_usize;
    for (name, value) in lines(block).filter_map(field) {
        is_event = true;
        if name.eq_ignore_ascii_case(b"data") {
            match data_lines {
                0 => event.data = value,
                1 => {
                    joined.clear();
                    joined.extend_from_slice(event.data);
                    push_line(joined, value);
                }
                _ => push_line(joined, value),
            }
            data_lines += 1;
        } else if name.eq_ignore_ascii_case(b"event") {
            event.name = std::str::from_utf8(value).unwrap_or("\u{fffd}");
        } else if name.eq_ignore_ascii_case(b"id") {
            event.id = Some(value);
        } else if name.eq_ignore_ascii_case(b"retry") {
            event.retry = std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.parse().ok());
        }
    }
    if data_lines > 1 {
        event.data = joined;
    }
    is_event.then_some(event)
}

/// Whether some line of the block is a field.
pub(super) fn has_field(block: &[u8]) -> bool {
    lines(block).any(|line| field(line).is_some())
}

fn push_line(joined: &mut Vec<u8>, line: &[u8]) {
    joined.push(b'\n');
    joined.extend_from_slice(line);
}

/// The lines of a block; CR, LF and CRLF all end one, and empty lines make no difference.
fn lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = block;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        let line = rest.get(..end).unwrap_or_default();
        rest = rest.get(end + 1..).unwrap_or_default();
        Some(line)
    })
}

/// Name and value of a line; comments and lines without a colon are not fields.
fn field(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr::memchr(b':', line)?;
    let (name, value) = (line.get(..colon)?, line.get(colon + 1..)?);
    let value = value.strip_prefix(b" ").unwrap_or(value);
    (!name.is_empty()).then_some((name, value))
}
