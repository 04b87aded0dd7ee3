//! Breakers as the metrics show them.

use std::sync::Arc;

use ai::{Breaker, Instance};
use plugin::Host;
use telemetry::metrics::WatchedBreaker;

/// The breaker of an instance, shown for as long as this is kept.
#[derive(Debug)]
pub(super) struct Gauge {
    resource: Box<str>,
    instance: Arc<str>,
    breaker: Arc<Breaker>,
}

// === impl Gauge ===

impl Gauge {
    /// Shows `breaker` under the name of its instance, for the resource that is compiled.
    pub(super) fn new(host: &Host<'_>, instance: &Instance, breaker: &Arc<Breaker>) -> Arc<Self> {
        let gauge = Arc::new(Self {
            resource: host.resource.into(),
            instance: Arc::clone(instance.name()),
            breaker: Arc::clone(breaker),
        });
        host.metrics.watch_breaker(&gauge);
        gauge
    }
}

impl WatchedBreaker for Gauge {
    fn resource(&self) -> &str {
        &self.resource
    }

    fn instance(&self) -> &str {
        &self.instance
    }

    fn is_open(&self) -> bool {
        self.breaker.opens_in().is_some()
    }
}
