//! `key-auth`: consumers identify themselves by a key in a header or in the query.
//!
//! Source: apache/apisix `apisix/plugins/key-auth.lua`.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use http::{HeaderName, HeaderValue, StatusCode, header};
use plugin::{
    AuthPlugin, ConfigError, Consumer, Ctx, Fault, Host, Phases, Plugin, Say, Secret, Step, Whose,
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::attach::{attach, leaves_the_house, without_argument};

/// Lets only callers pass whose key belongs to a consumer.
#[derive(Debug)]
pub(crate) struct KeyAuth {
    header: HeaderName,
    query: Arc<str>,
    hide_credentials: bool,
    challenge: HeaderValue,
    anonymous_consumer: Option<String>,
}

/// Lets callers pass whose key, in a header or in the query, belongs to a consumer.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Config {
    /// Name of the header with the key. It is looked at first. In `Authorization` the key may be the
    /// whole value, or stand after `Bearer `.
    #[serde(default = "default_name")]
    header: String,
    /// Name of the query argument with the key, for requests without the header.
    #[serde(default = "default_name")]
    query: String,
    /// Whether the key is taken out of the request before it goes upstream. On routes with a plugin
    /// that answers instead of the upstream, as `ai-proxy` does, it always is.
    #[serde(default)]
    hide_credentials: bool,
    /// The realm of the `WWW-Authenticate` header in refusals.
    #[serde(default = "default_realm")]
    #[schemars(
        length(min = 1, max = 128),
        regex(pattern = r"^[\x20-\x21\x23-\x5B\x5D-\x7E]+$")
    )]
    realm: String,
    /// Name of the consumer that callers without a valid key are taken for.
    #[schemars(length(min = 1))]
    anonymous_consumer: Option<String>,
}

/// The key of a consumer.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct ConsumerConfig {
    /// The key, unique among all consumers.
    key: Secret,
}

/// Where a key was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Header,
    Query,
}

fn default_name() -> String {
    "apikey".to_owned()
}

fn default_realm() -> String {
    "key".to_owned()
}

// === impl KeyAuth ===

impl Plugin for KeyAuth {
    const NAME: &'static str = "key-auth";
    const PRIORITY: i32 = 2500;
    const PHASES: Phases = Phases::REWRITE;
    const ENCRYPT_FIELDS: &'static [&'static str] = &["key"];
    type Config = Config;

    fn compile(config: Config, _host: &Host<'_>) -> Result<Self, ConfigError> {
        let header = HeaderName::from_bytes(config.header.as_bytes()).map_err(|_| {
            let found = config.header;
            ConfigError::at(
                "/header",
                format!("header: expected the name of a header, found \"{found}\""),
            )
        })?;
        let challenge = format!("apikey realm=\"{}\"", config.realm);
        let challenge = HeaderValue::from_str(&challenge).map_err(|_| {
            ConfigError::at(
                "/realm",
                "realm: expected printable ASCII without \" and \\",
            )
        })?;
        Ok(Self {
            header,
            query: config.query.into(),
            hide_credentials: config.hide_credentials,
            challenge,
            anonymous_consumer: config.anonymous_consumer,
        })
    }

    fn rewrite<'a>(&'a self, ctx: &'a mut Ctx) -> Step<'a> {
        let place = self.place(ctx);
        let identified = place.map(|place| (place, self.identify(ctx, place)));
        if let Some(place) = place {
            self.put_away(ctx, place);
        }
        let why = match identified {
            Some((_, Some(consumer))) => {
                attach(ctx, consumer);
                return Step::NEXT;
            }
            Some((_, None)) => "Invalid API key in request",
            None => "Missing API key in request",
        };
        let Some(name) = &self.anonymous_consumer else {
            return Step::refuse(self.refusal(why));
        };
        let Some(consumer) = ctx.consumers.named(name).cloned() else {
            let fault = self.refusal("Invalid user authorization");
            let cause = format!("no consumer is named {name}, the anonymous one of key-auth");
            tracing::error!(consumer = name, "the anonymous consumer does not exist");
            return Step::refuse(fault.because(cause));
        };
        attach(ctx, consumer);
        Step::NEXT
    }
}

impl AuthPlugin for KeyAuth {
    type Consumer = ConsumerConfig;

    fn credential(consumer: &ConsumerConfig) -> String {
        consumer.key.expose().to_owned()
    }
}

impl KeyAuth {
    /// Where the caller put a key.
    fn place(&self, ctx: &Ctx) -> Option<Place> {
        if ctx.request.headers.contains_key(&self.header) {
            return Some(Place::Header);
        }
        self.argument(ctx).map(|_| Place::Query)
    }

    fn argument<'a>(&self, ctx: &'a Ctx) -> Option<Cow<'a, str>> {
        let query = ctx.request.uri.query().unwrap_or_default();
        form_urlencoded::parse(query.as_bytes())
            .find(|(name, _)| **name == *self.query)
            .map(|(_, value)| value)
    }

    /// Whose key it is.
    fn identify(&self, ctx: &Ctx, place: Place) -> Option<Arc<Consumer>> {
        let find = |key: &str| {
            let found = ctx.consumers.find(Self::NAME, key);
            // Nobody identifies themselves by saying nothing.
            found.filter(|_| !key.is_empty()).cloned()
        };
        match place {
            Place::Query => find(&self.argument(ctx)?),
            Place::Header => {
                let value = ctx.request.headers.get(&self.header)?.to_str().ok()?;
                find(value).or_else(|| find(self.bearer(value)?))
            }
        }
    }

    /// The key after `Bearer `: what SDKs send, while consumers are given the bare key.
    fn bearer<'a>(&self, value: &'a str) -> Option<&'a str> {
        let (scheme, key) = value.split_once(' ')?;
        let is_bearer =
            self.header == header::AUTHORIZATION && scheme.eq_ignore_ascii_case("bearer");
        is_bearer.then(|| key.trim())
    }

    /// Removes the key where it must not go on, and marks it for logs where it may.
    fn put_away(&self, ctx: &mut Ctx, place: Place) {
        let hides = self.hide_credentials || leaves_the_house(ctx);
        let request = &mut ctx.request;
        match place {
            Place::Header if hides => {
                request.headers.remove(&self.header);
            }
            Place::Header => {
                if let header::Entry::Occupied(mut values) = request.headers.entry(&self.header) {
                    values
                        .iter_mut()
                        .for_each(|value| value.set_sensitive(true));
                }
            }
            Place::Query => {
                if hides {
                    request.uri = without_argument(&request.uri, &self.query);
                }
                ctx.secret_arguments.push(self.query.clone());
            }
        }
    }

    fn refusal(&self, why: &str) -> Fault {
        Fault::new(
            Whose::Client,
            StatusCode::UNAUTHORIZED,
            Say::Message(why.to_owned()),
        )
        .header(header::WWW_AUTHENTICATE, self.challenge.clone())
    }
}
