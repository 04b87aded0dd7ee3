//! Global rules: plugins for every request.

use std::collections::HashMap;
use std::sync::Arc;

use config::Document;
use plugin::{Chain, Link};

use super::Outcome;
use super::build::{Memory, Report};
use super::compiler::{Compiler, Fault};
use super::routes::Route;

/// The plugin whose global form steps back when a route has its own.
pub(super) const PROMETHEUS: &str = "prometheus";

/// The global plugins, merged into one running order.
#[derive(Debug)]
pub(super) struct Globals {
    all: Arc<Chain>,
    /// For routes that have a `prometheus` of their own.
    without_prometheus: Arc<Chain>,
}

/// The plugins of each rule, for when its next version is broken.
pub(super) type KnownRules = HashMap<Arc<str>, Rule>;

type Rule = Vec<(Arc<str>, Option<Link>)>;

// === impl Globals ===

impl Globals {
    pub(super) fn chain(&self, route: Option<&Route>) -> &Arc<Chain> {
        if route.is_some_and(|route| route.has_prometheus) {
            &self.without_prometheus
        } else {
            &self.all
        }
    }
}

/// Compiles the rules. A plugin that two rules name runs in none of them.
pub(super) fn build(
    document: &Document,
    compiler: &mut Compiler<'_>,
    memory: Option<&Memory>,
    report: &mut Report,
) -> (Globals, KnownRules) {
    let mut known = KnownRules::new();
    for item in document.global_rules.values() {
        let made: Result<Rule, Fault> = item
            .value
            .plugins
            .iter()
            .map(|(name, config)| {
                let link = compiler.link(&item.key, name, config)?;
                Ok((Arc::clone(name), link))
            })
            .collect();
        let rule = match made {
            Ok(rule) => Some(rule),
            Err(fault) => {
                let earlier = memory
                    .and_then(|memory| memory.rules.get(&item.key))
                    .cloned();
                report.add(fault, Outcome::of(earlier.as_ref()));
                earlier
            }
        };
        known.extend(rule.map(|rule| (Arc::clone(&item.key), rule)));
    }
    let links = without_repeated(document, &known, report);
    let others = links.iter().filter(|link| link.name() != PROMETHEUS);
    let globals = Globals {
        without_prometheus: Arc::new(Chain::new(others.cloned().collect())),
        all: Arc::new(Chain::new(links)),
    };
    (globals, known)
}

fn without_repeated(document: &Document, rules: &KnownRules, report: &mut Report) -> Vec<Link> {
    let mut owners: HashMap<&str, (&Arc<str>, bool)> = HashMap::new();
    let in_order = || {
        let items = document.global_rules.values();
        items.filter_map(|item| Some((item, rules.get(&item.key)?)))
    };
    for (item, rule) in in_order() {
        for (name, _) in rule {
            let Some((first, repeated)) = owners.get_mut(&**name) else {
                owners.insert(name, (&item.id, false));
                continue;
            };
            *repeated = true;
            let message =
                format!("plugin '{name}' already exists in global rule with id '{first}'");
            let fault = Fault::new(&item.key, &format!("/plugins/{name}"), message);
            report.add(fault, Outcome::Dropped);
        }
    }
    let links = in_order().flat_map(|(_, rule)| rule);
    let once = links.filter(|(name, _)| owners.get(&**name).is_some_and(|(_, twice)| !twice));
    once.filter_map(|(_, link)| link.clone()).collect()
}

// === impl Outcome ===

impl Outcome {
    /// What becomes of an item whose earlier version is this.
    pub(super) fn of<T>(earlier: Option<&T>) -> Self {
        if earlier.is_some() {
            Self::Kept
        } else {
            Self::Dropped
        }
    }
}
