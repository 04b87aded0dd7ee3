//! Plugins that measure requests.

mod prometheus;

pub(crate) use prometheus::Prometheus;
