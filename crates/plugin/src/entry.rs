//! One row of the plugin list, and the object-safe face of a compiled plugin.

use std::sync::Arc;

use bytes::Bytes;
use config::schema::schema_of;
use http::{HeaderMap, StatusCode};
use serde_json::Value;
use telemetry::log_sink::LogSinks;
use telemetry::metrics::Metrics;

use crate::{
    AttemptGuard, AuthPlugin, Ctx, Environment, Living, OnLack, Phases, Plugin, Room, Step, Want,
};

/// What a plugin may use while it is compiled.
#[derive(Clone, Copy, Debug)]
pub struct Host<'a> {
    /// What outlives a snapshot.
    pub living: &'a Living,
    /// The metric registry.
    pub metrics: &'a Metrics,
    /// The environment variables of the process, as it found them.
    pub environment: &'a Environment,
    /// `plugin_attr.<name>` of the settings.
    pub attributes: Option<&'a Value>,
    /// `plugin_metadata` of this plugin.
    pub metadata: Option<&'a Value>,
    /// Key of the resource that holds the configuration, for example `/routes/1`.
    pub resource: &'a str,
}

/// A configuration that the schema accepts and the plugin does not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConfigError {
    /// JSON pointer of the field within the plugin's configuration; empty for the whole.
    pub pointer: String,
    /// What was expected, what was found.
    pub message: String,
}

/// A compiled plugin, whatever its type. Implemented for every [`Plugin`].
pub trait Compiled: Send + Sync {
    /// [`Plugin::NAME`].
    fn name(&self) -> &'static str;
    /// [`Plugin::phases`].
    fn phases(&self) -> Phases;
    /// [`Plugin::want`].
    fn want(&self) -> Want;
    /// [`Plugin::rewrite`].
    fn rewrite<'a>(&'a self, ctx: &'a mut Ctx) -> Step<'a>;
    /// [`Plugin::access`].
    fn access<'a>(&'a self, ctx: &'a mut Ctx) -> Step<'a>;
    /// [`Plugin::room`].
    fn room<'a>(&'a self, _ctx: &'a mut Ctx, _instance: &'a str) -> Room<'a> {
        Room::FREE
    }
    /// [`Plugin::before_proxy`].
    fn before_proxy<'a>(&'a self, ctx: &'a mut Ctx) -> Step<'a>;
    /// [`Plugin::head`].
    fn head(&self, ctx: &mut Ctx, status: &mut StatusCode, headers: &mut HeaderMap);
    /// [`Plugin::chunk`].
    fn chunk(&self, ctx: &mut Ctx, piece: &mut Bytes, last: bool);
    /// [`Plugin::attempt`].
    fn attempt(&self, ctx: &Ctx) -> Option<AttemptGuard>;
    /// [`Plugin::log`].
    fn log(&self, ctx: &Ctx);
}

/// Turns a configuration, without `_meta`, into a plugin.
pub type Compile = fn(&Value, &Host<'_>) -> Result<Arc<dyn Compiled>, ConfigError>;

/// A row of the plugin list.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Name in configuration.
    pub name: &'static str,
    /// Larger runs earlier within a phase.
    pub priority: i32,
    /// Version shown by the schema endpoints.
    pub version: f64,
    /// The phases it takes part in.
    pub phases: Phases,
    /// Secret fields, as dotted paths.
    pub encrypt_fields: &'static [&'static str],
    /// What becomes of requests while one of them has no value.
    pub on_lack: OnLack,
    /// JSON Schema of the configuration.
    pub schema: fn() -> Value,
    /// JSON Schema of the metadata object.
    pub metadata_schema: fn() -> Option<Value>,
    /// Whether the plugin's type can read a configuration that the schema accepted.
    pub read: fn(&Value) -> Result<(), ConfigError>,
    /// Compiles a configuration that the schema accepted.
    pub compile: Compile,
    /// The consumer side of an auth plugin.
    pub consumer: Option<ConsumerEntry>,
}

/// The consumer side of an auth plugin.
#[derive(Clone, Copy, Debug)]
pub struct ConsumerEntry {
    /// JSON Schema of the consumer's config.
    pub schema: fn() -> Value,
    /// The credential by which the consumer is found.
    pub credential: fn(&Value) -> Result<String, ConfigError>,
}

/// The row of `P`.
pub const fn entry<P: Plugin>() -> Entry {
    Entry {
        name: P::NAME,
        priority: P::PRIORITY,
        version: P::VERSION,
        phases: P::PHASES,
        encrypt_fields: P::ENCRYPT_FIELDS,
        on_lack: P::ON_LACK,
        schema: schema_of::<P::Config>,
        metadata_schema: P::metadata_schema,
        read: |raw| read::<P::Config>(raw).map(drop),
        compile: compile::<P>,
        consumer: None,
    }
}

/// The row of the auth plugin `P`.
pub const fn consumer_entry<P: AuthPlugin>() -> Entry {
    let mut row = entry::<P>();
    row.consumer = Some(ConsumerEntry {
        schema: schema_of::<P::Consumer>,
        credential: credential_of::<P>,
    });
    row
}

// A type of our own, so that the blanket implementation collides with nobody else's.
struct Holder<P>(P);

fn read<T: serde::de::DeserializeOwned>(raw: &Value) -> Result<T, ConfigError> {
    config::check::read(raw).map_err(|error| ConfigError::at(error.pointer, error.message))
}

fn compile<P: Plugin>(raw: &Value, host: &Host<'_>) -> Result<Arc<dyn Compiled>, ConfigError> {
    let plugin = P::compile(read(raw)?, host)?;
    Ok(Arc::new(Holder(plugin)))
}

fn credential_of<P: AuthPlugin>(raw: &Value) -> Result<String, ConfigError> {
    Ok(P::credential(&read(raw)?))
}

// === impl Host ===

impl Host<'_> {
    /// The log files of this process, one sink per path.
    pub fn log_sinks(&self) -> Arc<LogSinks> {
        self.living.log_sinks(self.metrics)
    }
}

// === impl ConfigError ===

impl ConfigError {
    /// A fault of the field at `pointer`.
    pub fn at(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            pointer: pointer.into(),
            message: message.into(),
        }
    }
}

// === impl Holder ===

impl<P: Plugin> Compiled for Holder<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn phases(&self) -> Phases {
        self.0.phases()
    }

    fn want(&self) -> Want {
        self.0.want()
    }

    fn rewrite<'a>(&'a self, ctx: &'a mut Ctx) -> Step<'a> {
        self.0.rewrite(ctx)
    }

    fn access<'a>(&'a self, ctx: &'a mut Ctx) -> Step<'a> {
        self.0.access(ctx)
    }

    fn room<'a>(&'a self, ctx: &'a mut Ctx, instance: &'a str) -> Room<'a> {
        self.0.room(ctx, instance)
    }

    fn before_proxy<'a>(&'a self, ctx: &'a mut Ctx) -> Step<'a> {
        self.0.before_proxy(ctx)
    }

    fn head(&self, ctx: &mut Ctx, status: &mut StatusCode, headers: &mut HeaderMap) {
        self.0.head(ctx, status, headers);
    }

    fn chunk(&self, ctx: &mut Ctx, piece: &mut Bytes, last: bool) {
        self.0.chunk(ctx, piece, last);
    }

    fn attempt(&self, ctx: &Ctx) -> Option<AttemptGuard> {
        self.0.attempt(ctx)
    }

    fn log(&self, ctx: &Ctx) {
        self.0.log(ctx);
    }
}
