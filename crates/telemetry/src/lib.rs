//! What operators see: metric names and values, log files, log entries.
//!
//! It knows the names, labels and types of every metric, how they are written for Prometheus, and
//! how lines get into a log file without making a request wait.
//! It does **not** know routes, plugins, requests or providers: all its functions take plain values.
//!
//! ```
//! use telemetry::metrics::{HttpObservation, Metrics, Settings, Traffic};
//!
//! let metrics = Metrics::new(&Settings::default())?;
//! let traffic = Traffic { route_id: "1", ..Traffic::default() };
//! metrics.http(&HttpObservation { status: 200, source: "upstream", ..HttpObservation::new(&traffic) });
//! assert!(metrics.encode().contains(r#"apisix_http_status{code="200",route="1""#));
//! # Ok::<(), telemetry::metrics::SettingsError>(())
//! ```

pub mod access_log;
pub mod log_sink;
pub mod metrics;
pub mod names;
