//! What operators may change about metrics: `plugin_attr.prometheus`.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use thiserror::Error;

use crate::names::{self, Kind, Label, Metric};

/// Settings of all metrics; keys that belong to the listener are ignored here.
///
/// Shape: `{"metric_prefix": "apisix_", "metrics": {"http_status": {"extra_labels":
/// [{"upstream": "$upstream_addr"}], "expire": 600}}, "llm_latency_buckets": [10, 100]}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Stands before every name that APISIX knows.
    pub metric_prefix: String,
    /// Settings by metric, named without prefix.
    pub metrics: BTreeMap<String, MetricSettings>,
    /// Upper bounds of `http_latency`, in milliseconds.
    pub default_buckets: Option<Vec<f64>>,
    /// Upper bounds of `llm_latency` and `llm_attempt_latency`, in milliseconds.
    pub llm_latency_buckets: Option<Vec<f64>>,
    /// Upper bounds of `llm_prompt_tokens_dist`, in tokens.
    pub llm_prompt_tokens_buckets: Option<Vec<f64>>,
    /// Upper bounds of `llm_completion_tokens_dist`, in tokens.
    pub llm_completion_tokens_buckets: Option<Vec<f64>>,
    /// How many series one metric may have before model names are folded into one.
    pub max_series: usize,
}

/// Settings of one metric.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct MetricSettings {
    /// Labels after the metric's own.
    pub extra_labels: Vec<ExtraLabel>,
    /// Seconds after which an unused series is dropped; 0 never.
    pub expire: u64,
}

/// A label whose value is a variable. Shape: `{"upstream": "$upstream_addr"}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtraLabel {
    /// The label's name.
    pub name: String,
    /// The variable's name, without `$`.
    pub variable: String,
}

/// Why settings cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SettingsError {
    /// A key names no metric.
    #[error("plugin_attr.prometheus.metrics: expected the name of a metric, found \"{0}\"")]
    UnknownMetric(String),
    /// A label's name is impossible or taken.
    #[error(
        "plugin_attr.prometheus.metrics.{metric}.extra_labels: expected a new label name of letters, digits and _, found \"{label}\""
    )]
    Label {
        /// The metric it was to be added to.
        metric: String,
        /// The name that was found.
        label: String,
    },
    /// The prefix cannot begin a metric name.
    #[error(
        "plugin_attr.prometheus.metric_prefix: expected letters, digits, : and _, found \"{0}\""
    )]
    Prefix(String),
    /// Bucket bounds do not grow, or one is no number.
    #[error("plugin_attr.prometheus.{0}: expected at least one finite bound, each above the last")]
    Buckets(&'static str),
}

// === impl Settings ===

impl Settings {
    pub(super) fn check(&self) -> Result<(), SettingsError> {
        if !is_name(&self.metric_prefix, true) {
            return Err(SettingsError::Prefix(self.metric_prefix.clone()));
        }
        for (name, own) in &self.metrics {
            let metric = Metric::ALL.iter().find(|metric| metric.spec().name == name);
            let metric = metric.ok_or_else(|| SettingsError::UnknownMetric(name.clone()))?;
            check_labels(*metric, &own.extra_labels)?;
        }
        for (name, bounds) in [
            ("default_buckets", &self.default_buckets),
            ("llm_latency_buckets", &self.llm_latency_buckets),
            ("llm_prompt_tokens_buckets", &self.llm_prompt_tokens_buckets),
            (
                "llm_completion_tokens_buckets",
                &self.llm_completion_tokens_buckets,
            ),
        ] {
            if bounds.as_deref().is_some_and(|bounds| !grows(bounds)) {
                return Err(SettingsError::Buckets(name));
            }
        }
        Ok(())
    }

    /// The upper bounds of a histogram; none for other metrics.
    pub(super) fn buckets(&self, metric: Metric) -> Vec<f64> {
        let Kind::Histogram(default) = metric.spec().kind else {
            return Vec::new();
        };
        let chosen = match metric {
            Metric::HttpLatency => &self.default_buckets,
            Metric::LlmLatency | Metric::LlmAttemptLatency => &self.llm_latency_buckets,
            Metric::LlmPromptTokensDist => &self.llm_prompt_tokens_buckets,
            Metric::LlmCompletionTokensDist => &self.llm_completion_tokens_buckets,
            _ => &None,
        };
        chosen.clone().unwrap_or_else(|| default.to_vec())
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            metric_prefix: names::DEFAULT_PREFIX.to_owned(),
            metrics: BTreeMap::new(),
            default_buckets: None,
            llm_latency_buckets: None,
            llm_prompt_tokens_buckets: None,
            llm_completion_tokens_buckets: None,
            max_series: 10_000,
        }
    }
}

fn check_labels(metric: Metric, extra: &[ExtraLabel]) -> Result<(), SettingsError> {
    let spec = metric.spec();
    let own = spec.labels.iter().copied().map(Label::as_str);
    let mut taken: Vec<&str> = own.chain(["le"]).collect();
    for label in extra {
        let name = &*label.name;
        if !is_name(name, false) || name.starts_with("__") || taken.contains(&name) {
            return Err(SettingsError::Label {
                metric: spec.name.to_owned(),
                label: name.to_owned(),
            });
        }
        taken.push(name);
    }
    Ok(())
}

fn is_name(name: &str, colon: bool) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || colon && byte == b':';
    let starts_well = name
        .bytes()
        .next()
        .is_some_and(|byte| !byte.is_ascii_digit());
    // A metric prefix may be empty, a label name may not.
    (starts_well || colon && name.is_empty()) && name.bytes().all(is_part)
}

fn grows(bounds: &[f64]) -> bool {
    !bounds.is_empty()
        && bounds.iter().all(|bound| bound.is_finite())
        && bounds.windows(2).all(|pair| pair[0] < pair[1])
}

// === impl ExtraLabel ===

impl<'de> Deserialize<'de> for ExtraLabel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = BTreeMap::<String, String>::deserialize(deserializer)?;
        let mut members = map.into_iter();
        match (members.next(), members.next()) {
            (Some((name, value)), None) => Ok(Self {
                name,
                variable: value.strip_prefix('$').unwrap_or(&value).to_owned(),
            }),
            _ => Err(serde::de::Error::custom(
                "expected an object with one member, the label's name, and a variable as its value",
            )),
        }
    }
}
