//! Variables of the AI part of a request; each has a default for requests without one.

use llm::Exchange;

use super::row::Row;
use super::{Ctx, Value};

pub(super) static ROWS: &[Row] = &[
    Row::new("request_type", |ctx| {
        let kind = ctx.exchange.as_deref().map(Exchange::request_type);
        Some(Value::from(kind.unwrap_or("traditional_http")))
    }),
    Row::new("request_llm_model", |ctx| {
        Some(text(ctx, |exchange| &exchange.request_model))
    }),
    Row::new("llm_model", |ctx| {
        Some(text(ctx, |exchange| &exchange.model))
    }),
    Row::new("llm_stream", |ctx| {
        Some(flag(ctx, |exchange| exchange.streaming))
    }),
    Row::new("llm_tool_count", |ctx| {
        Some(count(ctx, |exchange| exchange.tool_count.into()))
    }),
    Row::new("llm_end_user_id", |ctx| {
        Some(text(ctx, |exchange| &exchange.end_user))
    }),
    Row::new("llm_time_to_first_token", |ctx| {
        Some(count(ctx, |exchange| {
            exchange.time_to_first_token_ms.unwrap_or(0)
        }))
    }),
    Row::new("apisix_upstream_response_time", |ctx| {
        // compat: apache/apisix milliseconds for AI requests, seconds for all others
        match &ctx.exchange {
            Some(exchange) => Some(Value::count(
                exchange.upstream_response_time_ms.unwrap_or(0),
            )),
            None => super::upstream::response_times(ctx),
        }
    }),
    Row::new("llm_prompt_tokens", |ctx| {
        Some(count(ctx, |exchange| exchange.usage.prompt_tokens))
    }),
    Row::new("llm_completion_tokens", |ctx| {
        Some(count(ctx, |exchange| exchange.usage.completion_tokens))
    }),
    Row::new("llm_total_tokens", |ctx| {
        Some(count(ctx, |exchange| exchange.usage.total_tokens))
    }),
    Row::new("llm_cache_read_input_tokens", |ctx| {
        Some(count(ctx, |exchange| {
            exchange.usage.cache_read_input_tokens
        }))
    }),
    Row::new("llm_cache_creation_input_tokens", |ctx| {
        Some(count(ctx, |exchange| {
            exchange.usage.cache_creation_input_tokens
        }))
    }),
    Row::new("llm_reasoning_tokens", |ctx| {
        Some(count(ctx, |exchange| exchange.usage.reasoning_tokens))
    }),
    Row::new("llm_has_tool_calls", |ctx| {
        Some(flag(ctx, |exchange| exchange.has_tool_calls))
    }),
    Row::new("llm_content_risk_level", |ctx| {
        Some(text(ctx, |exchange| &exchange.content_risk_level))
    }),
    Row::new("llm_response_text", |ctx| {
        let exchange = ctx.exchange.as_deref()?;
        exchange.text_known.then(|| Value::from(&*exchange.text))
    }),
    Row::new("llm_request_body", |ctx| {
        ctx.exchange.as_deref()?;
        let body = serde_json::from_slice(ctx.body.bytes()?).ok()?;
        Some(Value::json(body))
    }),
    Row::new("rate_limiting_info", |ctx| {
        let allowance = ctx.budget.as_deref()?.allowance.as_ref()?;
        Some(Value::Text(allowance.to_json().into()))
    }),
    Row::new("llm_request_done", |ctx| {
        let done = ctx.exchange.as_deref()?.done;
        done.then(|| Value::from("true"))
    }),
    Row::new("llm_ended", |ctx| Some(Value::from(ctx.exchange_end()?))),
];

fn text(ctx: &Ctx, read: fn(&Exchange) -> &str) -> Value<'_> {
    Value::from(ctx.exchange.as_deref().map_or("", read))
}

fn count(ctx: &Ctx, read: fn(&Exchange) -> u64) -> Value<'_> {
    Value::count(ctx.exchange.as_deref().map_or(0, read))
}

fn flag(ctx: &Ctx, read: fn(&Exchange) -> bool) -> Value<'_> {
    let set = ctx.exchange.as_deref().is_some_and(read);
    Value::from(if set { "true" } else { "false" })
}
