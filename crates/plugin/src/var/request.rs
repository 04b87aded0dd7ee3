//! Variables of what the client asked.

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderName, Version, header};

use super::row::Row;
use super::{Ctx, Value, joined};

pub(super) static ROWS: &[Row] = &[
    Row::new("uri", |ctx| Some(Value::from(&*ctx.request.path))),
    Row::new("request_uri", |ctx| Some(Value::from(ctx.request.target()))),
    Row::new("host", |ctx| Some(Value::from(&*ctx.request.host))),
    Row::new("hostname", |_| Some(Value::from(super::hostname()))),
    Row::new("remote_addr", |ctx| Some(address(ctx.request.peer.ip()))),
    Row::new("remote_port", |ctx| {
        Some(Value::Integer(ctx.request.peer.port().into()))
    }),
    Row::new("server_addr", |ctx| Some(address(ctx.request.local.ip()))),
    Row::new("server_port", |ctx| {
        Some(Value::Integer(ctx.request.local.port().into()))
    }),
    Row::new("server_name", |ctx| {
        let host = &*ctx.request.host;
        Some(Value::from(
            ctx.request.server_name.as_deref().unwrap_or(host),
        ))
    }),
    Row::new("ssl_server_name", |ctx| {
        ctx.request.server_name.as_deref().map(Value::from)
    }),
    Row::new("scheme", |ctx| Some(Value::from(ctx.request.scheme))),
    Row::new("https", |ctx| {
        (ctx.request.scheme == "https").then(|| Value::from("on"))
    }),
    Row::new("args", query),
    Row::new("query_string", query),
    Row::new("is_args", |ctx| {
        let mark = if query_text(ctx).is_empty() { "" } else { "?" };
        Some(Value::from(mark))
    }),
    Row::new("request_method", |ctx| Some(method(ctx))),
    Row::new("method", |ctx| Some(method(ctx))),
    Row::new("server_protocol", |ctx| Some(Value::from(protocol(ctx)))),
    Row::new("request", |ctx| Some(request_line(ctx))),
    Row::new("request_length", |ctx| Some(Value::count(length(ctx)))),
    Row::new("content_type", |ctx| {
        joined(&ctx.request.headers, [&header::CONTENT_TYPE; 2], ", ").map(Value::Text)
    }),
    Row::new("content_length", |ctx| {
        ctx.request
            .headers
            .get(header::CONTENT_LENGTH)?
            .to_str()
            .ok()
            .map(Value::from)
    }),
    Row::new("http_host", |ctx| {
        let sent = ctx.request.headers.get(header::HOST);
        let sent = sent.and_then(|value| value.to_str().ok());
        // HTTP/2 carries it in the target.
        let sent = sent.or_else(|| Some(ctx.request.uri.authority()?.as_str()));
        Some(Value::from(sent.unwrap_or(&ctx.request.host)))
    }),
    Row::new("http_cookie", |ctx| {
        joined(&ctx.request.headers, [&header::COOKIE; 2], "; ").map(Value::Text)
    }),
    Row::new("request_id", |ctx| Some(Value::from(&*ctx.request.id))),
    Row::new("apisix_request_id", |ctx| {
        Some(Value::from(&*ctx.request.id))
    }),
    Row::new("remote_user", remote_user),
    Row::new("route_id", |ctx| {
        Some(Value::from(&*ctx.route.as_ref()?.id))
    }),
    Row::new("route_name", |ctx| {
        ctx.route.as_ref()?.name.as_deref().map(Value::from)
    }),
    Row::new("service_id", |ctx| {
        ctx.route.as_ref()?.service_id.as_deref().map(Value::from)
    }),
    Row::new("service_name", |ctx| {
        ctx.route.as_ref()?.service_name.as_deref().map(Value::from)
    }),
    Row::new("matched_uri", |ctx| {
        Some(Value::from(&*ctx.route.as_ref()?.matched_uri))
    }),
    Row::new("matched_host", |ctx| {
        Some(Value::from(&*ctx.route.as_ref()?.matched_host))
    }),
    Row::new("consumer_name", |ctx| {
        Some(Value::from(&*ctx.consumer.as_ref()?.username))
    }),
    Row::new("consumer_group_id", |ctx| {
        ctx.consumer.as_ref()?.group_id.as_deref().map(Value::from)
    }),
    Row::new("credential_id", |ctx| {
        ctx.consumer
            .as_ref()?
            .credential_id
            .as_deref()
            .map(Value::from)
    }),
    Row::of_body("request_body", |ctx| {
        ctx.body
            .bytes()
            .filter(|bytes| !bytes.is_empty())
            .map(|bytes| Value::Text(String::from_utf8_lossy(bytes)))
    }),
];

pub(super) fn header<'a>(
    ctx: &'a Ctx,
    name: &HeaderName,
    written: &HeaderName,
) -> Option<Value<'a>> {
    joined(&ctx.request.headers, [name, written], ", ").map(Value::Text)
}

/// The first cookie of that name.
pub(super) fn cookie<'a>(ctx: &'a Ctx, name: &str) -> Option<&'a str> {
    ctx.request
        .headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value)
}

/// The first argument of that name, decoded; empty when it stands without a value.
pub(super) fn argument<'a>(ctx: &'a Ctx, name: &str) -> Option<Cow<'a, str>> {
    form_urlencoded::parse(query_text(ctx).as_bytes())
        .find(|(found, _)| found == name)
        .map(|(_, value)| value)
}

/// A part of the path that the route's pattern names.
pub(super) fn parameter<'a>(ctx: &'a Ctx, name: &str) -> Option<&'a str> {
    let found = ctx.params.iter().find(|(found, _)| &**found == name);
    found.map(|(_, value)| &**value)
}

fn address(ip: std::net::IpAddr) -> Value<'static> {
    Value::Text(ip.to_canonical().to_string().into())
}

fn query_text(ctx: &Ctx) -> &str {
    ctx.request.uri.query().unwrap_or_default()
}

fn query(ctx: &Ctx) -> Option<Value<'_>> {
    ctx.request.uri.query().map(Value::from)
}

fn method(ctx: &Ctx) -> Value<'_> {
    Value::from(ctx.request.method.as_str())
}

pub(crate) fn protocol(ctx: &Ctx) -> &'static str {
    match ctx.request.version {
        Version::HTTP_09 => "HTTP/0.9",
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2.0",
        Version::HTTP_3 => "HTTP/3.0",
        _ => "HTTP/1.1",
    }
}

fn request_line(ctx: &Ctx) -> Value<'static> {
    let request = &ctx.request;
    let line = format!("{} {} {}", request.method, request.target(), protocol(ctx));
    Value::Text(line.into())
}

/// Bytes of head and body as HTTP/1.1 writes them, as far as they are known.
pub(crate) fn length(ctx: &Ctx) -> u64 {
    let request = &ctx.request;
    let line = request.method.as_str().len() + request.target().len() + protocol(ctx).len() + 4;
    let head = line + super::reply::head_length(&request.headers);
    let declared = request.headers.get(header::CONTENT_LENGTH);
    let declared = declared.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let body = declared.or_else(|| ctx.body.declared_length()).unwrap_or(0);
    body.saturating_add(head as u64)
}

/// The name in `Authorization: Basic …`.
fn remote_user(ctx: &Ctx) -> Option<Value<'_>> {
    let value = ctx
        .request
        .headers
        .get(header::AUTHORIZATION)?
        .to_str()
        .ok()?;
    let (scheme, coded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let plain = String::from_utf8(BASE64_STANDARD.decode(coded.trim()).ok()?).ok()?;
    let (user, _) = plain.split_once(':')?;
    Some(Value::Text(user.to_owned().into()))
}
