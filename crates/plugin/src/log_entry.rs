//! What is logged of a request: the line of the access log, and the entry of logger plugins.
//!
//! Bodies appear only where a logger was told to collect them. Credentials never do: values of
//! headers and arguments with telling names are written as `***`.

mod access;
mod attempts;
mod default;
#[cfg(test)]
mod tests;

use llm::Exchange;
use telemetry::access_log::JsonLine;

use crate::{Ctx, LogFormat};

pub use access::access_line;

/// What a logger adds to the entry of a request.
#[derive(Clone, Copy, Debug, Default)]
pub struct Logged<'a> {
    /// The shape of the entry, instead of the default one.
    pub format: Option<&'a LogFormat>,
    /// Members added to the default entry; those it has already stay as they are.
    pub extra: Option<&'a LogFormat>,
    /// The client's body.
    pub request_body: Option<&'a [u8]>,
    /// The reply's body, as far as it was collected.
    pub response_body: Option<&'a [u8]>,
}

/// The entry of a logger plugin, as one line of JSON.
///
/// Source: apache/apisix `apisix/utils/log-util.lua`.
pub fn log_entry(ctx: &Ctx, logged: &Logged<'_>) -> String {
    let mut line = JsonLine::new();
    if let Some(format) = logged.format {
        format.write_unless(ctx, &mut line, |name| has_own(ctx, name));
        write_ids(ctx, &mut line);
    } else {
        default::write(ctx, logged, &mut line);
        if let Some(extra) = logged.extra {
            let is_taken = |name: &str| default::MEMBERS.contains(&name) || has_own(ctx, name);
            extra.write_unless(ctx, &mut line, is_taken);
        }
    }
    if let Some(exchange) = ctx.exchange.as_deref() {
        write_exchange(ctx, exchange, &mut line);
    }
    line.finish()
}

/// Whether the gateway itself writes this member, whatever the format.
fn has_own(ctx: &Ctx, name: &str) -> bool {
    let route = ctx.route.as_deref();
    let exchange = ctx.exchange.as_deref();
    match name {
        "route_id" => route.is_some(),
        "service_id" => route.is_some_and(|route| route.service_id.is_some()),
        "llm_summary" | "llm_attempts" => exchange.is_some_and(|exchange| exchange.log_summaries),
        "llm_request" => exchange.is_some_and(|exchange| exchange.log_payloads),
        "llm_response_text" => {
            exchange.is_some_and(|exchange| exchange.log_payloads && exchange.text_known)
        }
        _ => false,
    }
}

fn write_ids(ctx: &Ctx, line: &mut JsonLine) {
    if let Some(route) = ctx.route.as_deref() {
        line.text("route_id", &route.id);
        line.optional_text("service_id", route.service_id.as_deref());
    }
}

/// The AI part, as far as the route asked for it.
fn write_exchange(ctx: &Ctx, exchange: &Exchange, line: &mut JsonLine) {
    if exchange.log_summaries {
        line.value("llm_summary", &exchange.summary());
        line.value("llm_attempts", &attempts::attempts(ctx));
    }
    if exchange.log_payloads {
        line.value("llm_request", &exchange.request_entry());
        if let Some(answer) = exchange.response_entry() {
            line.value("llm_response_text", &answer);
        }
    }
}

/// Times of a request in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Latencies {
    whole: f64,
    upstream: Option<f64>,
    gateway: f64,
}

// === impl Latencies ===

impl Latencies {
    fn of(ctx: &Ctx) -> Self {
        let whole = milliseconds(ctx.elapsed());
        let upstream = ctx.upstream_time().map(milliseconds);
        let gateway = (whole - upstream.unwrap_or(0.0)).max(0.0);
        Self {
            whole,
            upstream,
            gateway,
        }
    }
}

fn milliseconds(duration: std::time::Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
