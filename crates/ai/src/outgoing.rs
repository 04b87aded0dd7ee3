//! From a client's request to an upstream's: body, request target, headers.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use llm::bridge::{self, Bridge};
use llm::{Dialect, Protocol};
use net::RequestBody;
use plugin::{Ctx, Fault, Say, Whose};
use wire::json::{Edits, Scan};
use wire::percent;

use crate::instance::Instance;
use crate::intake::dialect_for;
use crate::query::{arguments, joined};

/// A request ready to be sent, and what the attempt should remember of it.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) request: Request<RequestBody>,
    pub(crate) path: Arc<str>,
    pub(crate) dialect: Dialect,
    /// Whether a stream is asked for, by the client or by the configuration.
    pub(crate) is_stream: bool,
}

/// Composes the request of one attempt from the client's own body.
///
/// # Errors
/// A client's [`Fault`] when the provider does not speak the dialect or no path is known.
pub(crate) fn compose(ctx: &mut Ctx, instance: &Instance) -> Result<Outgoing, Fault> {
    let client = dialect_for(ctx, instance.provider);
    let bridge = bridge::route(client, instance.provider).map_err(|unsupported| {
        let say = Say::Text(unsupported.to_string());
        Fault::new(Whose::Client, StatusCode::BAD_REQUEST, say)
    })?;
    record_model(ctx, instance);
    let body = body(ctx, instance, bridge);
    let (path, path_and_query) = match (bridge, instance.target(bridge)) {
        (_, Some(target)) => (target.path.clone(), target.path_and_query.clone()),
        (Bridge::Passthrough, None) => passthrough_target(ctx, instance)?,
        (Bridge::Verbatim(_), None) => {
            return Err(no_path(
                "expected override.endpoint with a path, or provider_conf",
            ));
        }
    };
    let method = match bridge {
        Bridge::Verbatim(_) => Method::POST,
        Bridge::Passthrough => ctx.request.method.clone(),
    };
    let mut request = Request::new(match body {
        Some(bytes) => RequestBody::Full(bytes),
        None => RequestBody::Empty,
    });
    *request.headers_mut() = headers(
        ctx,
        instance,
        matches!(request.body(), RequestBody::Full(_)),
    );
    *request.method_mut() = method;
    *request.uri_mut() = Uri::from(path_and_query);
    Ok(Outgoing {
        request,
        path,
        dialect: bridge.target(),
        is_stream: is_stream(ctx, configured(instance, bridge)),
    })
}

/// The configured model, else the client's; recomputed for every attempt.
fn record_model(ctx: &mut Ctx, instance: &Instance) {
    let Some(exchange) = &mut ctx.exchange else {
        return;
    };
    exchange.instance = instance.name.clone();
    exchange.model.clear();
    match &instance.model {
        Some(model) => exchange.model.push_str(model),
        None => exchange.model.push_str(&exchange.request_model),
    }
}

/// What the configuration changes in a body.
fn configured(instance: &Instance, bridge: Bridge) -> &Edits {
    match instance.target(bridge) {
        Some(target) => &target.edits,
        None => &instance.passthrough,
    }
}

fn is_stream(ctx: &Ctx, configured: &Edits) -> bool {
    let exchange = ctx.exchange.as_ref();
    match configured.forced("stream") {
        Some(text) => text == b"true",
        None => exchange.is_some_and(|exchange| exchange.streaming),
    }
}

/// The outgoing bytes: the client's own buffer unless something is changed.
fn body(ctx: &mut Ctx, instance: &Instance, bridge: Bridge) -> Option<Bytes> {
    let scan = ctx.body.scanned()?.clone();
    let protocol = bridge.target().protocol();
    let configured = configured(instance, bridge);
    let mut prepared = Edits::new();
    protocol.prepare(&scan, &mut prepared);
    let outgoing = if prepared.is_empty() {
        configured.apply(&scan)
    } else {
        prepared.extend(configured);
        prepared.apply(&scan)
    };
    let told = ["tools", "user", "safety_identifier", "metadata"];
    if told.iter().any(|member| configured.touches(member)) {
        record_facts(ctx, protocol, &outgoing);
    }
    Some(outgoing)
}

/// Counts tools and finds the end user in a body that the configuration changed there.
fn record_facts(ctx: &mut Ctx, protocol: &dyn Protocol, outgoing: &Bytes) {
    let (Some(exchange), Ok(scan)) = (&mut ctx.exchange, Scan::new(outgoing.clone())) else {
        return;
    };
    let facts = protocol.facts(&scan);
    exchange.tool_count = facts.tool_count;
    exchange.end_user = facts.end_user.unwrap_or_default();
}

/// The path that routes saw, with its own percent codes where they mean the same.
///
/// A slash inside a segment (`%2F`) and bytes that are no text survive only in what the client
/// wrote. What reads differently once decoded is sent as routes saw it.
fn client_path<'c>(written: &str, seen: &'c str) -> Cow<'c, str> {
    if !written.contains('%') {
        return percent::encode_path(seen.as_bytes());
    }
    let mut segments: Vec<String> = Vec::new();
    let mut ends_open = false;
    for segment in written.split('/').skip(1) {
        let decoded = percent::decode(segment);
        ends_open = matches!(&*decoded, b"" | b"." | b"..");
        match &*decoded {
            b"" | b"." => {}
            b".." => drop(segments.pop()),
            other => segments.push(percent::encode_path(other).replace('/', "%2F")),
        }
    }
    if ends_open {
        segments.push(String::new());
    }
    let path = format!("/{}", segments.join("/"));
    if String::from_utf8_lossy(&percent::decode(&path)) == seen {
        Cow::Owned(path)
    } else {
        percent::encode_path(seen.as_bytes())
    }
}

/// The client's own path unless the endpoint has one, and the client's arguments after ours.
fn passthrough_target(ctx: &Ctx, instance: &Instance) -> Result<(Arc<str>, PathAndQuery), Fault> {
    let path = match &instance.path {
        Some(path) => path.clone(),
        None => client_path(ctx.request.uri.path(), &ctx.request.path).into(),
    };
    let theirs: Vec<_> = arguments(ctx.request.uri.query().unwrap_or_default())
        .filter(|given| instance.auth_query.iter().all(|own| own.name != given.name))
        .filter(|given| {
            let mut secret = ctx.secret_arguments.iter();
            secret.all(|name| *name.as_bytes() != *given.name)
        })
        .collect();
    // Equal names: the client beats the endpoint, and the endpoint beats `auth.query`.
    let endpoint = || {
        let lost = |name: &Cow<'_, [u8]>| theirs.iter().any(|given| given.name == *name);
        instance
            .endpoint_query
            .iter()
            .filter(move |own| !lost(&own.name))
    };
    let auth = instance.auth_query.iter().filter(|own| {
        instance
            .endpoint_query
            .iter()
            .all(|other| other.name != own.name)
    });
    let texts = auth
        .chain(endpoint())
        .chain(&theirs)
        .map(|argument| argument.text.as_ref());
    let target = PathAndQuery::try_from(joined(&path, texts))
        .map_err(|_| no_path("expected a path that a request can carry"))?;
    Ok((path, target))
}

fn no_path(expected: &str) -> Fault {
    let say = Say::ErrorMsg(format!("could not resolve upstream path: {expected}"));
    Fault::new(Whose::Client, StatusCode::BAD_REQUEST, say).elsewhere()
}

/// The client's headers, with the configured ones over them.
fn headers(ctx: &Ctx, instance: &Instance, has_body: bool) -> HeaderMap {
    let given = &ctx.request.headers;
    let mut sent = HeaderMap::with_capacity(given.len() + instance.headers.len() + 1);
    for (name, value) in given {
        // Host and length are the upstream's; without `Accept-Encoding` answers come as plain text.
        let ours = [
            header::HOST,
            header::CONTENT_LENGTH,
            header::ACCEPT_ENCODING,
        ];
        // What an auth plugin has read as a credential of this gateway it has marked.
        if !ours.contains(name) && !value.is_sensitive() {
            sent.append(name.clone(), value.clone());
        }
    }
    for (name, value) in &instance.headers {
        sent.insert(name.clone(), value.clone());
    }
    if has_body {
        sent.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
    }
    sent
}
