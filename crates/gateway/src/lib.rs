//! The door for traffic: from an accepted connection to the log line of each request.
//!
//! Knows HTTP towards clients, how routes are found, in which order plugins run, and plain reverse
//! proxying. Does not know any plugin by what it does, where the configuration comes from, or how
//! operators are served.
//!
//! A request loads the [`Snapshot`] in force once. Its context and the body of its answer are one
//! value; when that value ends, by completion or because the client left, the log phase runs.

mod access_log;
mod connection;
mod deadline;
mod door;
mod drain;
mod forward;
mod gateway;
mod hygiene;
mod id;
mod panic;
mod phases;
mod refusal;
mod reply;
mod request;
mod route;
mod settings;
mod snapshot;
mod stream;
mod target;
mod visit;

pub use door::Door;
pub use gateway::Gateway;
pub use settings::{AccessLog, Limits, LogFormat, RouterKind, Routing, Settings, UnknownRouter};
pub use snapshot::{Environment, Outcome, Reported, Snapshot};
