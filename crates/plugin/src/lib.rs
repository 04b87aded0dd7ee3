//! The contract between the gateway and its plugins.
//!
//! Knows: the [`Plugin`] trait and its phases, the per-request [`Ctx`], compiled [`Chain`]s,
//! variables and expressions, [`Fault`]s and [`Reply`]s, the [`Registry`] of plugin entries.
//!
//! Does not know: any concrete plugin, sockets, listeners, or how an AI exchange is made.

mod attempt;
mod body;
mod budget;
mod chain;
mod collector;
mod consumer;
mod ctx;
mod entry;
mod environment;
mod expr;
mod fault;
mod living;
mod log_entry;
mod log_format;
mod mask;
mod meta;
mod phase;
mod plugin;
pub mod reference;
mod registry;
mod reply;
mod room;
mod route;
#[cfg(test)]
mod sample;
mod step;
mod template;
mod var;

pub use attempt::{Attempt, AttemptGuard, Choice};
pub use body::{BodyError, BodyStream, LARGEST_FOR_VARIABLES, RequestBody};
pub use budget::{Allowance, Budget};
pub use chain::{Chain, Link};
pub use collector::Collector;
pub use config::Secret;
pub use config::schema::schema_of;
pub use config::secret::is_reference;
pub use consumer::{Consumer, Consumers};
pub use ctx::{ClientRequest, Ctx, End, Sent};
pub use entry::{
    Compile, Compiled, ConfigError, ConsumerEntry, Entry, Host, consumer_entry, entry,
};
pub use environment::Environment;
pub use expr::{Expr, ExprError};
pub use fault::{Fault, Retry, Say, Whose};
pub use living::Living;
pub use log_entry::{Logged, access_line, log_entry};
pub use log_format::{LogFormat, LogFormatError};
pub use meta::Meta;
pub use phase::{Phases, Want};
pub use plugin::{AuthPlugin, OnLack, Plugin};
pub use registry::{Identified, Identity, Lack, PluginFault, Registry};
pub use reply::{Relay, RelayError, Reply, ReplyBody, ReplySource};
pub use room::Room;
pub use route::RouteFacts;
pub use step::{Flow, Step};
pub use template::Template;
pub use var::{Value, Var, hostname};
