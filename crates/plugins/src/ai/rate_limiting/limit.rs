//! Which limits a request is held to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crc32fast::Hasher;
use http::HeaderName;
use plugin::{ConfigError, Ctx, Template};
use serde_json::{Value, json};
use smallvec::SmallVec;

use super::config::{Amount as AmountConfig, Config, Rule as RuleConfig};

/// The largest limit and the longest window: up to here every whole number is exact.
const MOST: u64 = (1 << 53) - 1;
/// The key of the limit of instances without one of their own.
const SHARED: &str = "ai-rate-limiting#global";

/// The compiled limits of a configuration.
#[derive(Debug)]
pub(super) struct Limits {
    kind: Kind,
    /// What the keys of counters begin with: the resource that holds the configuration, and in a
    /// shared store what comes before it.
    place: Box<str>,
}

#[derive(Debug)]
enum Kind {
    Rules {
        rules: Box<[Rule]>,
        sum: u32,
    },
    Instances {
        /// By the name of the instance.
        own: Box<[Own]>,
        /// For all others.
        shared: Option<Shared>,
    },
}

/// So much within such a window.
#[derive(Debug)]
struct Quota {
    limit: Amount,
    window: Amount,
}

#[derive(Debug)]
struct Rule {
    quota: Quota,
    key: Template,
    /// What its headers are called after.
    prefix: Box<str>,
}

/// The limit of one instance.
#[derive(Debug)]
struct Own {
    name: Arc<str>,
    quota: Quota,
    sum: u32,
}

/// The limit of each instance without one of its own.
#[derive(Debug)]
struct Shared {
    quota: Quota,
    /// The checksum over what comes before the name of the instance.
    start: Hasher,
    /// What comes after it.
    end: Box<str>,
}

#[derive(Debug)]
enum Amount {
    Fixed(u64),
    Filled(Template),
}

/// A limit that a request is held to.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Demand {
    /// The key of its counter.
    pub(super) counter: String,
    /// What is counted together, for people.
    pub(super) key: String,
    pub(super) limit: u64,
    pub(super) window: Duration,
    /// What comes after `X-AI-RateLimit-Limit-`, or stands in `X-AI-…-RateLimit-Limit`.
    named: Named,
}

#[derive(Debug, PartialEq, Eq)]
enum Named {
    Instance(Arc<str>),
    Prefix(Box<str>),
}

/// All limits of a request.
pub(super) type Demands = SmallVec<[Demand; 1]>;

/// Why it cannot be told to which limits a request is held.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unclear {
    /// A template gave no number.
    #[error(
        "expected {field} to be a whole number of 1 to {MOST} for this request, found {found:?}"
    )]
    Amount {
        /// The field.
        field: &'static str,
        /// What the template gave.
        found: String,
    },
    /// The request has no value for any rule.
    #[error("no rule applies to this request: none of their keys has a value")]
    NoRule,
}

// === impl Limits ===

impl Limits {
    /// Compiles the limits of a configuration that a resource holds; `place` is what the keys of
    /// counters begin with.
    ///
    /// # Errors
    /// Names a number that is too large.
    pub(super) fn new(config: &Config, place: String) -> Result<Self, ConfigError> {
        let kind = match config.rules.as_deref() {
            None | Some([]) => Kind::instances(config)?,
            Some(rules) => Kind::rules(rules, config)?,
        };
        Ok(Self {
            kind,
            place: place.into(),
        })
    }

    /// Whether they count by rules, and not by instance.
    pub(super) fn are_rules(&self) -> bool {
        matches!(self.kind, Kind::Rules { .. })
    }

    /// The places of rules that apply to no request at all.
    pub(super) fn dead_rules(&self) -> impl Iterator<Item = usize> {
        let rules = match &self.kind {
            Kind::Rules { rules, .. } => rules.iter().as_slice(),
            Kind::Instances { .. } => &[],
        };
        let rules = rules.iter().enumerate();
        rules.filter_map(|(index, rule)| rule.key.variables().next().is_none().then_some(index))
    }

    /// Whether some amount is a number for no request.
    pub(super) fn are_hopeless(&self) -> bool {
        match &self.kind {
            Kind::Rules { rules, .. } => rules.iter().any(|rule| rule.quota.is_hopeless()),
            Kind::Instances { own, shared } => {
                let own = own.iter().map(|own| &own.quota);
                let shared = shared.iter().map(|shared| &shared.quota);
                own.chain(shared).any(Quota::is_hopeless)
            }
        }
    }

    /// The limits that a request is held to when it goes to the instance; none when the instance has
    /// none.
    ///
    /// # Errors
    /// When that cannot be told.
    pub(super) fn demands(&self, ctx: &Ctx, instance: &Arc<str>) -> Result<Demands, Unclear> {
        let (own, shared) = match &self.kind {
            Kind::Rules { rules, sum } => return self.of_rules(ctx, rules, *sum),
            Kind::Instances { own, shared } => (own, shared),
        };
        let own = own.iter().find(|own| own.name == *instance);
        let (quota, sum, key) = match (own, shared) {
            (Some(own), _) => (&own.quota, own.sum, &*own.name),
            (None, Some(shared)) => (&shared.quota, shared.sum(instance), SHARED),
            (None, None) => return Ok(Demands::new()),
        };
        let (limit, window) = quota.of(ctx, "limit")?;
        Ok(Demands::from_iter([Demand {
            // Its key and its id are the same.
            counter: self.counter(sum, &[key, ":", key]),
            key: key.to_owned(),
            limit,
            window,
            named: Named::Instance(instance.clone()),
        }]))
    }

    fn of_rules(&self, ctx: &Ctx, rules: &[Rule], sum: u32) -> Result<Demands, Unclear> {
        let mut demands = Demands::new();
        for rule in rules {
            let mut key = String::new();
            if rule.key.fill(ctx, &mut key) == 0 {
                continue;
            }
            let (limit, window) = rule.quota.of(ctx, "count")?;
            demands.push(Demand {
                counter: self.counter(sum, &[&key]),
                key,
                limit,
                window,
                named: Named::Prefix(rule.prefix.clone()),
            });
        }
        if demands.is_empty() {
            return Err(Unclear::NoRule);
        }
        Ok(demands)
    }

    /// The key of a counter: `<resource>:<checksum>:<key>`.
    fn counter(&self, sum: u32, key: &[&str]) -> String {
        let mut buffer = itoa::Buffer::new();
        let mut parts: SmallVec<[&str; 7]> =
            SmallVec::from_slice(&[&self.place, ":", buffer.format(sum), ":"]);
        parts.extend_from_slice(key);
        parts.concat()
    }
}

// === impl Kind ===

impl Kind {
    fn rules(rules: &[RuleConfig], config: &Config) -> Result<Self, ConfigError> {
        let compiled = rules.iter().enumerate().map(|(index, rule)| {
            let at = format!("/rules/{index}");
            Ok(Rule {
                quota: Quota::new(&rule.count, &rule.time_window, &at, "count")?,
                key: Template::new(&rule.key),
                prefix: match &rule.header_prefix {
                    Some(prefix) => prefix.as_str().into(),
                    None => (index + 1).to_string().into(),
                },
            })
        });
        let told = rules.iter().map(|rule| {
            json!({
                "count": rule.count,
                "header_prefix": rule.header_prefix,
                "key": rule.key,
                "time_window": rule.time_window,
            })
        });
        let text = canonical(config, [("rules", told.collect())]).to_string();
        Ok(Self::Rules {
            rules: compiled.collect::<Result<_, ConfigError>>()?,
            sum: crc32fast::hash(text.as_bytes()),
        })
    }

    fn instances(config: &Config) -> Result<Self, ConfigError> {
        let instances = config.instances.as_deref().unwrap_or_default();
        let own = instances.iter().enumerate().map(|(index, own)| {
            let at = format!("/instances/{index}");
            let text = canonical(config, of_instance(&own.limit, &own.time_window, &own.name));
            Ok(Own {
                name: own.name.as_str().into(),
                quota: Quota::new(&own.limit, &own.time_window, &at, "limit")?,
                sum: crc32fast::hash(text.to_string().as_bytes()),
            })
        });
        let mut own = own.collect::<Result<Vec<_>, ConfigError>>()?;
        // compat: apache/apisix apisix/plugins/ai-rate-limiting.lua: of two limits of one instance,
        // the later one holds
        own.reverse();
        let shared = match (&config.limit, &config.time_window) {
            (Some(limit), Some(window)) => Some(Shared::new(config, limit, window)?),
            _ => None,
        };
        Ok(Self::Instances {
            own: own.into(),
            shared,
        })
    }
}

// === impl Shared ===

impl Shared {
    fn new(
        config: &Config,
        limit: &AmountConfig,
        window: &AmountConfig,
    ) -> Result<Self, ConfigError> {
        // Quotes inside texts are escaped: nothing else looks like this.
        const NAME: &str = r#""headers":"""#;
        let text = canonical(config, of_instance(limit, window, "")).to_string();
        let (before, after) = text.split_once(NAME).unwrap_or((&text, ""));
        let mut start = Hasher::new();
        start.update(before.as_bytes());
        start.update(br#""headers":"#);
        Ok(Self {
            quota: Quota::new(limit, window, "", "limit")?,
            start,
            end: after.into(),
        })
    }

    /// The checksum of the limit for one instance.
    fn sum(&self, instance: &str) -> u32 {
        let mut sum = self.start.clone();
        sum.update(Value::from(instance).to_string().as_bytes());
        sum.update(self.end.as_bytes());
        sum.finalize()
    }
}

/// The members of a limit that are an instance's own.
fn of_instance(
    limit: &AmountConfig,
    window: &AmountConfig,
    name: &str,
) -> [(&'static str, Value); 3] {
    [
        ("count", json!(limit)),
        ("headers", name.into()),
        ("time_window", json!(window)),
    ]
}

/// The effective limit as JSON with sorted names: what is counted anew when it is changed.
fn canonical<const N: usize>(config: &Config, own: [(&'static str, Value); N]) -> Value {
    let shared = [
        ("allow_degradation", json!(config.allow_degradation)),
        ("policy", json!(config.policy)),
        ("rejected_code", json!(config.rejected_code)),
        ("rejected_msg", json!(config.rejected_msg)),
        (
            "show_limit_quota_header",
            json!(config.show_limit_quota_header),
        ),
    ];
    let all: BTreeMap<_, _> = shared.into_iter().chain(own).collect();
    json!(all)
}

// === impl Quota ===

impl Quota {
    fn new(
        limit: &AmountConfig,
        window: &AmountConfig,
        at: &str,
        field: &str,
    ) -> Result<Self, ConfigError> {
        Ok(Self {
            limit: Amount::new(limit, at, field)?,
            window: Amount::new(window, at, "time_window")?,
        })
    }

    fn is_hopeless(&self) -> bool {
        self.limit.is_hopeless() || self.window.is_hopeless()
    }

    /// Limit and window for this request.
    fn of(&self, ctx: &Ctx, field: &'static str) -> Result<(u64, Duration), Unclear> {
        let limit = self.limit.of(ctx, field)?;
        let window = self.window.of(ctx, "time_window")?;
        Ok((limit, Duration::from_secs(window)))
    }
}

// === impl Amount ===

impl Amount {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "the number is whole and within bounds"
    )]
    fn new(config: &AmountConfig, at: &str, field: &str) -> Result<Self, ConfigError> {
        match config {
            AmountConfig::Text(text) => {
                let fixed = whole(text).map(Self::Fixed);
                Ok(fixed.unwrap_or_else(|| Self::Filled(Template::new(text))))
            }
            AmountConfig::Number(number) if (1.0..=MOST as f64).contains(number) => {
                Ok(Self::Fixed(*number as u64))
            }
            AmountConfig::Number(number) => Err(ConfigError::at(
                format!("{at}/{field}"),
                format!(
                    "property \"{field}\" validation failed: expected a number of 1 to {MOST}, found {number}"
                ),
            )),
        }
    }

    /// Whether it is a text without variables that is no number.
    fn is_hopeless(&self) -> bool {
        match self {
            Self::Fixed(_) => false,
            Self::Filled(template) => template.variables().next().is_none(),
        }
    }

    fn of(&self, ctx: &Ctx, field: &'static str) -> Result<u64, Unclear> {
        match self {
            Self::Fixed(number) => Ok(*number),
            Self::Filled(template) => {
                let mut text = String::new();
                template.fill(ctx, &mut text);
                whole(&text).ok_or(Unclear::Amount { field, found: text })
            }
        }
    }
}

/// A whole number above zero.
fn whole(text: &str) -> Option<u64> {
    let text = text.trim();
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = text.parse().ok().filter(|_| is_plain)?;
    (1..=MOST).contains(&number).then_some(number)
}

// === impl Demand ===

impl Demand {
    /// The names of its headers: limit, remaining, reset. None where a name is no header's.
    pub(super) fn headers(&self) -> Option<[HeaderName; 3]> {
        let name = |what: &str| {
            let name = match &self.named {
                Named::Instance(name) => ["x-ai-ratelimit-", what, "-", name].concat(),
                Named::Prefix(prefix) => ["x-ai-", prefix, "-ratelimit-", what].concat(),
            };
            HeaderName::from_bytes(name.as_bytes()).ok()
        };
        Some([name("limit")?, name("remaining")?, name("reset")?])
    }
}
