//! From a document to a snapshot.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, OnceLock};

use config::Document;
use config::document::{Item, Items};
use config::resource::PluginMetadata;

use super::compiler::{Compiled, Compiler, Fault, same};
use super::consumers::{self, KnownConsumers};
use super::globals::{self, KnownRules};
use super::routes::{Route, RouteBuild};
use super::upstream::KnownUpstreams;
use super::{Environment, Outcome, Reported, Snapshot};
use crate::route::router::Router;

/// What the next build may take over from this one.
#[derive(Debug)]
pub(super) struct Memory {
    pub(super) metadata: Items<PluginMetadata>,
    pub(super) process: plugin::Environment,
    pub(super) plugins: Compiled,
    pub(super) routes: HashMap<Arc<str>, Arc<Route>>,
    pub(super) upstreams: KnownUpstreams,
    pub(super) consumers: KnownConsumers,
    pub(super) rules: KnownRules,
}

/// The faults found so far, each told once.
#[derive(Debug, Default)]
pub(super) struct Report {
    faults: Vec<Reported>,
    told: HashSet<(Arc<str>, String)>,
}

/// Builds a snapshot; see [`Snapshot::build`].
pub(super) fn build(
    document: &Document,
    environment: Environment<'_>,
    previous: Option<&Snapshot>,
) -> (Snapshot, Vec<Reported>) {
    let memory = previous.map(|snapshot| &snapshot.memory);
    // A plugin's metadata may change what any of its configurations means.
    let is_settled =
        memory.is_some_and(|memory| all_same(&memory.metadata, &document.plugin_metadata));
    let mut compiler = Compiler::new(environment, &document.plugin_metadata, memory);
    let mut report = Report::default();

    let (globals, rules) = globals::build(document, &mut compiler, memory, &mut report);
    let mut compiling = RouteBuild::new(document, &mut compiler, memory, is_settled);
    let (routes, known_routes) = compiling.all(&mut report);
    let upstreams = compiling.finish();
    let known = memory.filter(|_| is_settled);
    let people = consumers::build(document, &mut compiler, (memory, known), &mut report);

    let wanted = routes.iter().enumerate();
    let wanted = wanted.map(|(index, route)| route.wanted(index));
    let merged = std::iter::repeat_with(OnceLock::new);
    let snapshot = Snapshot {
        revision: document.revision,
        router: Router::new(environment.routing, wanted),
        merged: merged.take(routes.len()).collect(),
        routes,
        consumers: Arc::new(people.index),
        bringing: people.bringing,
        globals,
        memory: Memory {
            metadata: document.plugin_metadata.clone(),
            process: environment.process.clone(),
            plugins: compiler.finish(&mut report),
            routes: known_routes,
            upstreams,
            consumers: people.known,
            rules,
        },
    };
    (snapshot, report.faults)
}

/// Whether two sets hold the very same items.
fn all_same<T>(one: &Items<T>, other: &Items<T>) -> bool {
    one.len() == other.len()
        && one
            .iter()
            .all(|(id, item): (_, &Arc<Item<T>>)| same(Some(item), other.get(id)))
}

// === impl Report ===

impl Report {
    /// Notes a fault, unless the same part of the same item has been noted.
    pub(super) fn add(&mut self, mut fault: Fault, outcome: Outcome) {
        let others = std::mem::take(&mut fault.others);
        let place = (Arc::clone(&fault.key), fault.pointer.clone());
        if self.told.insert(place) {
            self.faults.push(fault.reported(outcome));
        }
        for other in others {
            self.add(other, outcome);
        }
    }
}
