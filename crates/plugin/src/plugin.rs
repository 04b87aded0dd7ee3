//! The trait that every plugin implements.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{AttemptGuard, ConfigError, Ctx, Host, Phases, Room, Step, Want};

/// A plugin: a compiled, valid configuration and what it does in each phase.
///
/// A value of the type exists only when its configuration is valid. Hooks of phases that are not in
/// [`Plugin::phases`] are never called.
pub trait Plugin: Sized + Send + Sync + 'static {
    /// Name in configuration.
    const NAME: &'static str;
    /// Larger runs earlier within a phase.
    const PRIORITY: i32;
    /// Version shown by the schema endpoints.
    const VERSION: f64 = 0.1;
    /// The phases it takes part in.
    const PHASES: Phases;
    /// Names of the configuration fields that hold secrets, as dotted paths.
    const ENCRYPT_FIELDS: &'static [&'static str] = &[];
    /// What becomes of requests while a reference to a secret, in one of these fields or where the
    /// plugin cannot do with it, has no value.
    const ON_LACK: OnLack = OnLack::Refuse;
    /// Its configuration; schema, defaults and reference come from this type.
    type Config: DeserializeOwned + JsonSchema;

    /// Builds the plugin; what a schema cannot say is checked here.
    ///
    /// # Errors
    /// A [`ConfigError`] names the field and what was expected.
    fn compile(config: Self::Config, host: &Host<'_>) -> Result<Self, ConfigError>;

    /// JSON Schema of the plugin's metadata object, when it has one.
    fn metadata_schema() -> Option<Value> {
        None
    }

    /// The phases that this configuration takes part in, among [`Plugin::PHASES`].
    fn phases(&self) -> Phases {
        Self::PHASES
    }

    /// What it needs decoded from replies.
    fn want(&self) -> Want {
        Want::NONE
    }

    /// First look at the request.
    fn rewrite<'a>(&'a self, _ctx: &'a mut Ctx) -> Step<'a> {
        Step::NEXT
    }

    /// Decisions on the rewritten request.
    fn access<'a>(&'a self, _ctx: &'a mut Ctx) -> Step<'a> {
        Step::NEXT
    }

    /// Whether the instance of this name may be asked for this request, while one is being chosen.
    /// Nothing is used up by asking.
    fn room<'a>(&'a self, _ctx: &'a mut Ctx, _instance: &'a str) -> Room<'a> {
        Room::FREE
    }

    /// Instead of the plain upstream exchange.
    fn before_proxy<'a>(&'a self, _ctx: &'a mut Ctx) -> Step<'a> {
        Step::NEXT
    }

    /// The reply's status and headers, before they are sent.
    fn head(&self, _ctx: &mut Ctx, _status: &mut StatusCode, _headers: &mut HeaderMap) {}

    /// One piece of the reply's body, before it is sent; `last` marks the call after all bytes.
    fn chunk(&self, _ctx: &mut Ctx, _piece: &mut Bytes, _last: bool) {}

    /// An upstream attempt begins; the guard is dropped when it ends.
    fn attempt(&self, _ctx: &Ctx) -> Option<AttemptGuard> {
        None
    }

    /// After the reply.
    fn log(&self, _ctx: &Ctx) {}
}

/// What becomes of requests while a plugin's configuration refers to a secret that has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnLack {
    /// They are answered with 500 in the plugin's first phase.
    Refuse,
    /// They are served without the plugin, which only tells of them.
    Skip,
    /// The plugin gets the configuration with the reference in place, and sees to it that nobody
    /// else gets it.
    Cope,
}

/// A plugin that tells who the caller is; its consumers carry a config of their own.
pub trait AuthPlugin: Plugin {
    /// The config in a consumer or credential, for example `{"key": …}`.
    type Consumer: DeserializeOwned + JsonSchema;

    /// The credential by which the consumer is found.
    fn credential(consumer: &Self::Consumer) -> String;
}
