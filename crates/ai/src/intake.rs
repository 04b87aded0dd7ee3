//! The first look at a client's request: is it one that a model can be asked?

use bytes::Bytes;
use http::{Method, StatusCode, header};
use llm::{Dialect, Exchange, dialect};
use plugin::{BodyError, Ctx, Fault, Say, Want, Whose};

use crate::limits::Limits;

/// Reads and judges the request, and opens its [`Exchange`].
///
/// A GET, HEAD, DELETE or OPTIONS request without a body is relayed as it is, since that is what
/// clients send first to see who is there.
///
/// # Errors
/// A client's [`Fault`]: not JSON (400), too large (413), empty (400), of no known dialect (400).
pub async fn intake(ctx: &mut Ctx, limits: &Limits) -> Result<(), Fault> {
    let mut exchange = Box::new(Exchange {
        log_summaries: limits.log_summaries,
        log_payloads: limits.log_payloads,
        ..Exchange::default()
    });
    if is_bodiless(ctx) {
        ctx.exchange = Some(exchange);
        return Ok(());
    }
    judge_content_type(ctx)?;
    let body = read(ctx, limits.max_request_bytes).await?;
    if body.is_empty() {
        return Err(refusal(Say::Message(
            "could not get body: expected a JSON object, found an empty body".to_owned(),
        )));
    }
    let scan = ctx.body.scan().map_err(|error| {
        refusal(Say::Message(format!(
            "could not parse JSON request body: {error}"
        )))
    })?;
    let Some(dialect) = dialect::detect(&ctx.request.path, &scan) else {
        return Err(refusal(Say::Text(
            "no AI protocol matches this request: expected a JSON object such as a chat \
             with `messages`, or one with `input`"
                .to_owned(),
        )));
    };
    let facts = dialect.protocol().facts(&scan);
    exchange.dialect = dialect;
    exchange.streaming = facts.stream;
    exchange.request_model = facts.model.unwrap_or_default();
    exchange.tool_count = facts.tool_count;
    exchange.end_user = facts.end_user.unwrap_or_default();
    if limits.log_payloads || ctx.want.has(Want::REQUEST) {
        let content = dialect.protocol().log_content(&scan);
        exchange.request_log = content.map(|content| content.as_text().into());
    }
    ctx.exchange = Some(exchange);
    Ok(())
}

fn is_bodiless(ctx: &Ctx) -> bool {
    let asks = [Method::GET, Method::HEAD, Method::DELETE, Method::OPTIONS];
    asks.contains(&ctx.request.method) && ctx.body.declared_length() == Some(0)
}

fn judge_content_type(ctx: &Ctx) -> Result<(), Fault> {
    let Some(found) = ctx.request.headers.get(header::CONTENT_TYPE) else {
        return Ok(());
    };
    if found.as_bytes().starts_with(b"application/json") {
        return Ok(());
    }
    let found = String::from_utf8_lossy(found.as_bytes());
    Err(refusal(Say::Text(format!(
        "unsupported content-type: expected application/json, found {found}"
    ))))
}

async fn read(ctx: &mut Ctx, limit: u64) -> Result<Bytes, Fault> {
    ctx.body.read(limit).await.map_err(|error| {
        let status = match error {
            BodyError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::Stalled(_) => StatusCode::REQUEST_TIMEOUT,
            BodyError::Broken(_) | BodyError::Taken => StatusCode::BAD_REQUEST,
        };
        Fault::new(
            Whose::Client,
            status,
            Say::Message(format!("could not get body: {error}")),
        )
    })
}

fn refusal(say: Say) -> Fault {
    Fault::new(Whose::Client, StatusCode::BAD_REQUEST, say)
}

/// The dialect under which the request goes to `provider`.
pub(crate) fn dialect_for(ctx: &Ctx, provider: &llm::Provider) -> Dialect {
    let detected = ctx
        .exchange
        .as_ref()
        .map(|exchange| exchange.dialect)
        .unwrap_or_default();
    provider.dialect_at(&ctx.request.path, detected)
}
