//! What is observed of a request, as plain values.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use super::Metrics;
use super::family::Series;
use crate::names::{Label, Metric};

/// Writes the value of a variable, given without `$`; writes nothing when it has none.
pub type Variable<'a> = dyn Fn(&str, &mut String) + 'a;

/// Whose request it is: the values of the labels.
#[derive(Clone, Copy, Debug, Default)]
pub struct Traffic<'a> {
    /// Whether labels carry names where there are names (`prefer_name`).
    pub prefer_name: bool,
    /// The route's id.
    pub route_id: &'a str,
    /// The route's name, or nothing.
    pub route_name: &'a str,
    /// The service's id, or nothing.
    pub service_id: &'a str,
    /// The service's name, or nothing.
    pub service_name: &'a str,
    /// The pattern that matched the path.
    pub matched_uri: &'a str,
    /// The pattern that matched the host.
    pub matched_host: &'a str,
    /// The consumer's name.
    pub consumer: &'a str,
    /// The instance's name for AI traffic, else the upstream's address.
    pub node: &'a str,
    /// `traditional_http`, `ai_chat` or `ai_stream`.
    pub request_type: &'a str,
    /// The model that the client named.
    pub request_llm_model: &'a str,
    /// The model that was asked.
    pub llm_model: &'a str,
}

/// One finished request of any kind.
#[derive(Clone, Copy)]
pub struct HttpObservation<'a> {
    /// Whose request it was.
    pub traffic: &'a Traffic<'a>,
    /// The status that the client got.
    pub status: u16,
    /// Who made the answer: `apisix`, `upstream` or `nginx`.
    pub source: &'a str,
    /// The whole time, in milliseconds.
    pub request_ms: f64,
    /// The upstream's part, in milliseconds, if there was an upstream.
    pub upstream_ms: Option<f64>,
    /// Bytes received from the client.
    pub ingress_bytes: u64,
    /// Bytes sent to the client.
    pub egress_bytes: u64,
    /// Resolves the variables of extra labels.
    pub variable: &'a Variable<'a>,
}

/// One finished AI request.
#[derive(Clone, Copy)]
pub struct LlmObservation<'a> {
    /// Whose request it was.
    pub traffic: &'a Traffic<'a>,
    /// Total time in milliseconds, if an answer came and its status was below 400.
    pub total_ms: Option<f64>,
    /// Time to the first token in milliseconds, of streams, under the same conditions.
    pub first_token_ms: Option<f64>,
    /// Tokens of the prompt; 0 if unknown.
    pub prompt_tokens: u64,
    /// Tokens of the completion; 0 if unknown.
    pub completion_tokens: u64,
    /// Resolves the variables of extra labels.
    pub variable: &'a Variable<'a>,
}

/// Counts one attempt as in flight until it is dropped.
#[derive(Debug)]
pub struct ActiveGuard {
    series: Option<Arc<Series>>,
}

const NO_VARIABLE: &Variable<'static> = &|_, _| {};

// === impl Traffic ===

impl Traffic<'_> {
    pub(super) fn write(&self, label: Label, out: &mut String) {
        out.push_str(match label {
            Label::Route | Label::RouteId => self.preferred(self.route_id, self.route_name),
            Label::Service | Label::ServiceId => self.preferred(self.service_id, self.service_name),
            Label::MatchedUri => self.matched_uri,
            Label::MatchedHost => self.matched_host,
            Label::Consumer => self.consumer,
            Label::Node => self.node,
            Label::RequestType => self.request_type,
            Label::RequestLlmModel => self.request_llm_model,
            Label::LlmModel => self.llm_model,
            _ => "",
        });
    }

    fn preferred<'a>(&self, id: &'a str, name: &'a str) -> &'a str {
        if self.prefer_name && !name.is_empty() {
            name
        } else {
            id
        }
    }
}

// === impl HttpObservation ===

impl<'a> HttpObservation<'a> {
    /// An observation with nothing in it but whose request it was.
    pub fn new(traffic: &'a Traffic<'a>) -> Self {
        Self {
            traffic,
            status: 0,
            source: "",
            request_ms: 0.0,
            upstream_ms: None,
            ingress_bytes: 0,
            egress_bytes: 0,
            variable: NO_VARIABLE,
        }
    }
}

impl fmt::Debug for HttpObservation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpObservation")
            .field("traffic", self.traffic)
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

// === impl LlmObservation ===

impl<'a> LlmObservation<'a> {
    /// An observation with nothing in it but whose request it was.
    pub fn new(traffic: &'a Traffic<'a>) -> Self {
        Self {
            traffic,
            total_ms: None,
            first_token_ms: None,
            prompt_tokens: 0,
            completion_tokens: 0,
            variable: NO_VARIABLE,
        }
    }
}

impl fmt::Debug for LlmObservation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LlmObservation")
            .field("traffic", self.traffic)
            .field("prompt_tokens", &self.prompt_tokens)
            .field("completion_tokens", &self.completion_tokens)
            .finish_non_exhaustive()
    }
}

// === impl ActiveGuard ===

impl Drop for ActiveGuard {
    fn drop(&mut self) {
        if let Some(series) = &self.series {
            series.change(-1);
        }
    }
}

// === impl Metrics ===

impl Metrics {
    /// Counts a finished request.
    pub fn http(&self, seen: &HttpObservation<'_>) {
        let status = |_: usize, label: Label, out: &mut String| match label {
            Label::Code => _ = write!(out, "{}", seen.status),
            Label::ResponseSource => out.push_str(seen.source),
            label => seen.traffic.write(label, out),
        };
        if let Some(series) = self.series(Metric::HttpStatus, &status, seen.variable) {
            series.add(1);
        }
        let gateway_ms = seen.request_ms - seen.upstream_ms.unwrap_or_default();
        self.timed(seen, "request", Some(seen.request_ms));
        self.timed(seen, "upstream", seen.upstream_ms);
        self.timed(seen, "apisix", Some(gateway_ms.max(0.0)));
        self.sized(seen, "ingress", seen.ingress_bytes);
        self.sized(seen, "egress", seen.egress_bytes);
    }

    /// Counts a finished AI request.
    pub fn llm(&self, seen: &LlmObservation<'_>) {
        for (kind, value) in [("total", seen.total_ms), ("ttft", seen.first_token_ms)] {
            let Some(value) = value else { continue };
            let labels = typed(seen.traffic, kind);
            if let Some(series) = self.series(Metric::LlmLatency, &labels, seen.variable) {
                series.observe(value);
            }
        }
        let labels = |_: usize, label: Label, out: &mut String| seen.traffic.write(label, out);
        for (count, total, distribution) in [
            (
                seen.prompt_tokens,
                Metric::LlmPromptTokens,
                Metric::LlmPromptTokensDist,
            ),
            (
                seen.completion_tokens,
                Metric::LlmCompletionTokens,
                Metric::LlmCompletionTokensDist,
            ),
        ] {
            if let Some(series) = self.series(total, &labels, seen.variable) {
                series.add(count);
            }
            if let Some(series) = self.series(distribution, &labels, seen.variable) {
                series.observe(as_f64(count));
            }
        }
    }

    /// Counts an attempt as in flight until the guard is dropped, whatever happens meanwhile.
    pub fn llm_active(&self, traffic: &Traffic<'_>, variable: &Variable<'_>) -> ActiveGuard {
        // compat: apache/apisix in this metric alone names stand beside ids, whatever `prefer_name` says
        let labels = |_: usize, label: Label, out: &mut String| match label {
            Label::Route => out.push_str(traffic.route_name),
            Label::RouteId => out.push_str(traffic.route_id),
            Label::Service => out.push_str(traffic.service_name),
            Label::ServiceId => out.push_str(traffic.service_id),
            label => traffic.write(label, out),
        };
        let series = self.series(Metric::LlmActiveConnections, &labels, variable);
        if let Some(series) = &series {
            series.change(1);
        }
        ActiveGuard { series }
    }

    fn timed(&self, seen: &HttpObservation<'_>, kind: &str, value: Option<f64>) {
        let Some(value) = value else { return };
        let labels = typed(seen.traffic, kind);
        if let Some(series) = self.series(Metric::HttpLatency, &labels, seen.variable) {
            series.observe(value);
        }
    }

    fn sized(&self, seen: &HttpObservation<'_>, kind: &str, bytes: u64) {
        let labels = typed(seen.traffic, kind);
        if let Some(series) = self.series(Metric::Bandwidth, &labels, seen.variable) {
            series.add(bytes);
        }
    }
}

/// The labels of a metric that has a `type`.
fn typed<'a>(traffic: &'a Traffic<'a>, kind: &'a str) -> impl Fn(usize, Label, &mut String) + 'a {
    move |_, label, out| match label {
        Label::Type => out.push_str(kind),
        label => traffic.write(label, out),
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a token count beyond 2^53 does not occur, and a histogram is not exact anyway"
)]
fn as_f64(count: u64) -> f64 {
    count as f64
}
