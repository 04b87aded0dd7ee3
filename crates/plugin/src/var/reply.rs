//! Variables of what went to the client.

use http::{HeaderMap, HeaderName};

use super::row::Row;
use super::{Ctx, Value, joined};

pub(super) static ROWS: &[Row] = &[
    Row::new("status", |ctx| {
        Some(Value::Integer(ctx.sent.status?.as_u16().into()))
    }),
    Row::new("body_bytes_sent", |ctx| Some(Value::count(ctx.sent.bytes))),
    Row::new("bytes_sent", |ctx| Some(Value::count(length(ctx)))),
    Row::new("response_source", |ctx| {
        Some(Value::from(ctx.sent.source.name()))
    }),
    Row::new("request_end", |ctx| Some(Value::from(ctx.sent.end?.name()))),
    Row::new("request_completion", |ctx| {
        let whole = ctx.sent.end == Some(crate::End::Complete);
        Some(Value::from(if whole { "OK" } else { "" }))
    }),
];

pub(super) fn header<'a>(
    ctx: &'a Ctx,
    name: &HeaderName,
    written: &HeaderName,
) -> Option<Value<'a>> {
    joined(&ctx.sent.headers, [name, written], ", ").map(Value::Text)
}

/// Bytes of head and body as HTTP/1.1 writes them.
pub(crate) fn length(ctx: &Ctx) -> u64 {
    let Some(status) = ctx.sent.status else {
        return 0;
    };
    let reason = status.canonical_reason().unwrap_or_default();
    let line = "HTTP/1.1 200 ".len() + reason.len() + 2;
    let head = line + head_length(&ctx.sent.headers);
    ctx.sent.bytes.saturating_add(head as u64)
}

/// Bytes of header lines and the empty line after them.
pub(super) fn head_length(headers: &HeaderMap) -> usize {
    let lines = headers
        .iter()
        .map(|(name, value)| name.as_str().len() + value.len() + 4);
    lines.sum::<usize>() + 2
}
