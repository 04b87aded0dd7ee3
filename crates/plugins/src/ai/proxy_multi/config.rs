//! The configuration of `ai-proxy-multi`, as the operator writes it.

use std::time::Duration;

use ai::Fallback;
use plugin::is_reference;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::breaker::BreakerConfig;
use crate::ai::checks::Checks;
use crate::ai::settings::{Target, Texts, Transport};

/// Several models of any providers, how one is chosen, and what follows a failure.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Config {
    /// The models to choose from.
    #[schemars(length(min = 1))]
    pub(super) instances: Vec<InstanceConfig>,
    /// How an instance is chosen.
    #[serde(default)]
    pub(super) balancer: Balancer,
    /// What `semantic` needs to choose.
    #[serde(default)]
    pub(super) semantic_opts: Option<SemanticOptions>,
    /// Which failures are followed by an attempt at another instance.
    ///
    /// Never once a byte of an answer has reached the client. So where failures of 5xx are followed,
    /// the opening events of a stream wait for its first content, and JSON answers are looked at
    /// before they are passed on. At most 64 KiB wait, and no event that comes later than `timeout`
    /// after the head of the answer, or than `retry_on_failure_within_ms`.
    #[serde(default)]
    pub(super) fallback_strategy: Option<Strategy>,
    /// Further statuses that are followed by an attempt at another instance.
    #[serde(default)]
    #[schemars(length(min = 1), inner(range(min = 400, max = 599)), extend("uniqueItems" = true))]
    pub(super) fallback_http_statuses: Option<Vec<u16>>,
    /// How many further attempts one request may make; no limit but the number of instances when
    /// absent.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub(super) max_retries: Option<u64>,
    /// An attempt that took longer, in milliseconds, is the last one.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub(super) retry_on_failure_within_ms: Option<u64>,
    #[serde(flatten)]
    pub(super) transport: Transport,
}

/// One of the models.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct InstanceConfig {
    /// Name in logs, metrics and limits; no two instances share one.
    #[schemars(length(min = 1, max = 100))]
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) target: Target,
    /// Its share among the instances of the same priority.
    pub(super) weight: u32,
    /// Larger is preferred; smaller ones are asked when no larger one is left.
    #[serde(default)]
    pub(super) priority: i64,
    /// How its health is found out; without checks it counts as healthy. Instances that are not
    /// healthy are left out, unless none is. A single instance is never probed.
    #[serde(default)]
    pub(super) checks: Option<Checks>,
    /// When others are preferred to it because of what its answers have shown; Tollgate's own.
    #[serde(default)]
    pub(super) breaker: BreakerConfig,
    /// Prompts of the kind that it should get, for `semantic`.
    #[serde(default)]
    #[schemars(length(min = 1, max = 64), inner(length(min = 1)))]
    pub(super) examples: Option<Vec<String>>,
    /// Least likeness of a prompt to its examples; instead of `semantic_opts.threshold`.
    #[serde(default)]
    #[schemars(range(min = -1, max = 1))]
    pub(super) threshold: Option<f64>,
}

/// How an instance is chosen.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct Balancer {
    /// How an instance is chosen.
    // compat: apache/apisix fails at run time when a balancer has no algorithm
    #[serde(default)]
    pub(super) algorithm: Algorithm,
    /// Where `chash` finds its key.
    #[serde(default)]
    pub(super) hash_on: HashOn,
    /// Name of the variable, header or cookie, or a text with `$variables`.
    #[serde(default)]
    pub(super) key: Option<String>,
}

/// How an instance is chosen.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Algorithm {
    /// Equal keys go to the same instance.
    Chash,
    /// In turn, by weight.
    #[default]
    Roundrobin,
    /// By likeness of the prompt to each instance's examples; weights and priorities do not count.
    Semantic,
    /// Whoever has the fewest calls in flight for its weight; Tollgate's own.
    LeastBusy,
    /// The quicker of two drawn by lot, by the time to the first content and the time between parts;
    /// Tollgate's own.
    Ewma,
    /// Prompts that begin alike go to the same instance while the load stays even; Tollgate's own.
    Prefix,
}

/// Where `chash` finds its key.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HashOn {
    /// A variable.
    #[default]
    Vars,
    /// A request header.
    Header,
    /// A cookie.
    Cookie,
    /// The name of the consumer.
    Consumer,
    /// A text with variables.
    VarsCombinations,
}

/// Which failures are followed by an attempt at another instance.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Strategy {
    /// One kind, or all of them.
    One(Single),
    /// Several kinds.
    Several(Vec<Kind>),
}

/// One kind of failure, or all of them.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Single {
    /// Bad health, used up limits, 429, 5xx, and upstreams that cannot be reached.
    InstanceHealthAndRateLimiting,
    /// An answer of 429.
    #[serde(rename = "http_429")]
    Http429,
    /// An answer of 500 to 599, or an upstream that cannot be reached.
    #[serde(rename = "http_5xx")]
    Http5xx,
}

/// One kind of failure.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A used up limit.
    RateLimiting,
    /// An answer of 429.
    #[serde(rename = "http_429")]
    Http429,
    /// An answer of 500 to 599, or an upstream that cannot be reached.
    #[serde(rename = "http_5xx")]
    Http5xx,
}

/// What `semantic` needs to choose.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct SemanticOptions {
    /// Where texts are made into vectors.
    pub(super) embeddings: Embeddings,
    /// Least likeness of a prompt to an instance's examples, as the cosine of an angle; 0 when
    /// absent.
    #[serde(default)]
    #[schemars(range(min = -1, max = 1))]
    pub(super) threshold: Option<f64>,
    /// The instance for prompts that are like nobody's examples, and for all of them while no vectors
    /// can be had; the first one when absent.
    #[serde(default)]
    pub(super) fallback: Option<String>,
    /// Whether answers tell in `X-AI-Semantic-Scores` and `X-AI-Semantic-Picked-Instance` how the
    /// instance was chosen.
    #[serde(default)]
    pub(super) debugging: bool,
}

/// Where texts are made into vectors.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Embeddings {
    /// Who is asked.
    pub(super) provider: EmbeddingsProvider,
    /// The model that is asked.
    #[schemars(length(min = 1))]
    pub(super) model: String,
    /// The URL that is asked, OpenAI's own when absent; for Azure with the whole path of the
    /// deployment.
    #[serde(default)]
    pub(super) endpoint: Option<String>,
    /// How requests are authenticated.
    pub(super) auth: EmbeddingsAuth,
    /// How long the choice for one prompt may take in all, in milliseconds.
    #[serde(default = "three_seconds")]
    #[schemars(range(min = 1))]
    pub(super) timeout: u64,
    /// Whether the certificate is checked.
    #[serde(default = "yes")]
    pub(super) ssl_verify: bool,
}

/// Who makes texts into vectors.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum EmbeddingsProvider {
    /// `OpenAI`, or who speaks as it does.
    Openai,
    /// Azure `OpenAI`.
    AzureOpenai,
}

/// How requests for vectors are authenticated.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmbeddingsAuth {
    /// Headers of the request.
    #[serde(default)]
    pub(super) header: Texts,
    /// Query arguments of the request.
    #[serde(default)]
    pub(super) query: Texts,
}

const fn yes() -> bool {
    true
}

const fn three_seconds() -> u64 {
    3000
}

// === impl Algorithm ===

impl Algorithm {
    /// Its name in configuration.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Chash => "chash",
            Self::Roundrobin => "roundrobin",
            Self::Semantic => "semantic",
            Self::LeastBusy => "least_busy",
            Self::Ewma => "ewma",
            Self::Prefix => "prefix",
        }
    }
}

// === impl EmbeddingsProvider ===

impl EmbeddingsProvider {
    /// Its name in configuration.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Openai => "openai",
            Self::AzureOpenai => "azure-openai",
        }
    }
}

// === impl Embeddings ===

impl Embeddings {
    /// Whether anything that would reach the server is a reference without a value.
    pub(super) fn lack_a_value(&self) -> bool {
        let auth = &self.auth;
        let mut sent = self.endpoint.iter().chain([&self.model]);
        sent.any(|text| is_reference(text))
            || auth.header.unresolved().is_some()
            || auth.query.unresolved().is_some()
    }
}

// === impl Config ===

impl Config {
    /// Whether instances are passed over of whose limit nothing is left.
    pub(super) fn skips_exhausted(&self) -> bool {
        match &self.fallback_strategy {
            Some(Strategy::One(one)) => *one == Single::InstanceHealthAndRateLimiting,
            Some(Strategy::Several(kinds)) => kinds.contains(&Kind::RateLimiting),
            None => false,
        }
    }

    /// What follows a failed attempt.
    pub(super) fn fallback(&self) -> Fallback {
        let (on_429, on_5xx) = match &self.fallback_strategy {
            None => (false, false),
            // More than apache/apisix, where this word alone never leads to a retry.
            Some(Strategy::One(Single::InstanceHealthAndRateLimiting)) => (true, true),
            Some(Strategy::One(Single::Http429)) => (true, false),
            Some(Strategy::One(Single::Http5xx)) => (false, true),
            Some(Strategy::Several(kinds)) => (
                kinds.contains(&Kind::Http429),
                kinds.contains(&Kind::Http5xx),
            ),
        };
        Fallback {
            on_429,
            on_5xx,
            statuses: self.fallback_http_statuses.clone().unwrap_or_default(),
            max_retries: self.max_retries,
            within: self.retry_on_failure_within_ms.map(Duration::from_millis),
        }
    }
}
