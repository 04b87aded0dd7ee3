//! Events of our own, written out.

use bytes::{BufMut, BytesMut};

use super::block::Event;

/// Appends an event: its type unless that is `message`, id, retry, data lines, blank line.
pub fn encode(event: &Event<'_>, out: &mut BytesMut) {
    if !event.is_message() {
        put_line(out, b"event: ", event.name.as_bytes());
    }
    if let Some(id) = event.id {
        put_line(out, b"id: ", id);
    }
    if let Some(retry) = event.retry {
        put_line(out, b"retry: ", retry.to_string().as_bytes());
    }
    for line in event.data.split(|byte| *byte == b'\n') {
        put_line(out, b"data: ", line);
    }
    out.put_u8(b'\n');
}

fn put_line(out: &mut BytesMut, field: &[u8], value: &[u8]) {
    out.reserve(field.len() + value.len() + 1);
    out.put_slice(field);
    out.put_slice(value);
    out.put_u8(b'\n');
}
