//! The operators' door: Admin API, control API, status and metrics.
//!
//! It knows how resources are read and written over HTTP in APISIX's shapes ([`api`]), what an
//! operator may ask a running gateway ([`control`]), how metrics are fetched ([`export`]), and how
//! such a listener is served ([`server`]). What the gateway serves at this moment comes in through
//! [`Live`].
//!
//! It does **not** know traffic: neither connections of clients, nor upstreams, nor what a plugin
//! does with a request.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use admin::{Export, Limits, serve};
//! use telemetry::metrics::Metrics;
//!
//! # async fn example() -> std::io::Result<()> {
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:9091").await?;
//! let export = Export::new(Metrics::default(), "/apisix/prometheus/metrics");
//! let stop = std::future::pending();
//! serve(listener, Arc::new(export), Limits::default(), stop).await;
//! # Ok(())
//! # }
//! ```

pub mod access;
pub mod api;
pub mod control;
pub mod export;
pub mod live;
pub mod server;

mod body;
mod call;
mod plugin_host;
mod reply;
mod view;

pub use access::{Access, AdminKey, Role};
pub use api::{Api, Source, Wiring};
pub use control::{Control, Facts, Listener};
pub use export::Export;
pub use live::Live;
pub use plugin_host::PluginHost;
pub use server::{Limits, Service, serve};
