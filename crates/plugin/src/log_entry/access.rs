//! The line of the access log in its JSON form.

use std::borrow::Cow;

use http::header;
use jiff::Timestamp;
use llm::Exchange;
use telemetry::access_log::JsonLine;

use super::Latencies;
use crate::var::{reply, request};
use crate::{Ctx, Var};

/// The access log's line for a finished request, as one line of JSON.
///
/// Shape: `{"time": "…", "request_id": "…", "client_ip": "…", "method": "POST", "uri": "…", …,
/// "status": 200, "latency": 12.5, …, "end": "complete"}`, latencies in milliseconds. AI requests
/// also have `request_type`, `instance`, `request_model`, `model`, `prompt_tokens`,
/// `completion_tokens`, `total_tokens`, `time_to_first_token` in milliseconds and `llm_ended`.
pub fn access_line(ctx: &Ctx) -> String {
    let mut line = JsonLine::new();
    write_request(ctx, &mut line);
    write_route(ctx, &mut line);
    write_reply(ctx, &mut line);
    if let Some(exchange) = ctx.exchange.as_deref() {
        write_exchange(exchange, &mut line);
        line.optional_text("llm_ended", ctx.exchange_end());
    }
    line.text("response_source", ctx.sent.source.name());
    line.optional_text("end", ctx.sent.end.map(crate::End::name));
    line.finish()
}

fn write_request(ctx: &Ctx, line: &mut JsonLine) {
    let request = &ctx.request;
    let received = Timestamp::try_from(request.received_at).unwrap_or_default();
    let time = received.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string();
    line.text("time", &time)
        .text("request_id", &request.id)
        .text("client_ip", &request.peer.ip().to_canonical().to_string())
        .text("method", request.method.as_str())
        .text("uri", &ctx.masked_target())
        .text("protocol", request::protocol(ctx))
        .text("host", &request.host)
        .number("request_length", request::length(ctx));
    let agent = request.headers.get(header::USER_AGENT);
    let agent = agent.map(|value| String::from_utf8_lossy(value.as_bytes()));
    line.optional_text("user_agent", agent.as_deref());
}

fn write_route(ctx: &Ctx, line: &mut JsonLine) {
    if let Some(route) = ctx.route.as_deref() {
        line.text("route_id", &route.id)
            .optional_text("route_name", route.name.as_deref())
            .optional_text("service_id", route.service_id.as_deref());
    }
    let consumer = ctx.consumer.as_deref();
    line.optional_text("consumer", consumer.map(|consumer| &*consumer.username));
}

fn write_reply(ctx: &Ctx, line: &mut JsonLine) {
    let latencies = Latencies::of(ctx);
    line.number(
        "status",
        ctx.sent.status.map_or(0, |status| status.as_u16()),
    )
    .number("bytes_sent", reply::length(ctx))
    .milliseconds("latency", latencies.whole);
    if let Some(upstream) = latencies.upstream {
        line.milliseconds("upstream_latency", upstream);
    }
    line.optional_text("upstream_addr", variable(ctx, "upstream_addr").as_deref())
        .optional_text(
            "upstream_status",
            variable(ctx, "upstream_status").as_deref(),
        );
}

fn variable<'a>(ctx: &'a Ctx, name: &str) -> Option<Cow<'a, str>> {
    Var::named(name).value(ctx).map(crate::Value::into_text)
}

fn write_exchange(exchange: &Exchange, line: &mut JsonLine) {
    line.text("request_type", exchange.request_type())
        .text("instance", &exchange.instance)
        .text("request_model", &exchange.request_model)
        .text("model", &exchange.model)
        .number("prompt_tokens", exchange.usage.prompt_tokens)
        .number("completion_tokens", exchange.usage.completion_tokens)
        .number("total_tokens", exchange.usage.total_tokens);
    if let Some(first) = exchange.time_to_first_token_ms {
        line.number("time_to_first_token", first);
    }
}
