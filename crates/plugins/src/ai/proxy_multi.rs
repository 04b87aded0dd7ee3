//! `ai-proxy-multi`: several upstream models behind a route, and fallbacks between them.
//!
//! Source: apache/apisix `apisix/plugins/ai-proxy-multi.lua`, `apisix/plugins/ai-proxy/base.lua`.

mod balance;
mod breaker;
mod choice;
mod config;
mod gauge;
mod health;
mod idle;
mod key;
mod rules;
mod semantic;

use std::collections::HashMap;
use std::sync::Arc;

use ai::{Fallback, Instance, Limits, Terms};
use http::StatusCode;
use net::pick::Tried;
use plugin::{
    ConfigError, Ctx, Fault, Flow, Host, OnLack, Phases, Plugin, Retry, Say, Step, Whose,
};

use super::placed;
use balance::{Ask, Balance};
use breaker::Breakers;
use choice::Others;
use config::{Algorithm, Config, InstanceConfig};
use gauge::Gauge;
use health::{Checked, Wellness};
pub use idle::{Idle, idle_fields};
use key::HashKey;
use semantic::Semantic;

/// Forwards AI requests to one of several models, and to another when it fails.
#[derive(Debug)]
pub(crate) struct AiProxyMulti {
    instances: Box<[Instance]>,
    balance: Arc<Balance>,
    wellness: Wellness,
    breakers: Breakers,
    /// What `chash` chooses by.
    key: Option<HashKey>,
    /// What `semantic` chooses by.
    semantic: Option<Semantic>,
    /// Whether instances are passed over of whose limit nothing is left.
    skips_exhausted: bool,
    terms: Terms,
}

// === impl AiProxyMulti ===

impl Plugin for AiProxyMulti {
    const NAME: &'static str = "ai-proxy-multi";
    const PRIORITY: i32 = 1041;
    const VERSION: f64 = 0.5;
    const PHASES: Phases = Phases::ACCESS.and(Phases::BEFORE_PROXY);
    const ENCRYPT_FIELDS: &'static [&'static str] = &[
        "instances.auth.header",
        "instances.auth.query",
        "instances.auth.gcp.service_account_json",
        "instances.auth.aws.secret_access_key",
        "instances.auth.aws.session_token",
        "semantic_opts.embeddings.auth.header",
        "semantic_opts.embeddings.auth.query",
    ];
    const ON_LACK: OnLack = OnLack::Cope;
    type Config = Config;

    fn compile(config: Config, host: &Host<'_>) -> Result<Self, ConfigError> {
        let limits = config.transport.limits();
        let (mut instances, wellness, breakers) =
            compile_instances(&config.instances, &limits, host)?;
        rules::judge_balancer(&config)?;
        warn(&instances, host.resource);
        health::warn(&config.instances, host.resource);
        idle::warn(&config, host.resource);
        let algorithm = config.balancer.algorithm;
        let balance = Arc::new(Balance::new(&config.instances, algorithm, host));
        balance.seat(&mut instances);
        // A single instance has nobody to fall back to.
        let fallback = match instances.len() {
            1 => Fallback::default(),
            _ => config.fallback(),
        };
        Ok(Self {
            semantic: Semantic::new(&config, host)?,
            key: (algorithm == Algorithm::Chash)
                .then(|| HashKey::new(&config.balancer, host.resource)),
            terms: Terms {
                limits,
                fallback,
                choice: if instances.len() == 1 {
                    "single"
                } else {
                    algorithm.name()
                },
            },
            skips_exhausted: instances.len() > 1 && config.skips_exhausted(),
            instances,
            wellness: wellness
                .choosing(|index| algorithm == Algorithm::Semantic || balance.chooses(index)),
            balance,
            breakers,
        })
    }

    fn access<'a>(&'a self, ctx: &'a mut Ctx) -> Step<'a> {
        Step::wait(async {
            ai::intake(ctx, &self.terms.limits).await?;
            self.balance.cut_prompt(ctx);
            if let Some(semantic) = &self.semantic {
                semantic.rank(ctx).await;
            }
            let index = self.peek(ctx).await?.ok_or_else(|| nobody_left(ctx))?;
            let instance = self.instances.get(index).ok_or_else(|| nobody_left(ctx))?;
            if let Some(exchange) = &mut ctx.exchange {
                exchange.instance = instance.name().clone();
            }
            Ok(Flow::Next)
        })
    }

    fn before_proxy<'a>(&'a self, ctx: &'a mut Ctx) -> Step<'a> {
        let Some(first) = self.picked(ctx) else {
            return Step::NEXT;
        };
        Step::wait(async move {
            let mut next = Others::new(self);
            let first = match self.breakers.claim(first) {
                Some(leave) => next.take(leave, choice::has_passed_over(ctx)),
                // Its breaker lets nobody through, or somebody else was faster to probe it.
                None => next.choose(ctx).await?,
            };
            let first = first.ok_or_else(|| nobody_left(ctx))?;
            let semantic = self.semantic.as_ref();
            let told = semantic.and_then(|semantic| semantic.told(ctx, first.instance.name()));
            let outcome = ai::exchange(ctx, first, &self.terms, next).await;
            match semantic::tell(told, outcome) {
                Ok(reply) => Ok(Flow::Respond(Box::new(reply))),
                Err(fault) => Err(self.with_wait(ctx, fault)),
            }
        })
    }
}

impl AiProxyMulti {
    /// What chooses an instance outside those that are avoided, for this request. Its key is looked up
    /// once, however many instances are passed over.
    fn picker<'a>(&'a self, ctx: &'a Ctx) -> impl Fn(&Tried) -> Option<usize> + 'a {
        let exchange = ctx.exchange.as_ref();
        let ranking = exchange.and_then(|exchange| exchange.ranking.as_ref());
        let key = self.key.as_ref().map(|key| key.of(ctx));
        move |avoided| {
            if let Some(ranking) = ranking {
                let mut order = ranking.order.iter().copied();
                return order.find(|index| !avoided.contains(*index));
            }
            let ask = Ask::new(ctx, key.as_deref().unwrap_or_default());
            self.balance.pick(&ask, avoided)
        }
    }

    /// The fault of a failed exchange, with a `Retry-After` when everybody who would be asked is known
    /// to need time: the shortest of these times.
    fn with_wait(&self, ctx: &Ctx, fault: Fault) -> Fault {
        let status = fault.status();
        let is_of_time = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
        if fault.retry() != Retry::Elsewhere || !is_of_time || self.instances.len() < 2 {
            return fault;
        }
        let avoided = self.wellness.avoided(&Tried::new());
        let instances = self.instances.iter().enumerate();
        let exhausted = ctx.budget.as_ref().map(|budget| &budget.exhausted);
        let asked = instances.filter(|(index, instance)| {
            let is_chosen = self.semantic.is_some() || self.balance.chooses(*index);
            let is_exhausted = exhausted.is_some_and(|names| names.contains(instance.name()));
            is_chosen && !avoided.contains(*index) && !is_exhausted
        });
        let waits = asked.map(|(index, instance)| {
            let known = self.breakers.recovers_in(index);
            known.max(breaker::told_in(&ctx.attempts, instance.name()))
        });
        let soonest = waits.reduce(|one, other| Some(one?.min(other?)));
        match soonest.flatten() {
            Some(wait) => breaker::come_back_in(wait, fault),
            None => fault,
        }
    }

    /// The instance that was chosen for this request.
    fn picked(&self, ctx: &Ctx) -> Option<usize> {
        let name = &ctx.exchange.as_ref()?.instance;
        self.instances
            .iter()
            .position(|instance| instance.name() == name)
    }
}

fn compile_instances(
    configs: &[InstanceConfig],
    limits: &Limits,
    host: &Host<'_>,
) -> Result<(Box<[Instance]>, Wellness, Breakers), ConfigError> {
    let mut instances = Vec::with_capacity(configs.len());
    let mut checkers = Vec::with_capacity(configs.len());
    let mut known = HashMap::with_capacity(configs.len());
    let (mut breakers, mut gauges) = (Vec::new(), Vec::new());
    for (index, config) in configs.iter().enumerate() {
        rules::judge_instance(config, index, &mut known)?;
        let place = format!("/instances/{index}");
        let within = |error: ConfigError| ConfigError {
            pointer: format!("{place}{}", error.pointer),
            message: format!("instance '{}': {}", config.name, error.message),
        };
        let settings = config.target.settings(Some(&config.name), host);
        let settings = settings.map_err(within)?;
        let instance = Instance::new(&settings, limits, host.living);
        let mut instance = instance.map_err(|error| within(placed(&error)))?;
        let checker = match &config.checks {
            // A single instance is asked whatever is known of it.
            Some(checks) if configs.len() > 1 => {
                Checked::new(checks, (index, &instance), &settings, host).map_err(within)?
            }
            _ => None,
        };
        if let Some(checker) = &checker {
            instance.take_prober(Arc::clone(checker.prober()));
        }
        checkers.push(checker);
        if configs.len() > 1 {
            let breaker = config.breaker.breaker(&settings, host);
            gauges.extend(breaker.iter().map(|one| Gauge::new(host, &instance, one)));
            breakers.push(breaker);
        }
        instances.push(instance);
    }
    let wellness = Wellness::new(checkers);
    Ok((instances.into(), wellness, Breakers::new(breakers, gauges)))
}

/// Says what is accepted and does not do what one may expect.
fn warn(instances: &[Instance], resource: &str) {
    for instance in instances.iter().filter(|instance| !instance.has_host()) {
        tracing::warn!(
            resource,
            instance = &**instance.name(),
            "no override.endpoint: every request to this instance will fail"
        );
    }
    for instance in instances {
        if let Some(lack) = instance.credential_lack() {
            let instance = &**instance.name();
            tracing::warn!(resource, instance, "every request to it will fail: {lack}");
        }
    }
}

/// The fault when nobody may be asked; it says when something is left of a limit again.
fn nobody_left(ctx: &Ctx) -> Fault {
    let say = Say::Text("all upstream servers tried: no instance is left to be asked".to_owned());
    let fault = Fault::new(Whose::Gateway, StatusCode::SERVICE_UNAVAILABLE, say);
    match ctx.budget.as_ref().and_then(|budget| budget.renewed_in) {
        Some(wait) => breaker::come_back_in(wait, fault),
        None => fault,
    }
}
