//! The line that each request leaves.

use std::time::Duration;

use plugin::{Attempt, Ctx, End, RouteFacts};
use telemetry::access_log::JsonLine;

use crate::settings::{AccessLog, LogFormat};

/// Whether lines may show headers of the answer.
pub(crate) fn reads_headers(log: &AccessLog) -> bool {
    matches!(log.format, LogFormat::Text(_))
}

/// Writes the line of a request that has ended.
pub(crate) fn write(log: &AccessLog, ctx: &Ctx) {
    let line = match &log.format {
        LogFormat::Json => json(ctx),
        LogFormat::Text(template) => {
            let mut line = String::with_capacity(256);
            template.write(ctx, "-", &mut line);
            line
        }
    };
    log.sink.write_line(line);
}

fn json(ctx: &Ctx) -> String {
    let (request, sent) = (&ctx.request, &ctx.sent);
    let mut line = JsonLine::new();
    if let Ok(at) = jiff::Timestamp::try_from(request.received_at) {
        line.text("time", &at.to_string());
    }
    line.text("request_id", &request.id)
        .text("client_ip", &request.peer.ip().to_canonical().to_string())
        .text("method", request.method.as_str())
        .text("host", &request.host)
        .text("uri", &request.uri.to_string())
        .number("status", sent.status.map_or(0, |status| status.as_u16()))
        .number("bytes", sent.bytes)
        .milliseconds("latency", milliseconds(sent.duration))
        .text("end", sent.end.unwrap_or(End::ClientGone).name())
        .text("source", sent.source.name());
    route(&mut line, ctx.route.as_deref());
    let consumer = ctx.consumer.as_ref();
    line.optional_text("consumer", consumer.map(|consumer| &*consumer.username));
    if let Some(last) = ctx.attempts.last() {
        upstream(&mut line, last, ctx.attempts.len());
    }
    if let Some(exchange) = &ctx.exchange {
        line.value("llm_summary", &exchange.summary());
    }
    line.finish()
}

fn route(line: &mut JsonLine, route: Option<&RouteFacts>) {
    let Some(route) = route else {
        return;
    };
    line.text("route_id", &route.id)
        .optional_text("route_name", route.name.as_deref())
        .optional_text("service_id", route.service_id.as_deref());
}

fn upstream(line: &mut JsonLine, last: &Attempt, attempts: usize) {
    line.text("upstream", &last.address);
    if let Some(status) = last.status {
        line.number("upstream_status", status);
    }
    if let Some(time) = last.response {
        line.milliseconds("upstream_latency", milliseconds(time));
    }
    if attempts > 1 {
        line.number("attempts", attempts as u64);
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
