//! `prometheus`: counts the requests of a route, a service, or all of them.
//!
//! Source: apache/apisix `apisix/plugins/prometheus.lua`, `apisix/plugins/prometheus/exporter.lua`.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Once;
use std::time::Duration;

use plugin::{AttemptGuard, ConfigError, Ctx, Host, OnLack, Phases, Plugin, Var};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use telemetry::metrics::{
    AttemptObservation, AttemptTimes, HttpObservation, LlmObservation, Metrics, Traffic, Variable,
};
use telemetry::names::Metric;

/// Observes requests and the attempts of AI requests.
#[derive(Debug)]
pub(crate) struct Prometheus {
    prefer_name: bool,
    /// Whether it is part of a global rule, which steps back where the route has one of its own.
    is_global: bool,
    metrics: Metrics,
    /// The variables that the settings add as labels, by name.
    variables: Vec<(String, Var)>,
    disabled_labels: BTreeMap<String, Vec<String>>,
    /// Done by the first request: a configuration that is only checked must change nothing.
    labels_are_set: Once,
}

/// Counts requests with their time and bytes, and AI requests with their tokens, for Prometheus.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Config {
    /// Whether labels show the names of routes and services instead of their ids.
    #[serde(default)]
    prefer_name: bool,
}

/// What applies to all `prometheus` plugins.
#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    disabled_labels: BTreeMap<String, Vec<String>>,
}

// === impl Prometheus ===

impl Plugin for Prometheus {
    const NAME: &'static str = "prometheus";
    const PRIORITY: i32 = 500;
    const VERSION: f64 = 0.2;
    const PHASES: Phases = Phases::LOG.and(Phases::ATTEMPT);
    const ON_LACK: OnLack = OnLack::Skip;
    type Config = Config;

    fn compile(config: Config, host: &Host<'_>) -> Result<Self, ConfigError> {
        let metadata = host.metadata.map(Metadata::deserialize).transpose();
        let metadata = metadata
            .map_err(|error| ConfigError::at("", format!("metadata of prometheus: {error}")))?;
        let extra = Metric::ALL
            .iter()
            .flat_map(|metric| host.metrics.extra_labels(*metric));
        let mut variables: Vec<_> = extra
            .map(|label| (label.variable.clone(), Var::named(&label.variable)))
            .collect();
        variables.dedup_by(|one, other| one.0 == other.0);
        Ok(Self {
            prefer_name: config.prefer_name,
            is_global: host.resource.starts_with("/global_rules/"),
            metrics: host.metrics.clone(),
            variables,
            disabled_labels: metadata.unwrap_or_default().disabled_labels,
            labels_are_set: Once::new(),
        })
    }

    fn metadata_schema() -> Option<Value> {
        Some(disabled_labels_schema())
    }

    fn attempt(&self, ctx: &Ctx) -> Option<AttemptGuard> {
        ctx.exchange.as_ref()?;
        if self.steps_back(ctx) {
            return None;
        }
        self.set_labels();
        let guard = self.metrics.llm_active(&self.traffic(ctx), &|name, out| {
            self.write_variable(ctx, name, out);
        });
        Some(AttemptGuard::new(guard))
    }

    fn log(&self, ctx: &Ctx) {
        if self.steps_back(ctx) {
            return;
        }
        self.set_labels();
        let traffic = self.traffic(ctx);
        let variable = |name: &str, out: &mut String| self.write_variable(ctx, name, out);
        let status = ctx.sent.status.map_or(0, |status| status.as_u16());
        self.metrics.http(&HttpObservation {
            status,
            source: ctx.sent.source.name(),
            request_ms: as_milliseconds(ctx.elapsed()),
            upstream_ms: ctx.upstream_time().map(as_milliseconds),
            ingress_bytes: ctx.request_length(),
            egress_bytes: ctx.reply_length(),
            variable: &variable,
            ..HttpObservation::new(&traffic)
        });
        let Some(exchange) = ctx.exchange.as_deref() else {
            return;
        };
        self.observe_attempts(ctx, &traffic, &variable);
        // An answer came, and the client was not told that it failed.
        let first = exchange.time_to_first_token_ms.filter(|_| status < 400);
        self.metrics.llm(&LlmObservation {
            total_ms: first
                .and(exchange.upstream_response_time_ms)
                .map(milliseconds),
            first_token_ms: first.filter(|_| exchange.streaming).map(milliseconds),
            prompt_tokens: exchange.usage.prompt_tokens,
            completion_tokens: exchange.usage.completion_tokens,
            variable: &variable,
            ..LlmObservation::new(&traffic)
        });
    }
}

impl Prometheus {
    /// Whether another one, nearer to the route, observes this request.
    fn steps_back(&self, ctx: &Ctx) -> bool {
        let mut others = ctx.chains.iter().flat_map(|chain| chain.names());
        self.is_global && others.by_ref().filter(|name| *name == Self::NAME).count() > 1
    }

    fn set_labels(&self) {
        self.labels_are_set
            .call_once(|| self.metrics.set_disabled_labels(&self.disabled_labels));
    }

    /// Counts the attempts of an AI request, and the request by how all of them together ended.
    fn observe_attempts(&self, ctx: &Ctx, traffic: &Traffic<'_>, variable: &Variable<'_>) {
        for attempt in &ctx.attempts {
            let Some(choice) = &attempt.choice else {
                continue;
            };
            let asked = Traffic {
                node: &choice.instance,
                ..*traffic
            };
            self.metrics.llm_attempt(&AttemptObservation {
                traffic: &asked,
                chosen: choice.reason,
                status: attempt.status,
                ended: attempt.ended,
                fault: attempt.fault,
                times: AttemptTimes {
                    connect_ms: attempt.connect.map(as_milliseconds),
                    header_ms: attempt.header.map(as_milliseconds),
                    first_content_ms: attempt.first_content.map(as_milliseconds),
                    total_ms: attempt.response.map(as_milliseconds),
                },
                variable,
            });
        }
        let ended = ctx.exchange_end().unwrap_or_default();
        self.metrics.llm_exchange(traffic, ended, variable);
    }

    fn traffic<'a>(&self, ctx: &'a Ctx) -> Traffic<'a> {
        let mut traffic = Traffic {
            prefer_name: self.prefer_name,
            consumer: ctx
                .consumer
                .as_ref()
                .map_or("", |consumer| &consumer.username),
            ..Traffic::default()
        };
        if let Some(route) = ctx.route.as_deref() {
            traffic.route_id = &route.id;
            traffic.route_name = route.name.as_deref().unwrap_or_default();
            traffic.service_id = route.service_id.as_deref().unwrap_or_default();
            traffic.service_name = route.service_name.as_deref().unwrap_or_default();
            traffic.matched_uri = &route.matched_uri;
            traffic.matched_host = &route.matched_host;
        }
        if let Some(exchange) = ctx.exchange.as_deref() {
            traffic.node = &exchange.instance;
            traffic.request_type = exchange.request_type();
            traffic.request_llm_model = &exchange.request_model;
            traffic.llm_model = &exchange.model;
        } else {
            traffic.node = ctx.attempts.last().map_or("", |attempt| attempt.ip());
            traffic.request_type = "traditional_http";
        }
        traffic
    }

    fn write_variable(&self, ctx: &Ctx, name: &str, out: &mut String) {
        let known = self.variables.iter().find(|(known, _)| known == name);
        if let Some(value) = known.and_then(|(_, variable)| variable.logged(ctx)) {
            value.write(out);
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of one request are far below 2^53"
)]
fn milliseconds(count: u64) -> f64 {
    count as f64
}

fn as_milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The metadata's schema, with the metrics and labels that there are.
fn disabled_labels_schema() -> Value {
    let metrics = Metric::ALL
        .iter()
        .map(|metric| metric.spec())
        .filter(|spec| !spec.ours);
    let properties = metrics.map(|spec| {
        let labels = spec.labels.iter().filter(|label| label.may_be_disabled());
        let labels: Vec<_> = labels.map(|label| label.as_str()).collect();
        let list = serde_json::json!({
            "type": "array",
            "uniqueItems": true,
            "items": { "type": "string", "enum": labels },
        });
        (spec.name.to_owned(), list)
    });
    let properties: serde_json::Map<_, _> = properties
        .filter(|(_, list)| list["items"]["enum"] != serde_json::json!([]))
        .collect();
    serde_json::json!({
        "type": "object",
        "properties": {
            "disabled_labels": {
                "type": "object",
                "description": "Labels that are left empty, by metric.",
                "properties": properties,
                "additionalProperties": false,
            }
        }
    })
}
