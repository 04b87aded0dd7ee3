//! One metric with all its series.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeMetric, MetricEncoder, prometheus_text,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::{ExtraLabel, Settings, Variable};
use crate::names::{Kind, Label, Metric};

/// Writes the value of the metric's own label with this index.
pub(super) type Write<'a> = dyn Fn(usize, Label, &mut String) + 'a;

/// Model names are cut to this many bytes.
///
/// compat: apache/apisix `apisix/plugins/prometheus/exporter.lua` cuts at 128 bytes
const MODEL_BYTES: usize = 128;

/// Stands for a value that clients choose once a metric has no room for another.
const OVERFLOW: &str = "<overflow>";

/// Separates label values in a key: a byte that no UTF-8 text holds.
const SEPARATOR: u8 = 0xff;

#[derive(Debug)]
pub(super) struct Family {
    metric: Metric,
    name: String,
    labels: Vec<String>,
    extra: Vec<ExtraLabel>,
    buckets: Vec<f64>,
    /// Bit n: the own label n is blank.
    disabled: AtomicU32,
    /// Seconds after which an unused series is dropped; 0 never.
    expire: u64,
    limit: usize,
    series: RwLock<HashMap<Box<[u8]>, Arc<Series>>>,
}

/// One value of a metric.
#[derive(Debug)]
pub(super) struct Series {
    value: Value,
    /// When it was last looked up, in seconds since the start.
    used: AtomicU64,
}

#[derive(Debug)]
enum Value {
    Counter(AtomicU64),
    Gauge(AtomicI64),
    Histogram(Histogram),
}

/// The outcome of looking for a series.
#[derive(Debug)]
pub(super) struct Found {
    /// `None`: the metric has no room, not even without the values that clients choose.
    pub(super) series: Option<Arc<Series>>,
    /// Whether the asked-for label values had no room.
    pub(super) overflowed: bool,
}

/// Lends a family to the library for the time of one encoding.
#[derive(Debug)]
struct Lent(Arc<Family>);

// === impl Family ===

impl Family {
    pub(super) fn new(metric: Metric, settings: &Settings) -> Self {
        let spec = metric.spec();
        let own = settings.metrics.get(spec.name);
        let prefix = if spec.ours {
            ""
        } else {
            &*settings.metric_prefix
        };
        let extra = own.map_or_else(Vec::new, |own| own.extra_labels.clone());
        let labels = spec.labels.iter().map(|label| label.as_str().to_owned());
        Self {
            metric,
            name: format!("{prefix}{}", spec.name),
            labels: labels
                .chain(extra.iter().map(|label| label.name.clone()))
                .collect(),
            extra,
            buckets: settings.buckets(metric),
            disabled: AtomicU32::new(0),
            expire: own.map_or(0, |own| own.expire),
            limit: settings.max_series,
            series: RwLock::default(),
        }
    }

    pub(super) fn metric(&self) -> Metric {
        self.metric
    }

    pub(super) fn extra(&self) -> &[ExtraLabel] {
        &self.extra
    }

    /// Blanks exactly these labels from here on.
    pub(super) fn disable(&self, names: &[String]) {
        let labels = self.metric.spec().labels.iter().zip(0_u32..);
        let bits = labels
            .filter(|(label, _)| label.may_be_disabled())
            .filter(|(label, _)| names.iter().any(|name| name == label.as_str()))
            .fold(0, |bits, (_, index)| bits | 1 << index);
        self.disabled.store(bits, Ordering::Relaxed);
    }

    /// Finds or makes the series with these label values.
    pub(super) fn series(&self, write: &Write<'_>, extra: &Variable<'_>, now: u64) -> Found {
        let key = self.key(write, extra);
        if let Some(series) = self.find(&key, now) {
            return Found::new(Some(series), false);
        }
        if let Some(series) = self.insert(key, self.limit, now) {
            return Found::new(Some(series), false);
        }
        let folded = |index: usize, label: Label, out: &mut String| {
            if label.is_from_client() {
                out.push_str(OVERFLOW);
            } else {
                write(index, label, out);
            }
        };
        let key = self.key(&folded, &|_, out| out.push_str(OVERFLOW));
        let series = self.find(&key, now);
        // Twice the limit ends it: what configuration alone can make is bounded too.
        let series = series.or_else(|| self.insert(key, self.limit.saturating_mul(2), now));
        Found::new(series, true)
    }

    pub(super) fn remove(&self, labels: &[&str]) {
        let write = |index: usize, _: Label, out: &mut String| {
            out.push_str(labels.get(index).copied().unwrap_or_default());
        };
        let key = self.key(&write, &|_, _| {});
        let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
        series.remove(&*key);
    }

    pub(super) fn clear(&self) {
        let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
        series.clear();
    }

    /// Drops the series that were not used for the configured time.
    pub(super) fn sweep(&self, now: u64) {
        if self.expire == 0 {
            return;
        }
        let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
        series.retain(|_, one| {
            one.is_busy() || now.saturating_sub(one.used.load(Ordering::Relaxed)) < self.expire
        });
    }

    /// Appends the metric's lines; nothing when it has no series.
    pub(super) fn write(self: &Arc<Self>, text: &mut String) -> fmt::Result {
        let is_empty = self
            .series
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty();
        if is_empty {
            return Ok(());
        }
        let mut registry = Registry::default();
        registry.register_collector(Box::new(Lent(Arc::clone(self))));
        let start = text.len();
        prometheus_text::encode(text, &registry)?;
        if self.metric.spec().kind == Kind::Counter {
            declare_counter(text, start, &self.name);
        }
        Ok(())
    }

    fn key(&self, write: &Write<'_>, extra: &Variable<'_>) -> Vec<u8> {
        let disabled = self.disabled.load(Ordering::Relaxed);
        let mut key = Vec::with_capacity(160);
        let mut value = String::with_capacity(64);
        for (index, &label) in self.metric.spec().labels.iter().enumerate() {
            value.clear();
            if disabled >> index & 1 == 0 {
                write(index, label, &mut value);
            }
            if label.is_from_client() {
                value.truncate(value.floor_char_boundary(MODEL_BYTES));
            }
            key.extend_from_slice(value.as_bytes());
            key.push(SEPARATOR);
        }
        for label in &self.extra {
            value.clear();
            extra(&label.variable, &mut value);
            key.extend_from_slice(value.as_bytes());
            key.push(SEPARATOR);
        }
        key
    }

    fn find(&self, key: &[u8], now: u64) -> Option<Arc<Series>> {
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        let found = series.get(key)?;
        if self.expire != 0 {
            found.used.store(now, Ordering::Relaxed);
        }
        Some(Arc::clone(found))
    }

    fn insert(&self, key: Vec<u8>, limit: usize, now: u64) -> Option<Arc<Series>> {
        let mut series = self.series.write().unwrap_or_else(PoisonError::into_inner);
        if !series.contains_key(&*key) && series.len() >= limit {
            return None;
        }
        let made = series.entry(key.into_boxed_slice()).or_insert_with(|| {
            Arc::new(Series {
                value: Value::new(self.metric.spec().kind, &self.buckets),
                used: AtomicU64::new(now),
            })
        });
        Some(Arc::clone(made))
    }

    fn encode_series(&self, encoder: &mut MetricEncoder<'_>) -> fmt::Result {
        let series = self.series.read().unwrap_or_else(PoisonError::into_inner);
        let mut sorted: Vec<_> = series.iter().collect();
        sorted.sort_unstable_by_key(|(key, _)| *key);
        for (key, one) in sorted {
            let values = key.split(|byte| *byte == SEPARATOR);
            let labels: Vec<_> = self
                .labels
                .iter()
                .zip(values)
                .map(|(name, value)| (&**name, String::from_utf8_lossy(value)))
                .collect();
            one.value.encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// Turns the type line of the family that starts at `start` into that of a counter.
///
/// The library's counters always end in `_total`, and APISIX's do not; so they are handed to it
/// as values of unknown type, which keeps their names.
fn declare_counter(text: &mut String, start: usize, name: &str) {
    let written = format!("# TYPE {name} untyped\n");
    let found = text.get(start..).and_then(|lines| lines.find(&written));
    if let Some(at) = found.map(|at| start + at) {
        let line = format!("# TYPE {name} counter\n");
        text.replace_range(at..at + written.len(), &line);
    }
}

// === impl Series ===

impl Series {
    pub(super) fn add(&self, count: u64) {
        if let Value::Counter(value) = &self.value {
            value.fetch_add(count, Ordering::Relaxed);
        }
    }

    pub(super) fn observe(&self, value: f64) {
        if let Value::Histogram(histogram) = &self.value {
            histogram.observe(value);
        }
    }

    pub(super) fn set(&self, value: i64) {
        if let Value::Gauge(gauge) = &self.value {
            gauge.store(value, Ordering::Relaxed);
        }
    }

    pub(super) fn change(&self, by: i64) {
        if let Value::Gauge(gauge) = &self.value {
            gauge.fetch_add(by, Ordering::Relaxed);
        }
    }

    /// A gauge above zero is held by someone who will lower it.
    fn is_busy(&self) -> bool {
        matches!(&self.value, Value::Gauge(gauge) if gauge.load(Ordering::Relaxed) != 0)
    }
}

// === impl Value ===

impl Value {
    fn new(kind: Kind, buckets: &[f64]) -> Self {
        match kind {
            Kind::Counter => Self::Counter(AtomicU64::new(0)),
            Kind::Gauge => Self::Gauge(AtomicI64::new(0)),
            Kind::Histogram(_) => Self::Histogram(Histogram::new(buckets.iter().copied())),
        }
    }

    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        match self {
            Self::Counter(value) => encoder.encode_gauge(&value.load(Ordering::Relaxed)),
            Self::Gauge(value) => encoder.encode_gauge(&value.load(Ordering::Relaxed)),
            Self::Histogram(histogram) => histogram.encode(encoder),
        }
    }
}

// === impl Found ===

impl Found {
    fn new(series: Option<Arc<Series>>, overflowed: bool) -> Self {
        Self { series, overflowed }
    }
}

// === impl Lent ===

impl Collector for Lent {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let spec = self.0.metric.spec();
        let kind = match spec.kind {
            Kind::Counter => MetricType::Unknown,
            Kind::Gauge => MetricType::Gauge,
            Kind::Histogram(_) => MetricType::Histogram,
        };
        let mut encoder = encoder.encode_descriptor(&self.0.name, spec.help, None, kind)?;
        self.0.encode_series(&mut encoder)
    }
}
