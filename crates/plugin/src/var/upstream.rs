//! Variables of the calls upstream: state of every attempt in a list, the rest of the last one.

use std::fmt::Write as _;
use std::time::Duration;

use super::row::Row;
use super::time::seconds;
use super::{Ctx, Value};
use crate::Attempt;

pub(super) static ROWS: &[Row] = &[
    Row::new("upstream_addr", |ctx| {
        each(ctx, |attempt, out| match attempt.peer {
            Some(peer) if attempt.steered => _ = write!(out, "{peer}"),
            _ => out.push_str(&attempt.address),
        })
    }),
    Row::new("upstream_status", |ctx| {
        each(ctx, |attempt, out| match attempt.status {
            Some(status) => _ = write!(out, "{status}"),
            None => out.push('-'),
        })
    }),
    Row::new("upstream_connect_time", |ctx| {
        each(ctx, |attempt, out| time(attempt.connect, out))
    }),
    Row::new("upstream_header_time", |ctx| {
        each(ctx, |attempt, out| time(attempt.header, out))
    }),
    Row::new("upstream_first_content_time", |ctx| {
        each(ctx, |attempt, out| time(attempt.first_content, out))
    }),
    Row::new("upstream_response_time", response_times),
    Row::new("upstream_response_length", |ctx| {
        each(ctx, |attempt, out| _ = write!(out, "{}", attempt.length))
    }),
    Row::new("upstream_bytes_received", |ctx| {
        each(ctx, |attempt, out| _ = write!(out, "{}", attempt.length))
    }),
    Row::new("upstream_instance", |ctx| {
        let name = |attempt: &Attempt, out: &mut String| {
            let choice = attempt.choice.as_ref();
            word(choice.map_or("", |choice| &choice.instance), out);
        };
        each(ctx, name)
    }),
    Row::new("upstream_chosen", |ctx| {
        let reason = |attempt: &Attempt, out: &mut String| {
            let choice = attempt.choice.as_ref();
            word(choice.map_or("", |choice| choice.reason), out);
        };
        each(ctx, reason)
    }),
    Row::new("upstream_ended", |ctx| {
        each(ctx, |attempt, out| word(attempt.ended, out))
    }),
    Row::new("upstream_host", |ctx| {
        Some(Value::from(&*ctx.attempts.last()?.host))
    }),
    Row::new("upstream_scheme", |ctx| {
        Some(Value::from(ctx.attempts.last()?.scheme))
    }),
    Row::new("upstream_uri", |ctx| {
        Some(Value::from(&*ctx.attempts.last()?.path))
    }),
    Row::new("balancer_ip", |ctx| {
        if let Some(exchange) = &ctx.exchange {
            // compat: apache/apisix the name of the instance stands for its address
            return Some(Value::from(&*exchange.instance));
        }
        Some(Value::from(ctx.attempts.last()?.ip()))
    }),
    Row::new("balancer_port", |ctx| {
        let port = ctx.attempts.last()?.port()?;
        Some(Value::Integer(port.into()))
    }),
];

pub(super) fn response_times(ctx: &Ctx) -> Option<Value<'_>> {
    each(ctx, |attempt, out| time(attempt.response, out))
}

/// One entry per attempt, separated by a comma and a space; nothing without an attempt.
fn each(ctx: &Ctx, write: fn(&Attempt, &mut String)) -> Option<Value<'_>> {
    let mut attempts = ctx.attempts.iter();
    let mut out = String::new();
    write(attempts.next()?, &mut out);
    for attempt in attempts {
        out.push_str(", ");
        write(attempt, &mut out);
    }
    Some(Value::Text(out.into()))
}

fn word(word: &str, out: &mut String) {
    out.push_str(if word.is_empty() { "-" } else { word });
}

fn time(duration: Option<Duration>, out: &mut String) {
    match duration {
        Some(duration) => out.push_str(&seconds(duration)),
        None => out.push('-'),
    }
}
