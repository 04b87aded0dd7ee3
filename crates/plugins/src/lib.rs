//! Every plugin, one file each, and the one list of them.
//!
//! Knows: each plugin's configuration and what it does in which phase.
//!
//! Does not know: listeners, routes, or where configuration comes from.

mod ai;
mod auth;
mod list;
mod log;
mod observe;

#[cfg(test)]
mod sample;

pub use ai::{Idle, idle_fields};
pub use list::PLUGINS;
