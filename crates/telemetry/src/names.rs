//! Every metric and label name in one place.
//!
//! Source: apache/apisix `apisix/plugins/prometheus/exporter.lua` fixes the names, the label order
//! and the bucket bounds of all metrics with the configurable prefix; those with the prefix
//! `tollgate_`, and those of attempts, exchanges and breakers, are this gateway's own. `promtool check metrics` reads the result without error; its
//! advice on `_total` suffixes concerns names that APISIX has fixed.

use Label::{
    Chosen, Code, Consumer, Ended, Fault, Hostname, Ip, LlmModel, MatchedHost, MatchedUri, Name,
    Node, Port, RequestLlmModel, RequestType, Resource, ResponseSource, Route, RouteId, Service,
    ServiceId, State, Status, Target, Type, Version,
};

/// The default value of the configurable name prefix.
pub const DEFAULT_PREFIX: &str = "apisix_";

/// Upper bounds of the latency histograms, in milliseconds.
pub const LATENCY_BUCKETS: &[f64] = &[
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0, 10000.0, 30000.0,
    60000.0,
];

/// Upper bounds of the token histograms, in tokens.
pub const TOKEN_BUCKETS: &[f64] = &[
    1.0,
    10.0,
    50.0,
    100.0,
    200.0,
    500.0,
    1000.0,
    2000.0,
    5000.0,
    10000.0,
    20000.0,
    50000.0,
    100_000.0,
    200_000.0,
    500_000.0,
    1_000_000.0,
];

/// A label name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant is the label of the same name")]
pub enum Label {
    Chosen,
    Code,
    Consumer,
    Ended,
    Fault,
    Hostname,
    Ip,
    LlmModel,
    MatchedHost,
    MatchedUri,
    Metric,
    Name,
    Node,
    Port,
    RequestLlmModel,
    RequestType,
    Resource,
    ResponseSource,
    Route,
    RouteId,
    Service,
    ServiceId,
    State,
    Status,
    Target,
    Type,
    Version,
}

impl Label {
    /// The name as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Chosen => "chosen",
            Self::Code => "code",
            Self::Consumer => "consumer",
            Self::Ended => "ended",
            Self::Fault => "fault",
            Self::Hostname => "hostname",
            Self::Ip => "ip",
            Self::LlmModel => "llm_model",
            Self::MatchedHost => "matched_host",
            Self::MatchedUri => "matched_uri",
            Self::Metric => "metric",
            Self::Name => "name",
            Self::Node => "node",
            Self::Port => "port",
            Self::RequestLlmModel => "request_llm_model",
            Self::RequestType => "request_type",
            Self::Resource => "resource",
            Self::ResponseSource => "response_source",
            Self::Route => "route",
            Self::RouteId => "route_id",
            Self::Service => "service",
            Self::ServiceId => "service_id",
            Self::State => "state",
            Self::Status => "status",
            Self::Target => "target",
            Self::Type => "type",
            Self::Version => "version",
        }
    }

    /// Whether `disabled_labels` may blank it: a status or a kind of value is never blanked.
    pub const fn may_be_disabled(self) -> bool {
        !matches!(self, Self::Code | Self::Type)
    }

    /// Whether clients choose its values, so that they may be folded when there are too many.
    pub const fn is_from_client(self) -> bool {
        matches!(self, Self::RequestLlmModel | Self::LlmModel)
    }
}

/// What a metric measures with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts values by the upper bounds given here, unless the settings name others.
    Histogram(&'static [f64]),
}

/// One metric: a row of [`Metric::ALL`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spec {
    /// The name without the configurable prefix; with it, if `ours`.
    pub name: &'static str,
    /// What it measures with.
    pub kind: Kind,
    /// The help line.
    pub help: &'static str,
    /// Its labels, in the order in which they are written.
    pub labels: &'static [Label],
    /// Whether `name` is complete and the configurable prefix is not put before it.
    pub ours: bool,
}

const HTTP: &[Label] = &[
    Type,
    Route,
    Service,
    Consumer,
    Node,
    RequestType,
    RequestLlmModel,
    LlmModel,
];

const TOKENS: &[Label] = &[
    RouteId,
    ServiceId,
    Consumer,
    Node,
    RequestType,
    RequestLlmModel,
    LlmModel,
];

/// Declares the metrics: the enum, the list of all, and the row of each.
macro_rules! metrics {
    ($($(#[$doc:meta])* $variant:ident = $spec:expr;)*) => {
        /// A metric's name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Metric { $($(#[$doc])* $variant,)* }

        impl Metric {
            /// All metrics, in the order in which they are written.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name, type, help and labels.
            pub const fn spec(self) -> Spec {
                match self { $(Self::$variant => $spec,)* }
            }
        }
    };
}

metrics! {
    /// Answers by status.
    HttpStatus = Spec {
        name: "http_status",
        kind: Kind::Counter,
        help: "Answers to clients by status code",
        labels: &[
            Code, Route, MatchedUri, MatchedHost, Service, Consumer, Node, RequestType,
            RequestLlmModel, LlmModel, ResponseSource,
        ],
        ours: false,
    };
    /// Time per request.
    HttpLatency = Spec {
        name: "http_latency",
        kind: Kind::Histogram(LATENCY_BUCKETS),
        help: "Time per request in milliseconds: whole request, upstream part, gateway part",
        labels: HTTP,
        ours: false,
    };
    /// Bytes in and out.
    Bandwidth = Spec {
        name: "bandwidth",
        kind: Kind::Counter,
        help: "Bytes received from and sent to clients",
        labels: HTTP,
        ours: false,
    };
    /// Time of AI requests.
    LlmLatency = Spec {
        name: "llm_latency",
        kind: Kind::Histogram(LATENCY_BUCKETS),
        help: "Time of answered AI requests in milliseconds: total, and to the first token of streams",
        labels: &[
            Type, RouteId, ServiceId, Consumer, Node, RequestType, RequestLlmModel, LlmModel,
        ],
        ours: false,
    };
    /// Tokens sent.
    LlmPromptTokens = Spec {
        name: "llm_prompt_tokens",
        kind: Kind::Counter,
        help: "Tokens of prompts",
        labels: TOKENS,
        ours: false,
    };
    /// Tokens received.
    LlmCompletionTokens = Spec {
        name: "llm_completion_tokens",
        kind: Kind::Counter,
        help: "Tokens of completions",
        labels: TOKENS,
        ours: false,
    };
    /// Tokens sent, per request.
    LlmPromptTokensDist = Spec {
        name: "llm_prompt_tokens_dist",
        kind: Kind::Histogram(TOKEN_BUCKETS),
        help: "Tokens of the prompt per request",
        labels: TOKENS,
        ours: false,
    };
    /// Tokens received, per request.
    LlmCompletionTokensDist = Spec {
        name: "llm_completion_tokens_dist",
        kind: Kind::Histogram(TOKEN_BUCKETS),
        help: "Tokens of the completion per request",
        labels: TOKENS,
        ours: false,
    };
    /// AI requests in flight.
    LlmActiveConnections = Spec {
        name: "llm_active_connections",
        kind: Kind::Gauge,
        help: "AI requests in flight to a provider",
        labels: &[
            Route, RouteId, MatchedUri, MatchedHost, Service, ServiceId, Consumer, Node,
            RequestType, RequestLlmModel, LlmModel,
        ],
        ours: false,
    };
    /// Attempts of AI requests, one for each instance that was asked.
    LlmAttempts = Spec {
        name: "llm_attempts_total",
        kind: Kind::Counter,
        help: "Attempts at instances: why it was this one, its status, why it ended, whose fault",
        labels: &[RouteId, ServiceId, Node, Chosen, Status, Ended, Fault],
        ours: false,
    };
    /// Times of these attempts.
    LlmAttemptLatency = Spec {
        name: "llm_attempt_latency",
        kind: Kind::Histogram(LATENCY_BUCKETS),
        help: "Time of attempts in milliseconds: to a connection, to the head of the answer, to \
               the first content of a stream, to the end",
        labels: &[Type, RouteId, ServiceId, Node, Ended],
        ours: false,
    };
    /// AI requests by their end.
    LlmExchanges = Spec {
        name: "llm_exchanges_total",
        kind: Kind::Counter,
        help: "AI requests by how they ended, all their attempts together",
        labels: &[RouteId, ServiceId, Node, Ended],
        ours: false,
    };
    /// Breakers of instances.
    LlmBreakerOpen = Spec {
        name: "llm_breaker_open",
        kind: Kind::Gauge,
        help: "Whether others are preferred to an instance for what its answers have shown: 1 yes",
        labels: &[Resource, Node],
        ours: false,
    };
    /// Requests since the start.
    HttpRequestsTotal = Spec {
        name: "http_requests_total",
        // compat: apache/apisix exports this growing number as a gauge
        kind: Kind::Gauge,
        help: "Requests received since the start",
        labels: &[],
        ours: false,
    };
    /// Client connections by state.
    CurrentConnections = Spec {
        name: "nginx_http_current_connections",
        kind: Kind::Gauge,
        help: "Client connections by state",
        labels: &[State],
        ours: false,
    };
    /// Who is reporting.
    NodeInfo = Spec {
        name: "node_info",
        kind: Kind::Gauge,
        help: "Always 1: the labels name this gateway",
        labels: &[Hostname, Version],
        ours: false,
    };
    /// Health of upstream nodes.
    UpstreamStatus = Spec {
        name: "upstream_status",
        kind: Kind::Gauge,
        help: "Health of an upstream node by active checks: 1 healthy, 0 not",
        labels: &[Name, Ip, Port],
        ours: false,
    };
    /// Reachability of the configuration store.
    EtcdReachable = Spec {
        name: "etcd_reachable",
        kind: Kind::Gauge,
        help: "Whether the configuration store answers: 1 yes, 0 no",
        labels: &[],
        ours: false,
    };
    /// Lost log entries.
    LogEntriesDropped = Spec {
        name: "tollgate_log_entries_dropped_total",
        kind: Kind::Counter,
        help: "Log entries that were not written, by target",
        labels: &[Target],
        ours: true,
    };
    /// Panics that were contained.
    Panics = Spec {
        name: "tollgate_panics_total",
        kind: Kind::Counter,
        help: "Panics that were caught at the edge of a request",
        labels: &[],
        ours: true,
    };
    /// Clients that left.
    ClientDisconnects = Spec {
        name: "tollgate_client_disconnects_total",
        kind: Kind::Counter,
        help: "Requests whose client left before the end of the answer",
        labels: &[],
        ours: true,
    };
    /// Observations folded for want of room.
    SeriesOverflow = Spec {
        name: "tollgate_metric_series_overflow_total",
        kind: Kind::Counter,
        help: "Observations counted without their own label values since a metric had too many",
        labels: &[Label::Metric],
        ours: true,
    };
}
