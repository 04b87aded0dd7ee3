//! The metrics of one gateway, and their text form.
//!
//! Values live in our own [`family::Family`] and not in the library's, since label names depend on
//! the settings, unused series expire, and their number is bounded. `prometheus-client` writes them.

mod attempt;
mod connections;
mod family;
mod observation;
mod settings;
#[cfg(test)]
mod tests;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

pub use attempt::{AttemptObservation, AttemptTimes};
pub use connections::{ConnectionGuard, ConnectionState};
use family::{Family, Series, Write};
pub use observation::{ActiveGuard, HttpObservation, LlmObservation, Traffic, Variable};
pub use settings::{ExtraLabel, MetricSettings, Settings, SettingsError};
pub use watch::WatchedBreaker;

use crate::names::Metric;

/// The content type of [`Metrics::encode`]'s text.
pub const CONTENT_TYPE: &str = prometheus_client::encoding::prometheus_text::CONTENT_TYPE;

/// All metrics of one gateway; clones share them.
#[derive(Clone, Debug)]
pub struct Metrics {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    families: Vec<Arc<Family>>,
    connections: Arc<connections::Connections>,
    watched: watch::Watched,
    started: Instant,
}

// === impl Metrics ===

impl Metrics {
    /// Builds every metric as the settings say.
    ///
    /// # Errors
    /// A setting that names no metric, or holds an impossible bucket, prefix or label name.
    pub fn new(settings: &Settings) -> Result<Self, SettingsError> {
        settings.check()?;
        Ok(Self::build(settings))
    }

    fn build(settings: &Settings) -> Self {
        let families = Metric::ALL
            .iter()
            .map(|&metric| Arc::new(Family::new(metric, settings)))
            .collect();
        Self {
            inner: Arc::new(Inner {
                families,
                connections: Arc::default(),
                watched: watch::Watched::default(),
                started: Instant::now(),
            }),
        }
    }

    /// The labels that the settings add to a metric, for whoever resolves variables.
    pub fn extra_labels(&self, metric: Metric) -> &[ExtraLabel] {
        self.family(metric).map_or(&[], |family| family.extra())
    }

    /// Blanks labels from here on; the whole of `plugin_metadata.prometheus.disabled_labels`.
    ///
    /// Names that are unknown, or that may not be blanked (`code`, `type`), have no effect.
    /// Shape: `{"http_status": ["consumer", "node"]}`.
    pub fn set_disabled_labels(&self, disabled: &BTreeMap<String, Vec<String>>) {
        for family in &self.inner.families {
            let labels = disabled.get(family.metric().spec().name);
            family.disable(labels.map_or(&[], Vec::as_slice));
        }
    }

    /// Says who is reporting.
    pub fn set_node_info(&self, hostname: &str, version: &str) {
        self.set(Metric::NodeInfo, &[hostname, version], 1);
    }

    /// Says whether active checks call a node of an upstream healthy.
    pub fn set_upstream_status(&self, name: &str, ip: &str, port: u16, healthy: bool) {
        let port = port.to_string();
        let value = i64::from(healthy);
        self.set(Metric::UpstreamStatus, &[name, ip, &port], value);
    }

    /// Forgets a node of an upstream that is no longer checked.
    pub fn remove_upstream_status(&self, name: &str, ip: &str, port: u16) {
        if let Some(family) = self.family(Metric::UpstreamStatus) {
            family.remove(&[name, ip, &port.to_string()]);
        }
    }

    /// Says whether the configuration store answers.
    pub fn set_etcd_reachable(&self, reachable: bool) {
        self.set(Metric::EtcdReachable, &[], i64::from(reachable));
    }

    /// Counts a client connection, from here until the guard is dropped.
    pub fn connection_opened(&self) -> ConnectionGuard {
        ConnectionGuard::new(Arc::clone(&self.inner.connections))
    }

    /// Counts a request that arrived.
    pub fn request_received(&self) {
        self.inner.connections.request();
    }

    /// Counts log entries that were not written.
    pub fn log_entries_dropped(&self, target: &str, count: u64) {
        self.add(Metric::LogEntriesDropped, &[target], count);
    }

    /// Counts a panic that was caught.
    pub fn panic_caught(&self) {
        self.add(Metric::Panics, &[], 1);
    }

    /// Counts a client that left before the end of its answer.
    pub fn client_disconnected(&self) {
        self.add(Metric::ClientDisconnects, &[], 1);
    }

    /// All metrics in the Prometheus text format 0.0.4; expired series are dropped first.
    pub fn encode(&self) -> String {
        self.encode_at(self.now())
    }

    fn encode_at(&self, now: u64) -> String {
        self.set_connections();
        let _reading = self.read_breakers();
        let mut text = String::new();
        for family in &self.inner.families {
            family.sweep(now);
            let before = text.len();
            if family.write(&mut text).is_err() {
                tracing::error!(metric = family.metric().spec().name, "metric not written");
                text.truncate(before);
            }
        }
        text
    }

    fn set_connections(&self) {
        let connections = &self.inner.connections;
        self.set(Metric::HttpRequestsTotal, &[], connections.requests());
        for (state, value) in connections.by_state() {
            self.set(Metric::CurrentConnections, &[state], value);
        }
    }

    fn family(&self, metric: Metric) -> Option<&Arc<Family>> {
        self.inner.families.get(metric as usize)
    }

    /// Whole seconds since the start: the clock of expiry.
    fn now(&self) -> u64 {
        self.inner.started.elapsed().as_secs()
    }

    fn set(&self, metric: Metric, labels: &[&str], value: i64) {
        if let Some(series) = self.plain_series(metric, labels) {
            series.set(value);
        }
    }

    fn add(&self, metric: Metric, labels: &[&str], count: u64) {
        if let Some(series) = self.plain_series(metric, labels) {
            series.add(count);
        }
    }

    fn plain_series(&self, metric: Metric, labels: &[&str]) -> Option<Arc<Series>> {
        let write: &Write<'_> = &|index, _, out| {
            out.push_str(labels.get(index).copied().unwrap_or_default());
        };
        self.series(metric, write, &|_, _| {})
    }

    /// The series with these label values: `write` gives the metric's own, `extra` the added ones.
    fn series(
        &self,
        metric: Metric,
        write: &Write<'_>,
        extra: &Variable<'_>,
    ) -> Option<Arc<Series>> {
        let found = self.family(metric)?.series(write, extra, self.now());
        if found.overflowed && metric != Metric::SeriesOverflow {
            self.add(Metric::SeriesOverflow, &[metric.spec().name], 1);
        }
        found.series
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::build(&Settings::default())
    }
}
