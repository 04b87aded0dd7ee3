//! One immutable configuration, compiled: what a request sees from its first to its last moment.
//!
//! A snapshot is built off the hot path from a document and, where items did not change, from the
//! snapshot before it. An item that cannot be compiled keeps its earlier compiled form, or is left
//! out; it is reported either way and never holds up another one.

mod build;
mod compiler;
mod consumers;
mod globals;
mod routes;
mod upstream;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use plugin::{Chain, Consumer, Consumers, Living, Registry};
use serde_json::{Map, Value};
use telemetry::metrics::Metrics;

pub(crate) use consumers::Merged;
pub(crate) use routes::{Lack, Route, UpstreamChoice};
pub(crate) use upstream::{Node, PassHost, Upstream};

use crate::route::router::Router;
use crate::settings::Routing;
use build::Memory;
use consumers::Brought;
use globals::Globals;

/// A compiled configuration.
#[derive(Debug)]
pub struct Snapshot {
    revision: u64,
    router: Router,
    routes: Vec<Arc<Route>>,
    consumers: Arc<Consumers>,
    /// The consumers that bring plugins, by name.
    bringing: HashMap<Arc<str>, (usize, Arc<Brought>)>,
    /// By route and consumer; both levels are made when they are first needed.
    merged: Box<[OnceLock<Row>]>,
    globals: Globals,
    memory: Memory,
}

type Row = Box<[OnceLock<Merged>]>;

/// What a build may use beside the document.
#[derive(Clone, Copy, Debug)]
pub struct Environment<'a> {
    /// The enabled plugins.
    pub registry: &'a Registry,
    /// What outlives snapshots.
    pub living: &'a Living,
    /// The metrics that plugins may write to.
    pub metrics: &'a Metrics,
    /// The environment variables that references to secrets may name.
    pub process: &'a plugin::Environment,
    /// `plugin_attr` of the settings, by plugin name.
    pub attributes: &'a Map<String, Value>,
    /// How routes are found.
    pub routing: Routing,
}

/// A fault of one item, found while it was compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reported {
    /// The key of the item, such as `/routes/1`.
    pub key: Arc<str>,
    /// JSON pointer to the part at fault, such as `/plugins/key-auth/header`.
    pub pointer: String,
    /// What was expected and what was found.
    pub message: String,
    /// What became of the item.
    pub outcome: Outcome,
}

/// What became of an item with a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its earlier good version stays in use.
    Kept,
    /// It is left out.
    Dropped,
    /// It is in use; the fault only concerns the part named.
    Used,
    /// It is in use, without the value of an environment variable that is not set.
    Unset,
}

/// The snapshot in force.
#[derive(Debug)]
pub(crate) struct Current {
    snapshot: ArcSwap<Snapshot>,
}

// === impl Snapshot ===

impl Snapshot {
    /// Compiles a document; unchanged items are taken over from `previous`.
    ///
    /// It may take a while: call it where nobody waits.
    pub fn build(
        document: &config::Document,
        environment: Environment<'_>,
        previous: Option<&Self>,
    ) -> (Self, Vec<Reported>) {
        build::build(document, environment, previous)
    }

    /// The revision of the document that it was built from.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// How many routes can be reached.
    pub fn route_count(&self) -> usize {
        self.routes.len()
    }

    pub(crate) fn router(&self) -> &Router {
        &self.router
    }

    pub(crate) fn route(&self, index: usize) -> Option<&Arc<Route>> {
        self.routes.get(index)
    }

    pub(crate) fn consumers(&self) -> &Arc<Consumers> {
        &self.consumers
    }

    /// The global rules for a request of this route, or of none.
    pub(crate) fn global(&self, route: Option<&Route>) -> &Arc<Chain> {
        self.globals.chain(route)
    }

    /// The plugins of a route together with those that its consumer brings; `None` when the
    /// consumer brings none.
    pub(crate) fn merged(&self, index: usize, consumer: &Consumer) -> Option<&Merged> {
        if !consumer.brings_plugins {
            return None;
        }
        let (column, brought) = self.bringing.get(&consumer.username)?;
        let route = self.routes.get(index)?;
        let row = self.merged.get(index)?.get_or_init(|| {
            let cells = std::iter::repeat_with(OnceLock::new);
            cells.take(self.bringing.len()).collect()
        });
        let cell = row.get(*column)?;
        Some(cell.get_or_init(|| brought.over(&route.chain)))
    }
}

// === impl Reported ===

impl fmt::Display for Reported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.key)?;
        let path = self.pointer.strip_prefix('/').unwrap_or(&self.pointer);
        if !path.is_empty() {
            write!(f, "{}: ", path.replace('/', "."))?;
        }
        f.write_str(&self.message)?;
        f.write_str(match self.outcome {
            Outcome::Kept => " (the version before it stays in use)",
            Outcome::Dropped => " (left out)",
            Outcome::Used => "",
            Outcome::Unset => " (in use without it)",
        })
    }
}

// === impl Current ===

impl Current {
    /// Puts a first snapshot in force.
    pub(crate) fn new(snapshot: Snapshot) -> Self {
        Self {
            snapshot: ArcSwap::from_pointee(snapshot),
        }
    }

    /// Puts another snapshot in force for the requests that follow; those under way keep theirs.
    pub(crate) fn replace(&self, snapshot: Snapshot) {
        self.snapshot.store(Arc::new(snapshot));
    }

    /// The snapshot in force.
    pub(crate) fn load(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }
}
