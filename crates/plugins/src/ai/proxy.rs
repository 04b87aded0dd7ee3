//! `ai-proxy`: one upstream model behind a route.
//!
//! Source: apache/apisix `apisix/plugins/ai-proxy.lua`, `apisix/plugins/ai-proxy/base.lua`.

use ai::{Instance, Nobody, Terms};
use plugin::{ConfigError, Ctx, Flow, Host, OnLack, Phases, Plugin, Step, Want};
use schemars::JsonSchema;
use serde::Deserialize;

use super::placed;
use super::settings::{Target, Transport};

/// Forwards AI requests to one model of one provider.
#[derive(Debug)]
pub(crate) struct AiProxy {
    instance: Instance,
    terms: Terms,
}

/// One model of one provider, and how it is talked to.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Config {
    #[serde(flatten)]
    target: Target,
    #[serde(flatten)]
    transport: Transport,
}

// === impl AiProxy ===

impl Plugin for AiProxy {
    const NAME: &'static str = "ai-proxy";
    const PRIORITY: i32 = 1040;
    const VERSION: f64 = 0.5;
    const PHASES: Phases = Phases::ACCESS.and(Phases::BEFORE_PROXY);
    const ENCRYPT_FIELDS: &'static [&'static str] = &[
        "auth.header",
        "auth.query",
        "auth.gcp.service_account_json",
        "auth.aws.secret_access_key",
        "auth.aws.session_token",
    ];
    const ON_LACK: OnLack = OnLack::Cope;
    type Config = Config;

    fn compile(config: Config, host: &Host<'_>) -> Result<Self, ConfigError> {
        let limits = config.transport.limits();
        let provider = config.target.provider_name();
        let settings = config.target.settings(None, host)?;
        let instance =
            Instance::new(&settings, &limits, host.living).map_err(|error| placed(&error))?;
        if let Some(lack) = instance.credential_lack() {
            let resource = host.resource;
            tracing::warn!(resource, provider, "every request will fail: {lack}");
        }
        if !instance.has_host() {
            let resource = host.resource;
            tracing::warn!(
                resource,
                provider,
                "no override.endpoint: every request will fail"
            );
        }
        let terms = Terms::single(limits);
        Ok(Self { instance, terms })
    }

    fn want(&self) -> Want {
        Want::NONE
    }

    fn access<'a>(&'a self, ctx: &'a mut Ctx) -> Step<'a> {
        Step::wait(async {
            ai::intake(ctx, &self.terms.limits).await?;
            if let Some(exchange) = &mut ctx.exchange {
                exchange.instance = self.instance.name().clone();
            }
            Ok(Flow::Next)
        })
    }

    fn before_proxy<'a>(&'a self, ctx: &'a mut Ctx) -> Step<'a> {
        if ctx.exchange.is_none() {
            return Step::NEXT;
        }
        Step::wait(async {
            let reply = ai::exchange(ctx, &self.instance, &self.terms, Nobody).await?;
            Ok(Flow::Respond(Box::new(reply)))
        })
    }
}
