//! The configuration that the AI proxies share, as the operator writes it.

mod lacks;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use ai::{GcpSettings, InstanceSettings, Limits};
use llm::{Dialect, Origin, PROVIDERS, Place, Provider};
use net::KeepAlive;
use plugin::{ConfigError, Environment, Host, Secret, is_reference};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Map, Value};

use super::timeouts::Timeouts;

/// A provider by its name; the schema lists those that exist.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProviderName(pub(crate) &'static Provider);

/// Texts by name. Names with other characters than letters, digits, `.`, `_` and `-` are not
/// checked, and their values are used only when they are texts.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Texts(Map<String, Value>);

/// How requests are authenticated at the provider.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Auth {
    /// Headers set on every upstream request; they win over the client's.
    #[serde(default)]
    header: Texts,
    /// Query arguments added to every upstream request; no client can replace them.
    #[serde(default)]
    query: Texts,
    /// A Google service account, from which bearer tokens are made.
    #[serde(default)]
    gcp: Option<Gcp>,
    /// An AWS key, with which requests are signed.
    #[serde(default)]
    aws: Option<Aws>,
}

/// A Google service account.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(crate) struct Gcp {
    /// The content of the key file; without it the environment variable `GCP_SERVICE_ACCOUNT`.
    #[serde(default)]
    service_account_json: Option<Secret>,
    /// Longest time a token is used, in seconds.
    #[serde(default)]
    #[schemars(range(min = 1))]
    max_ttl: Option<u64>,
    /// How long before its end a token is renewed, in seconds.
    #[serde(default = "sixty")]
    #[schemars(range(min = 0))]
    expire_early_secs: u64,
}

/// An AWS key.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(crate) struct Aws {
    /// The key's id.
    #[schemars(length(min = 1))]
    access_key_id: String,
    /// The secret key.
    #[schemars(length(min = 1))]
    secret_access_key: Secret,
    /// The token of a temporary key.
    #[serde(default)]
    #[schemars(length(min = 1))]
    session_token: Option<Secret>,
}

/// Where a cloud provider's models live.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct ProviderConf {
    /// Google Cloud project.
    #[serde(default)]
    project_id: Option<String>,
    /// Region of the cloud.
    #[serde(default)]
    #[schemars(length(min = 1))]
    region: Option<String>,
}

/// Members written over the outgoing body.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct Options(Map<String, Value>);

/// What replaces the provider's defaults and the client's wishes.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct Override {
    /// Replaces scheme, host and port, and the path when the URL has one; its query is added.
    #[serde(default)]
    #[schemars(length(min = 1))]
    endpoint: Option<String>,
    /// Limits in the words of whatever provider is spoken to.
    #[serde(default)]
    llm_options: Option<LlmOptions>,
    /// Per dialect that is spoken upstream, an object merged into the outgoing body.
    #[serde(default)]
    request_body: Option<RequestBody>,
    /// Whether `request_body` replaces members that the body already has.
    #[serde(default)]
    #[serde(rename = "request_body_force_override")]
    force_request_body: bool,
}

/// Limits in the words of whatever provider is spoken to.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LlmOptions {
    /// Largest number of tokens in an answer; written over what the client asks.
    #[serde(default)]
    #[schemars(range(min = 1))]
    max_tokens: Option<u64>,
}

/// Objects merged into the outgoing body, by dialect.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct RequestBody {
    /// For Anthropic Messages.
    #[serde(default)]
    anthropic_messages: Option<Map<String, Value>>,
    /// For Bedrock Converse.
    #[serde(default)]
    #[expect(
        dead_code,
        reason = "a compatible configuration may carry it for any provider"
    )]
    bedrock_converse: Option<Map<String, Value>>,
    /// For Chat Completions.
    #[serde(default)]
    openai_chat: Option<Map<String, Value>>,
    /// For Embeddings.
    #[serde(default)]
    openai_embeddings: Option<Map<String, Value>>,
    /// For Responses.
    #[serde(default)]
    openai_responses: Option<Map<String, Value>>,
    /// For bodies of no known dialect.
    #[serde(default)]
    passthrough: Option<Map<String, Value>>,
}

/// What log entries tell of an exchange.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
pub(crate) struct Logging {
    /// Model, durations and token counts, as `llm_summary`.
    #[serde(default)]
    summaries: bool,
    /// The request's content and the answer's text, as `llm_request` and `llm_response_text`.
    #[serde(default)]
    payloads: bool,
}

/// How upstreams are talked to; the same for every instance of a plugin.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(crate) struct Transport {
    /// What log entries tell.
    #[serde(default)]
    logging: Logging,
    /// Longest silence while connecting, sending and receiving, in milliseconds.
    #[serde(default = "thirty_seconds")]
    #[schemars(range(min = 1, max = 600_000))]
    timeout: u64,
    /// Timeouts of single steps.
    #[serde(default)]
    timeouts: Timeouts,
    /// Largest request body, in bytes; a larger one is answered with 413.
    #[serde(default = "sixty_four_mebibytes")]
    #[schemars(range(min = 1))]
    max_req_body_size: u64,
    /// Longest time of a streamed answer, in milliseconds from the start of its attempt; no limit
    /// when absent.
    #[serde(default)]
    #[schemars(range(min = 1))]
    max_stream_duration_ms: Option<u64>,
    /// Largest answer, in bytes read from the upstream; no limit when absent.
    #[serde(default)]
    #[schemars(range(min = 1))]
    max_response_bytes: Option<u64>,
    /// Whether upstream connections are kept for the next request.
    #[serde(default = "yes")]
    keepalive: bool,
    /// How long an unused connection is kept, in milliseconds.
    #[serde(default = "sixty_thousand")]
    #[schemars(range(min = 1000))]
    keepalive_timeout: u64,
    /// How many unused connections are kept per upstream.
    #[serde(default = "thirty")]
    #[schemars(range(min = 1))]
    keepalive_pool: u64,
    /// Above 0, pieces that are readable at the same moment leave as one write; 0 writes each as it
    /// was read. No byte ever waits for a timer.
    #[serde(default = "ten")]
    #[schemars(range(min = 0))]
    streaming_flush_interval_ms: u64,
    /// Whether the upstream's certificate is checked.
    #[serde(default = "yes")]
    ssl_verify: bool,
}

/// One upstream model, without its name.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(crate) struct Target {
    /// Who is spoken to.
    provider: ProviderName,
    /// Where a cloud provider's models live.
    #[serde(default)]
    provider_conf: Option<ProviderConf>,
    /// How requests are authenticated at the provider; `{}` sends the client's own headers.
    auth: Auth,
    /// Members written over the outgoing body; `model` names the model.
    #[serde(default)]
    options: Options,
    /// What replaces the provider's defaults and the client's wishes.
    #[serde(default, rename = "override")]
    overrides: Override,
}

const fn yes() -> bool {
    true
}

const fn ten() -> u64 {
    10
}

const fn thirty() -> u64 {
    30
}

const fn sixty() -> u64 {
    60
}

const fn thirty_seconds() -> u64 {
    30_000
}

const fn sixty_thousand() -> u64 {
    60_000
}

const fn sixty_four_mebibytes() -> u64 {
    64 * 1024 * 1024
}

// === impl ProviderName ===

impl<'de> Deserialize<'de> for ProviderName {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        let name = Cow::<'de, str>::deserialize(source)?;
        let unknown = || de::Error::custom(format!("unknown provider {name:?}"));
        Provider::find(&name).map(Self).ok_or_else(unknown)
    }
}

impl JsonSchema for ProviderName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Provider".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<_> = PROVIDERS.iter().map(|provider| provider.name).collect();
        json_schema!({ "type": "string", "enum": names })
    }
}

// === impl Texts ===

impl Texts {
    /// Names and values, without references that have no value.
    pub(crate) fn pairs(&self) -> Vec<(String, Secret)> {
        let texts = self.texts().filter(|(_, value)| !is_reference(value));
        texts
            .map(|(name, value)| (name.to_owned(), Secret::new(value.to_owned())))
            .collect()
    }

    /// The first reference that has no value, with its name.
    pub(crate) fn unresolved(&self) -> Option<(&str, &str)> {
        self.texts().find(|(_, value)| is_reference(value))
    }

    fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.0.iter();
        all.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
    }
}

// Written by hand: the values are credentials.
impl fmt::Debug for Texts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

impl JsonSchema for Texts {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Texts".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "patternProperties": { "^[a-zA-Z0-9._-]+$": { "type": "string" } }
        })
    }
}

// === impl Options ===

impl JsonSchema for Options {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Options".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "properties": {
                "model": { "type": "string", "description": "The model that is asked." }
            },
            "additionalProperties": true
        })
    }
}

// === impl Transport ===

impl Transport {
    /// The bounds of every exchange.
    pub(crate) fn limits(&self) -> Limits {
        let keepalive = self.keepalive.then(|| KeepAlive {
            idle: Duration::from_millis(self.keepalive_timeout),
            size: usize::try_from(self.keepalive_pool)
                .unwrap_or(usize::MAX)
                .min(MOST_IDLE),
            requests: None,
        });
        Limits {
            max_request_bytes: self.max_req_body_size,
            timeout: Duration::from_millis(self.timeout),
            deadlines: self.timeouts.deadlines(),
            max_stream_duration: self.max_stream_duration_ms.map(Duration::from_millis),
            max_response_bytes: self.max_response_bytes,
            join_writes: self.streaming_flush_interval_ms > 0,
            log_summaries: self.logging.summaries,
            log_payloads: self.logging.payloads,
            keepalive,
            verify: self.ssl_verify,
        }
    }
}

/// More idle connections than a process has descriptors for are never needed, and the pool's room
/// is set aside beforehand.
const MOST_IDLE: usize = 16_384;

// === impl Target ===

impl Target {
    /// The provider's name in configuration.
    pub(crate) fn provider_name(&self) -> &'static str {
        self.provider.0.name
    }

    /// `override.endpoint`.
    pub(crate) fn endpoint(&self) -> Option<&str> {
        self.overrides.endpoint.as_deref()
    }

    /// The instance's settings as plain values; one without a `name` is the only one of its plugin.
    ///
    /// # Errors
    /// When the key file of a service account is no JSON, or the provider's place is not told.
    pub(crate) fn settings(
        &self,
        name: Option<&str>,
        host: &Host<'_>,
    ) -> Result<InstanceSettings, ConfigError> {
        if self.auth.aws.is_some() {
            tracing::warn!(
                resource = host.resource,
                instance = name,
                provider = self.provider_name(),
                "auth.aws: has no effect, since requests to this provider are not signed"
            );
        }
        let gcp = self.auth.gcp.as_ref();
        let gcp = gcp.map(|gcp| gcp.settings(name.unwrap_or_default(), host.environment));
        let own_name = || format!("ai-proxy-{}", self.provider_name()).into();
        let json = |(name, value): (&String, &Value)| (name.clone(), value.to_string());
        let overrides = &self.overrides;
        Ok(InstanceSettings {
            lack: self.lack(),
            name: name.map_or_else(own_name, Into::into),
            provider: self.provider.0,
            place: self.place()?,
            endpoint: overrides.endpoint.clone(),
            headers: self.auth.header.pairs(),
            query: self.auth.query.pairs(),
            gcp: gcp.transpose()?.flatten(),
            model: self
                .options
                .0
                .get("model")
                .and_then(Value::as_str)
                .map(str::to_owned),
            options: self.options.0.iter().map(json).collect(),
            max_tokens: overrides.llm_options.and_then(|options| options.max_tokens),
            patches: overrides
                .request_body
                .as_ref()
                .map(RequestBody::patches)
                .unwrap_or_default(),
            force: overrides.force_request_body,
        })
    }

    /// `provider_conf`, without references that have no value.
    fn place(&self) -> Result<Place, ConfigError> {
        let conf = self.provider_conf.clone().unwrap_or_default();
        let is_regional = matches!(self.provider.0.origin, Origin::Regional(_));
        let is_told = conf.project_id.is_some() && conf.region.is_some();
        if is_regional && !is_told && self.endpoint().is_none() {
            let name = self.provider_name();
            return Err(ConfigError::at(
                "/provider_conf",
                format!(
                    "{name} requires either provider_conf (project_id + region) or \
                     override.endpoint"
                ),
            ));
        }
        let known = |text: &String| !is_reference(text);
        let region = conf.region.filter(known);
        let is_label = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if is_regional && region.as_deref().is_some_and(|region| !is_label(region)) {
            return Err(ConfigError::at(
                "/provider_conf/region",
                "expected a region's name: letters, digits and hyphens",
            ));
        }
        Ok(Place {
            project: conf.project_id.filter(known),
            region,
        })
    }
}

// === impl Gcp ===

impl Gcp {
    /// The service account for `holder`; `None` while its key file is a reference without a value.
    fn settings(
        &self,
        holder: &str,
        environment: &Environment,
    ) -> Result<Option<GcpSettings>, ConfigError> {
        let given = self.service_account_json.as_ref().map(Secret::expose);
        if given.is_some_and(is_reference) {
            return Ok(None);
        }
        if given.is_some_and(|text| serde_json::from_str::<Value>(text).is_err()) {
            return Err(ConfigError::at(
                "/auth/gcp/service_account_json",
                "invalid gcp service_account_json: expected the JSON text of a key file",
            ));
        }
        let account = given.or_else(|| environment.get("GCP_SERVICE_ACCOUNT"));
        Ok(Some(GcpSettings {
            account: account.map(|text| Secret::from(text.to_owned())),
            holder: holder.to_owned(),
            expire_early: Duration::from_secs(self.expire_early_secs),
            max_ttl: self.max_ttl.map(Duration::from_secs),
        }))
    }
}

// === impl RequestBody ===

impl RequestBody {
    fn rows(&self) -> [(Dialect, &Option<Map<String, Value>>); 5] {
        [
            (Dialect::AnthropicMessages, &self.anthropic_messages),
            (Dialect::OpenAiChat, &self.openai_chat),
            (Dialect::OpenAiEmbeddings, &self.openai_embeddings),
            (Dialect::OpenAiResponses, &self.openai_responses),
            (Dialect::Passthrough, &self.passthrough),
        ]
    }

    fn patches(&self) -> Vec<(Dialect, Vec<(String, String)>)> {
        let rows = self.rows();
        let members = |object: &Map<String, Value>| {
            object
                .iter()
                .map(|(name, value)| (name.clone(), value.to_string()))
                .collect()
        };
        rows.into_iter()
            .filter_map(|(dialect, object)| Some((dialect, members(object.as_ref()?))))
            .collect()
    }
}
