#![doc = include_str!("../docs/simulator.md")]

mod answer;
mod behaviour;
mod body;
mod canned;
mod dialect;
mod event;
mod journal;
mod link;
mod prompt;
mod reply;
mod script;
mod serve;
mod server;
pub mod tokens;

pub use behaviour::{Behaviour, BehaviourError, LineEnd, Place, Usage};
pub use canned::CannedSizes;
pub use journal::{Entry, Journal, Outcome, Received, Stats, View};
pub use script::Script;
pub use server::{Running, Simulator};

/// The name of the model when a request names none.
const MODEL: &str = "sim-1";

/// When everything was made, in seconds since 1970: the same each time.
const CREATED: u64 = 1_700_000_000;
