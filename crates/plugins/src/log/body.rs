//! Bodies in log entries: the fields that every logger has for them.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::{MultiGzDecoder, ZlibDecoder};
use http::{HeaderValue, header};
use plugin::{Collector, ConfigError, Ctx, Expr, Flow, Step};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

/// Which bodies a logger adds to its entries.
#[derive(Deserialize, JsonSchema)]
pub(super) struct BodySettings {
    /// Whether the entry has the client's body.
    #[serde(default)]
    include_req_body: bool,
    /// The client's body is logged only for requests that match this expression.
    #[schemars(length(min = 1))]
    include_req_body_expr: Option<Vec<Vec<Value>>>,
    /// Whether the entry has the body of the answer.
    #[serde(default)]
    include_resp_body: bool,
    /// The answer's body is logged only for requests that match this expression.
    #[schemars(length(min = 1))]
    include_resp_body_expr: Option<Vec<Vec<Value>>>,
    /// Bytes of the client's body that are logged at most.
    #[serde(default = "default_limit")]
    #[schemars(range(min = 1))]
    max_req_body_bytes: u64,
    /// Bytes of the answer's body that are logged at most.
    #[serde(default = "default_limit")]
    #[schemars(range(min = 1))]
    max_resp_body_bytes: u64,
}

/// The bodies of one logger, ready to be collected.
#[derive(Debug)]
pub(super) struct Bodies {
    request: Option<RequestPart>,
    response: Option<Collector>,
    response_limit: usize,
}

#[derive(Debug)]
struct RequestPart {
    limit: usize,
    condition: Option<Expr>,
}

fn default_limit() -> u64 {
    524_288
}

// === impl BodySettings ===

impl BodySettings {
    pub(super) fn compile(self) -> Result<Bodies, ConfigError> {
        let of_request = condition("include_req_body_expr", self.include_req_body_expr)?;
        let of_response = condition("include_resp_body_expr", self.include_resp_body_expr)?;
        let request = self.include_req_body.then(|| RequestPart {
            limit: bytes(self.max_req_body_bytes),
            condition: of_request,
        });
        let response = self
            .include_resp_body
            .then(|| Collector::new(bytes(self.max_resp_body_bytes), of_response));
        Ok(Bodies {
            request,
            response,
            response_limit: bytes(self.max_resp_body_bytes),
        })
    }
}

fn bytes(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// Compiles an expression in the field `name`.
pub(super) fn expression(name: &str, rules: Vec<Value>) -> Result<Expr, ConfigError> {
    Expr::compile(&Value::Array(rules)).map_err(|error| {
        ConfigError::at(
            format!("/{name}"),
            format!("failed to validate the '{name}' expression: {error}"),
        )
    })
}

fn condition(name: &str, rules: Option<Vec<Vec<Value>>>) -> Result<Option<Expr>, ConfigError> {
    let Some(rules) = rules else { return Ok(None) };
    let rules = rules.into_iter().map(Value::Array).collect();
    expression(name, rules).map(Some)
}

// === impl Bodies ===

impl Bodies {
    /// Whether the client's body may be wanted.
    pub(super) fn has_request(&self) -> bool {
        self.request.is_some()
    }

    /// What collects the answer's body.
    pub(super) fn response(&self) -> Option<&Collector> {
        self.response.as_ref()
    }

    /// Whether the client's body must be read for this request.
    pub(super) fn wants_request(&self, ctx: &Ctx) -> bool {
        self.request.as_ref().is_some_and(|part| part.applies(ctx))
    }

    /// The client's body as far as it is logged.
    pub(super) fn request_bytes<'a>(&self, ctx: &'a Ctx) -> Option<&'a [u8]> {
        let part = self.request.as_ref().filter(|part| part.applies(ctx))?;
        let bytes = ctx.body.bytes()?;
        Some(bytes.get(..part.limit).unwrap_or(bytes))
    }

    /// The answer's body as far as it was collected, unpacked where its coding is known.
    pub(super) fn response_bytes<'a>(&self, ctx: &'a Ctx) -> Option<Cow<'a, [u8]>> {
        let sent = self.response.as_ref()?.bytes(ctx)?;
        let coding = ctx.sent.headers.get(header::CONTENT_ENCODING);
        let coding = coding.map_or(&b""[..], HeaderValue::as_bytes);
        Some(unpacked(coding, sent, self.response_limit))
    }
}

/// At most `limit` bytes of what `sent` stands for; `sent` itself when that cannot be told.
fn unpacked<'a>(coding: &[u8], sent: &'a [u8], limit: usize) -> Cow<'a, [u8]> {
    let reader: Box<dyn Read> = match coding {
        b"gzip" | b"x-gzip" => Box::new(MultiGzDecoder::new(sent)),
        b"deflate" => Box::new(ZlibDecoder::new(sent)),
        _ => return Cow::Borrowed(sent),
    };
    let mut plain = Vec::new();
    // What was collected may end early: then it is told as far as it goes.
    let outcome = reader.take(limit as u64).read_to_end(&mut plain);
    if outcome.is_err() && plain.is_empty() {
        return Cow::Borrowed(sent);
    }
    Cow::Owned(plain)
}

/// Reads the client's body, so that it is there when the request is logged.
pub(super) fn read(ctx: &mut Ctx) -> Step<'_> {
    if ctx.body.bytes().is_some() {
        return Step::NEXT;
    }
    Step::wait(async {
        ctx.body.read_for_variables().await?;
        Ok(Flow::Next)
    })
}

// === impl RequestPart ===

impl RequestPart {
    fn applies(&self, ctx: &Ctx) -> bool {
        let condition = self.condition.as_ref();
        condition.is_none_or(|condition| condition.matches_now(ctx))
    }
}
