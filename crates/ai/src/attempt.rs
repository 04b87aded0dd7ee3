//! One upstream call: sent, judged, and turned into an answer or a fault.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body::Body;
use llm::{Dialect, Ended};
use net::{Answer, Origin};
use plugin::{
    Attempt, AttemptGuard, Choice, Ctx, Fault, Phases, Reply, ReplyBody, ReplySource, Say, Want,
    Whose,
};
use smallvec::SmallVec;
use wire::json::Raw;

use crate::deadline::{self, Unanswered};
use crate::fallback::Terms;
use crate::hold;
use crate::instance::{Instance, Lack, Upstream};
use crate::limits::Limits;
use crate::outgoing::{Outgoing, compose};
use crate::record::{
    Chain, millis, record_end, record_failure, record_head, record_length, record_reason,
    record_start, status_of, word_for,
};
use crate::relay::Opening;
use crate::sign::TokenError;

/// Held while an attempt is in flight.
pub(crate) type Guards = SmallVec<[AttemptGuard; 1]>;

/// How the answer's body reaches the client.
enum Way {
    /// Event by event, while it arrives.
    Events,
    /// Bytes that nobody here can read, while they arrive.
    Raw,
    /// Read to its end first, since usage and size decide what is sent.
    Whole,
}

/// Asks `instance` what the client asked; a stream is cut at `total`.
///
/// # Errors
/// A [`Fault`]; [`Fault::retry`] tells whether another instance may be asked. Nothing has reached
/// the client then.
pub(crate) async fn attempt(
    ctx: &mut Ctx,
    instance: &Instance,
    choice: Choice,
    terms: &Terms,
    total: Option<Instant>,
) -> Result<Reply, Fault> {
    let Outgoing {
        mut request,
        path,
        dialect,
        is_stream,
    } = compose(ctx, instance)?;
    if let Some(lack) = &instance.lack {
        return Err(lacking(ctx, instance, choice, lack));
    }
    let Some(upstream) = &instance.upstream else {
        return Err(no_host(ctx, instance, choice));
    };
    let begun = begin(ctx, upstream, path, choice);
    if let Some(gcp) = &instance.gcp {
        let bearer = gcp.bearer().await;
        let bearer = bearer.map_err(|error| no_token(ctx, begun, &error))?;
        request.headers_mut().insert(header::AUTHORIZATION, bearer);
    }
    let opening = Opening {
        dialect,
        guards: guards(ctx),
        turn: instance.turn(ctx),
        start: Instant::now(),
        looked_at_until: None,
        content_by: None,
        total,
    };
    // Waiting for a token is no part of the upstream's time.
    let start = opening.start;
    record_start(ctx, start);
    let asked = (request, is_stream);
    let origin = target(ctx, instance, upstream);
    match deadline::send(ctx, &origin, asked, &terms.limits).await {
        Err(unanswered) => Err(unreached(ctx, &unanswered, start)),
        Ok(answer) => {
            record_head(ctx, &answer, start);
            judge(ctx, answer, opening, terms).await
        }
    }
}

/// The origin of an attempt, with the addresses that it may go to when the instance is probed.
fn target<'i>(ctx: &mut Ctx, instance: &Instance, upstream: &'i Upstream) -> Cow<'i, Origin> {
    let Some(peers) = instance.peers() else {
        return Cow::Borrowed(&*upstream.origin);
    };
    if let Some(attempt) = ctx.attempts.last_mut() {
        attempt.steered = true;
    }
    Cow::Owned(upstream.origin.at(peers))
}

/// Opens the record of an attempt, and tells when.
fn begin(ctx: &mut Ctx, upstream: &Upstream, path: Arc<str>, choice: Choice) -> Instant {
    let begun = Instant::now();
    ctx.attempts.push(Attempt {
        address: upstream.address.clone(),
        start: Some(begun),
        host: upstream.host.clone(),
        scheme: upstream.origin.scheme().as_str(),
        path,
        choice: Some(choice),
        ..Attempt::default()
    });
    begun
}

fn guards(ctx: &mut Ctx) -> Guards {
    if !ctx.chains.iter().any(|chain| chain.has(Phases::ATTEMPT)) {
        return Guards::new();
    }
    let chains = ctx.chains.clone();
    chains.iter().flat_map(|chain| chain.attempt(ctx)).collect()
}

async fn judge(
    ctx: &mut Ctx,
    mut answer: Answer,
    mut opening: Opening,
    terms: &Terms,
) -> Result<Reply, Fault> {
    let limits = &terms.limits;
    let status = answer.head.status;
    let is_failure = status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
    if is_failure || terms.fallback.lists(status) {
        return Err(diverted(ctx, answer, opening.start, limits).await);
    }
    let declared = answer.body.size_hint().exact();
    if let (Some(length), Some(limit)) = (declared, limits.max_response_bytes)
        && length > limit
    {
        return Err(too_large(ctx, opening.start));
    }
    let headers = relayed_headers(&mut answer.head.headers);
    if status.is_success() {
        opening.looked_at_until = looked_at_until(&opening, terms);
    }
    let way = way(&headers, &opening, declared, limits);
    if status.is_success() && is_stream(&headers) {
        let within = limits.deadlines.first_content;
        opening.content_by = within.and_then(|within| opening.start.checked_add(within));
    }
    let body = match way {
        Way::Whole => {
            let bytes = whole(ctx, answer, &opening, limits).await?;
            if let Some(turn) = opening.turn.as_mut().filter(|_| status.is_success()) {
                turn.answered();
            }
            if opening.is_looked_at() && !is_coded(&headers) && Raw::parse(&bytes).is_err() {
                record_failure(ctx, opening.start.elapsed(), "not_json");
                return Err(hold::no_json());
            }
            if ctx.request.method == Method::HEAD {
                // There never was a body whose length could be told.
                ReplyBody::Empty
            } else {
                ReplyBody::Full(bytes)
            }
        }
        Way::Events | Way::Raw => {
            let events = matches!(way, Way::Events);
            let relay = deadline::open(ctx, answer.body, opening, events, limits).await?;
            ReplyBody::Relay(Box::new(relay))
        }
    };
    Ok(Reply {
        status,
        headers,
        body,
        source: ReplySource::Upstream,
    })
}

/// Until when an answer is looked at before the client sees it, since another instance could still
/// give a better one.
fn looked_at_until(opening: &Opening, terms: &Terms) -> Option<Instant> {
    if opening.dialect == Dialect::Passthrough || !terms.fallback.replaces_broken_answers() {
        return None;
    }
    let silence = Instant::now() + terms.limits.timeout;
    let within = terms.fallback.within.map(|within| opening.start + within);
    Some(within.map_or(silence, |within| within.min(silence)))
}

fn way(headers: &HeaderMap, opening: &Opening, declared: Option<u64>, limits: &Limits) -> Way {
    let is_coded = is_coded(headers);
    if is_stream(headers) {
        return if is_coded { Way::Raw } else { Way::Events };
    }
    let is_unread =
        (is_coded && opening.looked_at_until.is_none()) || opening.dialect == Dialect::Passthrough;
    // Under a size limit the whole is read first, so that an answer is never cut in the middle.
    if is_unread && declared != Some(0) && limits.max_response_bytes.is_none() {
        return Way::Raw;
    }
    Way::Whole
}

fn is_stream(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE);
    let kind = kind.map_or(&b""[..], HeaderValue::as_bytes);
    memchr::memmem::find(kind, b"text/event-stream").is_some()
}

fn is_coded(headers: &HeaderMap) -> bool {
    headers.contains_key(header::CONTENT_ENCODING)
}

/// What is to be decoded of the answer.
pub(crate) fn wanted(ctx: &Ctx, limits: &Limits) -> llm::Want {
    llm::Want {
        text: limits.log_payloads || ctx.want.has(Want::TEXT),
        raw_usage: ctx.want.has(Want::RAW_USAGE),
    }
}

/// Reads a JSON answer whole and takes usage, text and flags from it.
async fn whole(
    ctx: &mut Ctx,
    answer: Answer,
    opening: &Opening,
    limits: &Limits,
) -> Result<Bytes, Fault> {
    let limit = limits
        .max_response_bytes
        .and_then(|limit| usize::try_from(limit).ok());
    let bytes = match answer.body.read_whole(limit.unwrap_or(usize::MAX)).await {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Err(too_large(ctx, opening.start)),
        Err(error) => {
            record_end(ctx, opening.start.elapsed(), Ended::ReadError);
            record_reason(ctx, word_for(&error));
            let say = Say::Text(format!("could not read the upstream's answer: {error}"));
            let fault = Fault::new(Whose::Upstream, StatusCode::INTERNAL_SERVER_ERROR, say);
            return Err(fault.because(Chain(&error)).elsewhere());
        }
    };
    let elapsed = opening.start.elapsed();
    let want = wanted(ctx, limits);
    let reading = opening.dialect.protocol().read(&bytes, want);
    if let Some(exchange) = &mut ctx.exchange {
        exchange.usage = reading.usage.unwrap_or_default();
        exchange.raw_usage = reading.raw_usage;
        exchange.has_tool_calls = reading.has_tool_calls;
        exchange.text_known = reading.text.is_some();
        exchange.text = reading.text.unwrap_or_default();
        exchange.time_to_first_token_ms = Some(millis(elapsed));
    }
    record_length(ctx, bytes.len() as u64);
    record_end(ctx, elapsed, Ended::Complete);
    Ok(bytes)
}

/// An answer of a status that another instance may do better: its bytes are kept for the client.
async fn diverted(ctx: &mut Ctx, mut answer: Answer, start: Instant, limits: &Limits) -> Fault {
    const MOST: usize = 8 * 1024 * 1024;
    let status = answer.head.status;
    let kind = answer.head.headers.remove(header::CONTENT_TYPE);
    let coding = answer.head.headers.remove(header::CONTENT_ENCODING);
    let limit = limits
        .max_response_bytes
        .and_then(|limit| usize::try_from(limit).ok());
    answer.body.forbid_reuse();
    let read = answer
        .body
        .read_whole(limit.unwrap_or(MOST).min(MOST))
        .await;
    // The status is the news; a body that cannot be read leaves it without details.
    let bytes = read.ok().flatten().unwrap_or_default();
    let elapsed = start.elapsed();
    if let Some(exchange) = &mut ctx.exchange {
        exchange.time_to_first_token_ms = Some(millis(elapsed));
    }
    record_length(ctx, bytes.len() as u64);
    record_failure(ctx, elapsed, "status");
    let fault = Fault::new(Whose::Upstream, status, Say::Raw(bytes, kind)).elsewhere();
    match coding {
        Some(coding) => fault.header(header::CONTENT_ENCODING, coding),
        None => fault,
    }
}

/// The only headers that pass back: what the bytes are, and how they are coded.
fn relayed_headers(upstream: &mut HeaderMap) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(4);
    for name in [header::CONTENT_TYPE, header::CONTENT_ENCODING] {
        if let Some(value) = upstream.remove(&name) {
            headers.insert(name, value);
        }
    }
    headers
}

fn no_host(ctx: &mut Ctx, instance: &Instance, choice: Choice) -> Fault {
    ctx.attempts.push(Attempt {
        address: "-".into(),
        choice: Some(choice),
        status: Some(StatusCode::INTERNAL_SERVER_ERROR.as_u16()),
        ended: "no_host",
        ..Attempt::default()
    });
    let say = Say::ErrorMsg(format!(
        "no upstream host: provider {} has none of its own, expected override.endpoint",
        instance.provider.name
    ));
    Fault::new(Whose::Gateway, StatusCode::INTERNAL_SERVER_ERROR, say).elsewhere()
}

fn lacking(ctx: &mut Ctx, instance: &Instance, choice: Choice, lack: &Lack) -> Fault {
    let host = instance.upstream.as_ref().map(|upstream| &upstream.host);
    ctx.attempts.push(Attempt {
        address: "-".into(),
        host: host.cloned().unwrap_or_default(),
        choice: Some(choice),
        status: Some(StatusCode::INTERNAL_SERVER_ERROR.as_u16()),
        ended: lack.word(),
        ..Attempt::default()
    });
    let say = Say::ErrorMsg(lack.told().to_owned());
    let fault = Fault::new(Whose::Gateway, StatusCode::INTERNAL_SERVER_ERROR, say);
    fault.because(lack).elsewhere()
}

fn no_token(ctx: &mut Ctx, begun: Instant, error: &TokenError) -> Fault {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    if let Some(attempt) = ctx.attempts.last_mut() {
        // The upstream itself was not asked.
        attempt.address = "-".into();
        attempt.status = Some(status.as_u16());
    }
    record_failure(ctx, begun.elapsed(), "credential");
    let say = Say::ErrorMsg(error.to_string());
    let fault = Fault::new(Whose::Gateway, status, say).elsewhere();
    match error.cause() {
        Some(cause) => fault.because(cause),
        None => fault,
    }
}

fn unreached(ctx: &mut Ctx, unanswered: &Unanswered, start: Instant) -> Fault {
    let Unanswered { error, word } = unanswered;
    let status = status_of(error);
    if let Some(attempt) = ctx.attempts.last_mut() {
        attempt.status = Some(status.as_u16());
    }
    record_failure(ctx, start.elapsed(), word);
    // No answer arrived, so this one is the gateway's own.
    Fault::new(Whose::Gateway, status, Say::ErrorMsg(error.to_string()))
        .because(Chain(error))
        .elsewhere()
}

fn too_large(ctx: &mut Ctx, start: Instant) -> Fault {
    record_end(ctx, start.elapsed(), Ended::SizeLimit);
    let say = Say::Text("max_response_bytes exceeded".to_owned());
    Fault::new(Whose::Upstream, StatusCode::BAD_GATEWAY, say).elsewhere()
}
