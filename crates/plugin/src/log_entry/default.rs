//! The entry that loggers write when no format is configured.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::HeaderMap;
use jiff::Timestamp;
use serde_json::{Map, Value};
use telemetry::access_log::JsonLine;

use super::{Latencies, Logged};
use crate::var::{hostname, reply, request};
use crate::{Ctx, Var, mask};

/// The names of its members.
pub(super) const MEMBERS: &[&str] = &[
    "request",
    "response",
    "server",
    "upstream",
    "service_id",
    "route_id",
    "consumer",
    "client_ip",
    "start_time",
    "latency",
    "upstream_latency",
    "apisix_latency",
];

pub(super) fn write(ctx: &Ctx, logged: &Logged<'_>, line: &mut JsonLine) {
    line.raw("request", &request_object(ctx, logged.request_body));
    line.raw("response", &response_object(ctx, logged.response_body));
    let mut server = JsonLine::new();
    server
        .text("hostname", hostname())
        .text("version", env!("CARGO_PKG_VERSION"));
    line.raw("server", &server.finish());
    if let Some(upstream) = Var::named("upstream_addr").value(ctx) {
        line.text("upstream", &upstream.into_text());
    }
    match ctx.route.as_deref() {
        Some(route) => {
            line.text(
                "service_id",
                route.service_id.as_deref().unwrap_or_default(),
            );
            line.text("route_id", &route.id);
        }
        None => _ = line.text("service_id", &ctx.request.host),
    }
    if let Some(consumer) = ctx.consumer.as_deref() {
        let mut who = JsonLine::new();
        who.text("username", &consumer.username);
        line.raw("consumer", &who.finish());
    }
    line.text(
        "client_ip",
        &ctx.request.peer.ip().to_canonical().to_string(),
    );
    write_times(ctx, line);
}

fn write_times(ctx: &Ctx, line: &mut JsonLine) {
    let latencies = Latencies::of(ctx);
    let start = Timestamp::try_from(ctx.request.received_at).unwrap_or_default();
    line.number("start_time", start.as_millisecond());
    line.milliseconds("latency", latencies.whole);
    if let Some(upstream) = latencies.upstream {
        line.milliseconds("upstream_latency", upstream);
    }
    line.milliseconds("apisix_latency", latencies.gateway);
}

fn request_object(ctx: &Ctx, body: Option<&[u8]>) -> String {
    let request = &ctx.request;
    let target = ctx.masked_target();
    let port = request.local.port();
    let url = format!("{}://{}:{port}{target}", request.scheme, request.host);
    let mut object = JsonLine::new();
    object
        .text("url", &url)
        .text("uri", &target)
        .text("method", request.method.as_str())
        .value("headers", &headers(&request.headers, &ctx.secret_arguments))
        .value(
            "querystring",
            &arguments(request.uri.query(), &ctx.secret_arguments),
        )
        .number("size", request::length(ctx));
    if let Some(body) = body {
        object.text("body", &String::from_utf8_lossy(body));
    }
    object.finish()
}

fn response_object(ctx: &Ctx, body: Option<&[u8]>) -> String {
    let mut object = JsonLine::new();
    object
        .number(
            "status",
            ctx.sent.status.map_or(0, |status| status.as_u16()),
        )
        .value(
            "headers",
            &headers(&ctx.sent.headers, &ctx.secret_arguments),
        )
        .number("size", reply::length(ctx));
    if let Some(body) = body {
        object.text("body", &String::from_utf8_lossy(body));
    }
    object.finish()
}

/// Headers by name; a repeated one is an array.
fn headers(headers: &HeaderMap, secret: &[Arc<str>]) -> Map<String, Value> {
    let mut members = Map::new();
    for name in headers.keys() {
        let values = headers.get_all(name).iter();
        let mut values: Vec<Value> = values
            .map(|value| mask::header(name, value, secret).into_owned().into())
            .collect();
        let value = match (values.pop(), values.is_empty()) {
            (Some(only), true) => only,
            (last, _) => values.into_iter().chain(last).collect(),
        };
        members.insert(name.as_str().to_owned(), value);
    }
    members
}

/// Arguments by name; a repeated one is an array, one without a value is `true`.
fn arguments(query: Option<&str>, secret: &[Arc<str>]) -> Map<String, Value> {
    let query = mask::arguments(query.unwrap_or_default(), secret);
    let bare: BTreeSet<&str> = query
        .split('&')
        .filter(|pair| !pair.contains('='))
        .collect();
    let mut members = Map::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let value = if value.is_empty() && bare.contains(&*name) {
            Value::Bool(true)
        } else {
            Value::from(value.into_owned())
        };
        match members.get_mut(&*name) {
            None => _ = members.insert(name.into_owned(), value),
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
        }
    }
    members
}
