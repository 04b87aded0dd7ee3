//! `ai-rate-limiting`: how many tokens may be used within a window of time.
//!
//! Source: apache/apisix `apisix/plugins/ai-rate-limiting.lua`, `apisix/plugins/limit-count/init.lua`.

mod config;
mod cost;
mod limit;
mod policy;

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue, StatusCode};
use llm::{Dialect, Exchange, Usage};
use plugin::{
    Allowance, Budget, ConfigError, Ctx, Fault, Flow, Host, Phases, Plugin, Reply, Room, Say, Step,
    Want, Whose,
};
use store::Tally;

use config::{Config, Strategy};
use cost::Cost;
use limit::{Demand, Demands, Limits, Unclear};
use policy::Place;

/// Refuses AI requests when nothing is left of their limit, and charges it with what they used.
#[derive(Debug)]
pub(crate) struct AiRateLimiting {
    limits: Limits,
    charge: Charge,
    place: Place,
    rejected_code: StatusCode,
    rejected_msg: Option<String>,
    is_shown: bool,
    allows_degradation: bool,
    resource: Box<str>,
}

/// What an exchange is charged with.
#[derive(Debug)]
enum Charge {
    TotalTokens,
    PromptTokens,
    CompletionTokens,
    Expression(Cost),
}

// === impl AiRateLimiting ===

impl Plugin for AiRateLimiting {
    const NAME: &'static str = "ai-rate-limiting";
    const PRIORITY: i32 = 1030;
    const PHASES: Phases = Phases::ACCESS
        .and(Phases::ROOM)
        .and(Phases::HEAD)
        .and(Phases::LOG);
    const ENCRYPT_FIELDS: &'static [&'static str] = &["redis_password", "sentinel_password"];
    type Config = Config;

    fn compile(config: Config, host: &Host<'_>) -> Result<Self, ConfigError> {
        let charge = Charge::new(&config)?;
        let place = Place::new(&config, host)?;
        let limits = Limits::new(&config, [place.prefix, host.resource].concat())?;
        warn(&limits, host.resource);
        Ok(Self {
            limits,
            charge,
            place,
            rejected_code: StatusCode::from_u16(config.rejected_code)
                .unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
            rejected_msg: config.rejected_msg,
            is_shown: config.show_limit_quota_header,
            allows_degradation: config.allow_degradation,
            resource: host.resource.into(),
        })
    }

    fn phases(&self) -> Phases {
        let shown = if self.is_shown {
            Phases::HEAD
        } else {
            Phases::NONE
        };
        let asked = if self.limits.are_rules() {
            Phases::NONE
        } else {
            Phases::ROOM
        };
        Phases::ACCESS | Phases::LOG | shown | asked
    }

    fn want(&self) -> Want {
        match self.charge {
            Charge::Expression(_) => Want::RAW_USAGE,
            Charge::TotalTokens | Charge::PromptTokens | Charge::CompletionTokens => Want::NONE,
        }
    }

    fn access<'a>(&'a self, ctx: &'a mut Ctx) -> Step<'a> {
        let Some(instance) = picked(ctx) else {
            return Step::NEXT;
        };
        let demands = match self.limits.demands(ctx, &instance) {
            Ok(demands) => demands,
            Err(unclear) => return self.unclear(ctx, &unclear),
        };
        match self.judge_at_once(ctx, &demands) {
            Some(has_left) => Step::Done(self.verdict(ctx, Ok(has_left))),
            None => Step::wait(async move {
                let outcome = self.judge_all(ctx, &demands).await;
                self.verdict(ctx, outcome)
            }),
        }
    }

    fn room<'a>(&'a self, ctx: &'a mut Ctx, instance: &'a str) -> Room<'a> {
        let demands = match self.limits.demands(ctx, &instance.into()) {
            Ok(demands) => demands,
            Err(unclear) => {
                // Whether the request passes all the same is decided by `access`, which sees this too.
                tracing::debug!(resource = &*self.resource, instance, "{unclear}");
                return Room::FREE;
            }
        };
        match self.judge_at_once(ctx, &demands) {
            Some(has_left) => Room::Done(Ok(has_left)),
            None => Room::wait(async move { self.judge_all(ctx, &demands).await }),
        }
    }

    fn head(&self, ctx: &mut Ctx, _status: &mut StatusCode, headers: &mut HeaderMap) {
        let told = ctx.budget.as_deref().map(|budget| &budget.headers);
        for (name, value) in told.into_iter().flatten() {
            headers.insert(name, value.clone());
        }
    }

    fn log(&self, ctx: &Ctx) {
        let (Some(instance), Some(exchange)) = (picked(ctx), &ctx.exchange) else {
            return;
        };
        let is_refused = ctx.budget.as_ref().is_some_and(|budget| budget.is_refused);
        let Some(attempt) = ctx.attempts.last() else {
            return;
        };
        if is_refused {
            return;
        }
        let is_answered = matches!(attempt.status, Some(200..=299));
        if is_answered && exchange.dialect != Dialect::Passthrough && !self.has_usage(exchange) {
            let resource = &*self.resource;
            tracing::error!(
                resource,
                instance = &*instance,
                "nothing is charged: the answer told no usage"
            );
        }
        let Some(cost) = self.cost(exchange) else {
            return;
        };
        let demands = self.limits.demands(ctx, &instance);
        for demand in demands.into_iter().flatten() {
            self.place
                .counters
                .charge(demand.counter, cost, demand.window);
        }
    }
}

impl AiRateLimiting {
    /// Whether something is left of every limit; `None` when that must be waited for. What they say
    /// is written down.
    fn judge_at_once(&self, ctx: &mut Ctx, demands: &Demands) -> Option<bool> {
        for demand in demands {
            let counters = &self.place.counters;
            let tally = counters.look_at_once(&demand.counter, demand.window)?;
            if !self.judge(ctx.budget.get_or_insert_default(), demand, tally) {
                return Some(false);
            }
        }
        Some(true)
    }

    /// The same where it must be waited for. Nothing is looked at twice for one request, and a store
    /// that could not be asked is not asked again.
    ///
    /// # Errors
    /// When the store cannot be asked, and requests do not pass then.
    async fn judge_all(&self, ctx: &mut Ctx, demands: &Demands) -> Result<bool, Fault> {
        for demand in demands {
            let budget = ctx.budget.get_or_insert_default();
            if budget.silent_stores.contains(&self.place.store) {
                return self.blind();
            }
            if budget.counters_with_room.contains(&demand.counter) {
                continue;
            }
            let counters = &self.place.counters;
            match counters.look(&demand.counter, demand.window).await {
                Ok(tally) if self.judge(budget, demand, tally) => {
                    budget.counters_with_room.push(demand.counter.clone());
                }
                Ok(_) => return Ok(false),
                Err(error) => {
                    tracing::error!(resource = &*self.resource, "failed to limit count: {error}");
                    budget.silent_stores.push(self.place.store.clone());
                    return self.blind();
                }
            }
        }
        Ok(true)
    }

    fn blind(&self) -> Result<bool, Fault> {
        if self.allows_degradation {
            return Ok(true);
        }
        let say = Say::ErrorMsg("failed to limit count".to_owned());
        Err(Fault::new(
            Whose::Gateway,
            StatusCode::INTERNAL_SERVER_ERROR,
            say,
        ))
    }

    /// Lets the request go on, or not.
    fn verdict(&self, ctx: &mut Ctx, outcome: Result<bool, Fault>) -> Result<Flow, Fault> {
        let fault = match outcome {
            Ok(true) => return Ok(Flow::Next),
            Ok(false) => self.refusal(),
            Err(fault) => fault,
        };
        ctx.budget.get_or_insert_default().is_refused = true;
        Err(fault)
    }

    /// Whether something is left; writes down what the client and the log are told.
    fn judge(&self, budget: &mut Budget, demand: &Demand, tally: Tally) -> bool {
        let remaining = demand.limit.saturating_sub(tally.used);
        if self.is_shown
            && let Some(names) = demand.headers()
        {
            let values = [
                HeaderValue::from(demand.limit),
                HeaderValue::from(remaining),
                seconds(tally.left),
            ];
            budget.headers.extend(names.into_iter().zip(values));
        }
        budget.allowance = Some(Allowance {
            key: demand.key.clone(),
            limit: demand.limit,
            remaining,
            reset: tally.left,
        });
        remaining > 0
    }

    fn refusal(&self) -> Fault {
        let text = self.rejected_msg.as_deref();
        let text = text.unwrap_or("the limit of tokens is reached: nothing is left in this window");
        let say = Say::ErrorMsg(text.to_owned());
        Fault::new(Whose::Client, self.rejected_code, say)
    }

    /// Goes on or not when it cannot be told whether something is left.
    fn unclear(&self, ctx: &mut Ctx, unclear: &Unclear) -> Step<'static> {
        tracing::error!(resource = &*self.resource, "{unclear}");
        if self.allows_degradation {
            return Step::NEXT;
        }
        ctx.budget.get_or_insert_default().is_refused = true;
        Step::respond(Reply::empty(StatusCode::INTERNAL_SERVER_ERROR))
    }

    /// Whether the answer told what an exchange is charged by.
    fn has_usage(&self, exchange: &Exchange) -> bool {
        match self.charge {
            Charge::Expression(_) => exchange.raw_usage.is_some(),
            Charge::TotalTokens | Charge::PromptTokens | Charge::CompletionTokens => {
                exchange.usage != Usage::default()
            }
        }
    }

    /// What the exchange is charged with; `None` when that is nothing, or nobody knows.
    fn cost(&self, exchange: &Exchange) -> Option<u64> {
        let usage = &exchange.usage;
        let cost = match &self.charge {
            Charge::TotalTokens => usage.total_tokens,
            Charge::PromptTokens => usage.prompt_tokens,
            Charge::CompletionTokens => usage.completion_tokens,
            Charge::Expression(cost) => match cost.of(exchange.raw_usage.as_ref()?) {
                Ok(cost) => cost,
                Err(fault) => {
                    tracing::error!(resource = &*self.resource, "nothing is charged: {fault}");
                    return None;
                }
            },
        };
        Some(cost).filter(|cost| *cost > 0)
    }
}

/// The instance that was chosen, or asked last.
fn picked(ctx: &Ctx) -> Option<Arc<str>> {
    let instance = &ctx.exchange.as_ref()?.instance;
    (!instance.is_empty()).then(|| instance.clone())
}

/// Seconds, with at most two decimals.
fn seconds(time: Duration) -> HeaderValue {
    let hundredths = time.as_millis().div_ceil(10);
    let (whole, part) = (hundredths / 100, hundredths % 100);
    let text = match part {
        0 => whole.to_string(),
        part if part % 10 == 0 => format!("{whole}.{}", part / 10),
        part => format!("{whole}.{part:02}"),
    };
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("0"))
}

/// Says what is accepted and does not do what one may expect.
fn warn(limits: &Limits, resource: &str) {
    for index in limits.dead_rules() {
        tracing::warn!(
            resource,
            rule = index + 1,
            "the key of a rule has no variable: the rule applies to no request"
        );
    }
    if limits.are_hopeless() {
        tracing::warn!(
            resource,
            "a limit or window is a text without variables, and no number: each request is an error"
        );
    }
    if resource.starts_with("/global_rules/") {
        tracing::warn!(
            resource,
            "ai-rate-limiting in a global rule refuses nothing, since it runs before an instance is \
             chosen: it only counts, and tells ai-proxy-multi which instances are used up"
        );
    }
}

// === impl Charge ===

impl Charge {
    /// What the configuration says.
    ///
    /// # Errors
    /// When its expression is missing or is none.
    fn new(config: &Config) -> Result<Self, ConfigError> {
        Ok(match config.limit_strategy {
            Strategy::TotalTokens => Self::TotalTokens,
            Strategy::PromptTokens => Self::PromptTokens,
            Strategy::CompletionTokens => Self::CompletionTokens,
            Strategy::Expression => {
                let at = "/cost_expr";
                let text = config.cost_expr.as_deref().ok_or_else(|| {
                    let name = Strategy::Expression.name();
                    let message = format!("cost_expr is required when limit_strategy is '{name}'");
                    ConfigError::at(at, message)
                })?;
                let cost = Cost::new(text);
                let cost = cost
                    .map_err(|error| ConfigError::at(at, format!("invalid cost_expr: {error}")))?;
                Self::Expression(cost)
            }
        })
    }
}
