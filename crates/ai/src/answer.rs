//! An upstream's answer: judged by its head, and turned into a reply or a fault.

use std::time::Instant;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use http_body::Body;
use llm::{Dialect, Ended};
use net::{Answer, AnswerBody, Coding, DecodedBody};
use plugin::{Ctx, Fault, Reply, ReplyBody, ReplySource, Say, Want, Whose};
use tokio::time::timeout;

use crate::deadline;
use crate::fallback::Terms;
use crate::hold;
use crate::limits::Limits;
use crate::record::{
    Chain, millis, record_end, record_failure, record_length, record_reason, word_for,
};
use crate::relay::Opening;

/// The most bytes that a coded answer unfolds to where nothing else bounds it.
const MOST_DECODED: usize = 64 * 1024 * 1024;

/// The most bytes of an error that are kept for the client.
const MOST_DIVERTED: usize = 8 * 1024 * 1024;

/// How the answer's body reaches the client.
enum Way {
    /// Event by event, while it arrives.
    Events,
    /// Bytes that nobody here can read, while they arrive.
    Raw,
    /// Read to its end first, since usage and size decide what is sent.
    Whole,
}

/// Turns an answer into a reply, as far as its head and what must be read before tell.
///
/// # Errors
/// A [`Fault`] of the upstream when it is none, or of a status that another instance may do better.
pub(crate) async fn judge(
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
    if let Some(fault) = no_answer(ctx, status, &opening) {
        return Err(fault);
    }
    let declared = answer.body.size_hint().exact();
    let body = match opening.dialect {
        // Whoever reads it knows its coding.
        Dialect::Passthrough => answer.body.into(),
        _ => decoded(&mut answer.head.headers, answer.body),
    };
    let headers = relayed_headers(&mut answer.head.headers);
    if let (Some(length), Some(limit)) = (declared, limits.max_response_bytes)
        && length > limit
        && !is_stream(&headers)
    {
        return Err(too_large(ctx, opening.start));
    }
    if status.is_success() {
        opening.looked_at_until = looked_at_until(&opening, terms);
        if is_stream(&headers) {
            let within = limits.deadlines.first_content;
            opening.content_by = within.and_then(|within| opening.start.checked_add(within));
        }
    }
    let body = match way(&headers, &opening, declared, limits) {
        Way::Whole => whole_reply(ctx, body, &headers, status, &mut opening, limits).await?,
        way @ (Way::Events | Way::Raw) => {
            let events = matches!(way, Way::Events);
            let relay = deadline::open(ctx, body, opening, events, limits).await?;
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

/// What an answer is that cannot be one: of a status that says that more is to come, or that there
/// is no body where a body was asked for.
fn no_answer(ctx: &mut Ctx, status: StatusCode, opening: &Opening) -> Option<Fault> {
    let has_no_body = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let word = if status.is_informational() {
        "protocol"
    } else if has_no_body && opening.dialect != Dialect::Passthrough {
        "no_body"
    } else {
        return None;
    };
    record_failure(ctx, opening.start.elapsed(), word);
    let say = Say::ErrorMsg(format!("the upstream answered {status}, expected a body"));
    let fault = Fault::new(Whose::Upstream, StatusCode::INTERNAL_SERVER_ERROR, say);
    Some(fault.elsewhere())
}

/// The body without its coding, which then is not told any more; an unknown one stays as it is.
fn decoded(headers: &mut HeaderMap, body: AnswerBody) -> DecodedBody {
    let Some(coding) = Coding::of(headers) else {
        return body.into();
    };
    headers.remove(header::CONTENT_ENCODING);
    DecodedBody::new(body, coding)
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

/// Reads an answer whole, and gives it up when it is broken and another instance may be asked.
async fn whole_reply(
    ctx: &mut Ctx,
    body: DecodedBody,
    headers: &HeaderMap,
    status: StatusCode,
    opening: &mut Opening,
    limits: &Limits,
) -> Result<ReplyBody, Fault> {
    let bytes = whole(ctx, body, opening, limits).await?;
    if let Some(turn) = opening.turn.as_mut().filter(|_| status.is_success()) {
        turn.answered();
    }
    if opening.is_looked_at()
        && !is_coded(headers)
        && let Some((word, fault)) = hold::broken_answer(&bytes)
    {
        record_failure(ctx, opening.start.elapsed(), word);
        return Err(fault);
    }
    Ok(if ctx.request.method == Method::HEAD {
        // There never was a body whose length could be told.
        ReplyBody::Empty
    } else {
        ReplyBody::Full(bytes)
    })
}

/// Reads a JSON answer whole and takes usage, text and flags from it.
async fn whole(
    ctx: &mut Ctx,
    body: DecodedBody,
    opening: &Opening,
    limits: &Limits,
) -> Result<Bytes, Fault> {
    let most = match body {
        DecodedBody::Plain(_) => usize::MAX,
        DecodedBody::Coded(_) => MOST_DECODED,
    };
    let limit = limits
        .max_response_bytes
        .map_or(most, |limit| usize::try_from(limit).unwrap_or(most));
    let bytes = match body.read_whole(limit).await {
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
    let status = answer.head.status;
    let limit = limits
        .max_response_bytes
        .and_then(|limit| usize::try_from(limit).ok());
    answer.body.forbid_reuse();
    let body = decoded(&mut answer.head.headers, answer.body);
    let read = body.read_whole(limit.unwrap_or(MOST_DIVERTED).min(MOST_DIVERTED));
    // The status is the news: a body that cannot be read, or that drips, leaves it without details.
    let read = timeout(limits.timeout, read).await;
    let bytes = read.ok().and_then(Result::ok).flatten().unwrap_or_default();
    let elapsed = start.elapsed();
    if let Some(exchange) = &mut ctx.exchange {
        exchange.time_to_first_token_ms = Some(millis(elapsed));
    }
    record_length(ctx, bytes.len() as u64);
    record_failure(ctx, elapsed, "status");
    let mut headers = relayed_headers(&mut answer.head.headers);
    let kind = headers.remove(header::CONTENT_TYPE);
    let fault = Fault::new(Whose::Upstream, status, Say::Raw(bytes, kind)).elsewhere();
    match headers.remove(header::CONTENT_ENCODING) {
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

fn too_large(ctx: &mut Ctx, start: Instant) -> Fault {
    record_end(ctx, start.elapsed(), Ended::SizeLimit);
    let say = Say::Text("max_response_bytes exceeded".to_owned());
    Fault::new(Whose::Upstream, StatusCode::BAD_GATEWAY, say).elsewhere()
}
