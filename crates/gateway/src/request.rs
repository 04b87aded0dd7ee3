//! One request: from its head to the answer's.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, Uri};
use hyper::body::{Body, Incoming};
use plugin::{ClientRequest, Ctx, Reply, RequestBody};

use crate::connection::Client;
use crate::gateway::Core;
use crate::hygiene;
use crate::panic::Caught;
use crate::phases;
use crate::refusal;
use crate::reply::ReplyStream;
use crate::target;
use crate::visit::Visit;

/// Serves one request of a connection.
///
/// The visit stays outside the future that may panic or wait, so whatever ends the request, its
/// log phase runs once and with everything that is known.
pub(crate) async fn serve(
    client: Arc<Client>,
    request: Request<Incoming>,
) -> Result<Response<ReplyStream>, Infallible> {
    let core = Arc::clone(&client.core);
    let snapshot = core.current.load();
    let wants_upgrade = request.headers().contains_key(header::UPGRADE);
    let (request, body, refusal) = receive(&core, &client, request);
    let consumers = Arc::clone(snapshot.consumers());
    let mut visit = Visit::new(client, Ctx::new(request, body, consumers));
    let reply = if let Some(refusal) = refusal {
        refusal
    } else {
        let (ctx, client) = visit.parts();
        let answer = phases::answer(&snapshot, client, ctx, wants_upgrade);
        Caught::new(answer).await.unwrap_or_else(|_| {
            core.metrics.panic_caught();
            refusal::internal()
        })
    };
    Ok(visit.reply(reply))
}

/// Reads the head. What cannot be served is still received, so that it is logged.
fn receive(
    core: &Core,
    client: &Client,
    request: Request<Incoming>,
) -> (ClientRequest, RequestBody, Option<Reply>) {
    core.metrics.request_received();
    let (mut head, body) = request.into_parts();
    let target = read_target(&head.uri, &mut head.headers);
    hygiene::strip_hop_by_hop(&mut head.headers);
    hygiene::join_cookies(&mut head.headers);
    let (path, host, mut refusal) = match target {
        Ok((path, host)) if head.method != Method::CONNECT => (path, host, None),
        Ok((path, host)) => (
            path,
            host,
            Some(refusal::bad_head("CONNECT is not supported")),
        ),
        Err(fault) => (
            head.uri.path().to_owned(),
            String::new(),
            Some(refusal::bad_head(fault)),
        ),
    };
    let limits = &core.settings.limits;
    let length = body.size_hint().exact();
    if let (Some(limit), Some(length)) = (limits.max_body, length)
        && length > limit
    {
        refusal = Some(refusal::large_body());
    }
    let body = if length == Some(0) {
        RequestBody::full(Bytes::new())
    } else {
        RequestBody::unread(body, limits.body_timeout)
            .bounded(limits.max_body)
            .limit_for_variables(limits.max_condition_body.unwrap_or(u64::MAX))
    };
    let request = ClientRequest {
        id: core.ids.next(),
        method: head.method,
        uri: head.uri,
        path,
        version: head.version,
        headers: head.headers,
        scheme: client.scheme,
        host,
        peer: client.peer,
        local: client.local,
        received: Instant::now(),
        received_at: SystemTime::now(),
        server_name: client.server_name.clone(),
    };
    (request, body, refusal)
}

/// Path and host, each read once. The `Host` header is made to say what was read.
fn read_target(uri: &Uri, headers: &mut http::HeaderMap) -> Result<(String, String), &'static str> {
    if let Some(authority) = uri.authority() {
        let text = authority.as_str();
        if headers.get(header::HOST).is_none_or(|host| host != text) {
            let value = HeaderValue::from_str(text).map_err(|_| "malformed host")?;
            headers.insert(header::HOST, value);
        }
    }
    let host = headers
        .get(header::HOST)
        .map_or(&[][..], HeaderValue::as_bytes);
    let host = target::host(host).ok_or("malformed host")?;
    let path = target::path(uri.path(), false);
    // `*` is the target of an OPTIONS request to the gateway itself: no route can match it.
    let path = path.or_else(|| (uri.path() == "*").then(|| "*".to_owned()));
    Ok((path.ok_or("malformed path")?, host))
}
