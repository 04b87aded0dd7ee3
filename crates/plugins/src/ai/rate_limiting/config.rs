//! The configuration of `ai-rate-limiting`, as the operator writes it.

use plugin::Secret;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// How many tokens may be used within a window of time.
///
/// Either one limit, limits of single instances, or both: then the one limit is for each of the other
/// instances. Or rules, which count by the values of variables.
#[derive(Deserialize, JsonSchema)]
#[schemars(extend(
    "dependentRequired" = { "limit": ["time_window"], "time_window": ["limit"] },
    "oneOf" = [
        { "anyOf": [{ "required": ["limit", "time_window"] }, { "required": ["instances"] }] },
        { "required": ["rules"] },
    ],
    "if" = { "required": ["policy"], "properties": { "policy": { "enum": ["redis"] } } },
    "then" = {
        "required": ["redis_host"],
        "properties": { "redis_keepalive_timeout": { "minimum": 1000 } },
    },
    "else" = {
        "if": { "required": ["policy"], "properties": { "policy": { "enum": ["redis-cluster"] } } },
        "then": {
            "required": ["redis_cluster_nodes", "redis_cluster_name"],
            "properties": { "redis_keepalive_timeout": { "minimum": 1000 } },
        },
        "else": {
            "if": { "required": ["policy"], "properties": { "policy": { "enum": ["redis-sentinel"] } } },
            "then": { "required": ["redis_sentinels", "redis_master_name"] },
        },
    },
))]
pub(crate) struct Config {
    /// Tokens in a window, for each instance without a limit of its own; a text is a template such as
    /// `${http_x_limit ?? 1000}` and is filled for each request.
    #[serde(default)]
    #[schemars(schema_with = "above_zero")]
    pub(super) limit: Option<Amount>,
    /// Length of a window in seconds, likewise.
    #[serde(default)]
    #[schemars(schema_with = "above_zero")]
    pub(super) time_window: Option<Amount>,
    /// What is counted.
    #[serde(default)]
    pub(super) limit_strategy: Strategy,
    /// What an answer costs, for the strategy `expression`: arithmetic over the numbers of the
    /// provider's own usage, such as `input_tokens + 3 * output_tokens`. A name that the usage has not
    /// is 0.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(super) cost_expr: Option<String>,
    /// Limits of single instances.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(super) instances: Option<Vec<InstanceLimit>>,
    /// Limits by the values of variables; all that apply are charged, and the first of which nothing is
    /// left refuses.
    #[serde(default)]
    pub(super) rules: Option<Vec<Rule>>,
    /// Whether answers tell the limit, what is left of it, and when it is renewed.
    #[serde(default = "yes")]
    pub(super) show_limit_quota_header: bool,
    /// Status of the answer when nothing is left.
    #[serde(default = "unavailable")]
    #[schemars(range(min = 200, max = 599))]
    pub(super) rejected_code: u16,
    /// Text of that answer.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(super) rejected_msg: Option<String>,
    /// Where the counters are.
    #[serde(default)]
    pub(super) policy: Policy,
    /// Whether requests pass when the counters cannot be asked.
    #[serde(default)]
    pub(super) allow_degradation: bool,
    #[serde(flatten)]
    pub(super) redis: Remote,
}

/// A number, or a template that gives one.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum Amount {
    /// The number itself.
    Number(f64),
    /// A template.
    Text(String),
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Strategy {
    /// Tokens of requests and answers.
    #[default]
    TotalTokens,
    /// Tokens of requests.
    PromptTokens,
    /// Tokens of answers.
    CompletionTokens,
    /// What `cost_expr` says.
    Expression,
}

/// The limit of one instance.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct InstanceLimit {
    /// Name of the instance.
    pub(super) name: String,
    /// Tokens in a window; a text is a template.
    #[schemars(schema_with = "at_least_one")]
    pub(super) limit: Amount,
    /// Length of a window in seconds; a text is a template.
    #[schemars(schema_with = "at_least_one")]
    pub(super) time_window: Amount,
}

/// A limit for each value of a key.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Rule {
    /// Tokens in a window; a text is a template.
    #[schemars(schema_with = "above_zero")]
    pub(super) count: Amount,
    /// Length of a window in seconds; a text is a template.
    #[schemars(schema_with = "above_zero")]
    pub(super) time_window: Amount,
    /// What is counted together: a template such as `${consumer_name}`. The rule applies to requests
    /// for which one of its variables has a value, so a key without variables applies to none.
    pub(super) key: String,
    /// Part of the names of its headers; its place among the rules, from 1, when absent.
    #[serde(default)]
    pub(super) header_prefix: Option<String>,
}

/// Where counters are.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Policy {
    /// In this process.
    #[default]
    Local,
    /// In a Redis server, shared by all gateways that use it.
    Redis,
    /// In a Redis Cluster.
    RedisCluster,
    /// In the Redis server that sentinels name.
    RedisSentinel,
}

/// The Redis server, of whatever kind.
#[derive(Deserialize, JsonSchema)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a field of the configuration"
)]
pub(crate) struct Remote {
    /// Host of the server, for `redis`.
    #[serde(default)]
    #[schemars(length(min = 2))]
    pub(super) redis_host: Option<String>,
    /// Its port.
    #[serde(default = "redis_port")]
    #[schemars(range(min = 1, max = 65_535))]
    pub(super) redis_port: u16,
    /// User, for `redis` and `redis-sentinel`.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(super) redis_username: Option<String>,
    /// Password.
    #[serde(default)]
    pub(super) redis_password: Option<Secret>,
    /// Number of the database, for `redis` and `redis-sentinel`.
    #[serde(default)]
    pub(super) redis_database: u32,
    /// How long a request waits for the server in all, in milliseconds, for `redis` and
    /// `redis-cluster`.
    #[serde(default = "one_second")]
    #[schemars(range(min = 1))]
    pub(super) redis_timeout: u64,
    /// Whether the connection is encrypted, for `redis`.
    #[serde(default)]
    pub(super) redis_ssl: bool,
    /// Whether the certificate is checked then, by the authorities that the system trusts.
    #[serde(default)]
    pub(super) redis_ssl_verify: bool,
    /// Has no effect: one connection serves all requests, and is kept.
    #[serde(default, rename = "redis_keepalive_timeout")]
    #[schemars(range(min = 1))]
    _keepalive_timeout: Option<u64>,
    /// Has no effect, likewise.
    #[serde(default, rename = "redis_keepalive_pool")]
    #[schemars(range(min = 1))]
    _keepalive_pool: Option<u64>,
    /// Nodes as `host:port`, for `redis-cluster`.
    #[serde(default)]
    #[schemars(length(min = 1), inner(length(min = 2, max = 100)))]
    pub(super) redis_cluster_nodes: Option<Vec<String>>,
    /// A name for the cluster.
    #[serde(default)]
    #[expect(dead_code, reason = "a name for people")]
    pub(super) redis_cluster_name: Option<String>,
    /// Whether connections are encrypted, for `redis-cluster`.
    #[serde(default)]
    pub(super) redis_cluster_ssl: bool,
    /// Whether certificates are checked then.
    #[serde(default)]
    pub(super) redis_cluster_ssl_verify: bool,
    /// The sentinels, for `redis-sentinel`.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(super) redis_sentinels: Option<Vec<Sentinel>>,
    /// The name by which they know the server.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(super) redis_master_name: Option<String>,
    /// Whether the master is asked, or a replica of it.
    #[serde(default)]
    pub(super) redis_role: Role,
    /// How long connecting may take, in milliseconds, for `redis-sentinel`.
    #[serde(default = "one_second")]
    #[schemars(range(min = 1))]
    pub(super) redis_connect_timeout: u64,
    /// How long an answer may take, in milliseconds, for `redis-sentinel`.
    #[serde(default = "one_second")]
    #[schemars(range(min = 1))]
    pub(super) redis_read_timeout: u64,
    /// User at the sentinels.
    #[serde(default)]
    pub(super) sentinel_username: Option<String>,
    /// Password at the sentinels.
    #[serde(default)]
    pub(super) sentinel_password: Option<Secret>,
}

/// One sentinel.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sentinel {
    /// Its host.
    #[schemars(length(min = 2))]
    pub(super) host: String,
    /// Its port.
    #[schemars(range(min = 1, max = 65_535))]
    pub(super) port: u16,
}

/// Which server the sentinels are asked for.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// The one that takes writes.
    #[default]
    Master,
    /// One of its replicas.
    Slave,
}

const fn yes() -> bool {
    true
}

const fn unavailable() -> u16 {
    503
}

const fn redis_port() -> u16 {
    6379
}

const fn one_second() -> u64 {
    1000
}

fn above_zero(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "oneOf": [{ "type": "integer", "exclusiveMinimum": 0 }, { "type": "string" }]
    })
}

fn at_least_one(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "oneOf": [{ "type": "integer", "minimum": 1 }, { "type": "string" }]
    })
}

// === impl Strategy ===

impl Strategy {
    /// Its name in configuration.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::TotalTokens => "total_tokens",
            Self::PromptTokens => "prompt_tokens",
            Self::CompletionTokens => "completion_tokens",
            Self::Expression => "expression",
        }
    }
}
