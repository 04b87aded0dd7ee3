//! The order in which routes are tried.

use std::collections::HashMap;
use std::sync::Arc;

use http::header;
use plugin::{Ctx, RouteFacts};
use smallvec::SmallVec;

use super::condition::{Conditions, Verdict};
use super::host::HostPattern;
use super::pattern::Pattern;
use super::tree::PrefixTree;
use crate::settings::{RouterKind, Routing};

/// All routes, arranged for finding.
#[derive(Debug)]
pub(crate) struct Router {
    routing: Routing,
    layout: Layout,
}

/// How a route wants to be found.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// Its place in the list of routes.
    pub(crate) route: usize,
    pub(crate) uris: Vec<String>,
    /// Empty for all hosts.
    pub(crate) hosts: Vec<String>,
    pub(crate) priority: i64,
    pub(crate) facts: RouteFacts,
    pub(crate) conditions: Arc<Conditions>,
}

/// What was found.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    /// The route at this place of the list.
    Route(usize, Arc<RouteFacts>),
    /// No route wants the request.
    Nothing,
    /// A condition needs the body, which has not been read.
    NeedsBody,
}

#[derive(Debug)]
enum Layout {
    /// Hosts first, then paths.
    Hosts(Box<HostTree>),
    /// Paths only; hosts are conditions.
    Paths(PathTree),
}

#[derive(Debug, Default)]
struct HostTree {
    exact: HashMap<Box<str>, PathTree>,
    /// By the reversed end of the host.
    suffix: PrefixTree<PathTree>,
    any: PathTree,
}

#[derive(Debug, Default)]
struct PathTree {
    exact: HashMap<Box<str>, Vec<Entry>>,
    prefix: PrefixTree<Vec<Entry>>,
}

/// One path of one route.
#[derive(Debug)]
struct Entry {
    pattern: Arc<Pattern>,
    /// Length of the path as configured.
    length: usize,
    priority: i64,
    route: usize,
    conditions: Arc<Conditions>,
    hosts: Vec<(HostPattern, Arc<RouteFacts>)>,
    facts: Arc<RouteFacts>,
}

/// Entries to try, most wanted first.
type Candidates<'r> = SmallVec<[&'r [Entry]; 8]>;

// === impl Router ===

impl Router {
    /// Arranges routes, given in the order of their creation.
    pub(crate) fn new(routing: Routing, routes: impl IntoIterator<Item = Wanted>) -> Self {
        let mut layout = match routing.kind {
            RouterKind::HostUri => Layout::Hosts(Box::default()),
            RouterKind::Uri | RouterKind::UriWithParameter => Layout::Paths(PathTree::default()),
        };
        let parameters = routing.kind == RouterKind::UriWithParameter;
        for wanted in routes {
            for uri in &wanted.uris {
                let pattern = Arc::new(Pattern::new(uri, parameters));
                match &mut layout {
                    Layout::Hosts(hosts) => hosts.add(&wanted, uri, &pattern),
                    Layout::Paths(paths) => paths.add(wanted.entry_with_hosts(uri, &pattern)),
                }
            }
        }
        match &mut layout {
            Layout::Hosts(hosts) => hosts.settle(),
            Layout::Paths(paths) => paths.settle(),
        }
        Self { routing, layout }
    }

    /// Finds the route of a request and leaves its captures in the context.
    ///
    /// A condition on a body that has not been read stops the search, unless nothing more can be
    /// read.
    pub(crate) fn find(&self, ctx: &mut Ctx, is_body_settled: bool) -> Found {
        let special = self.special_path(ctx);
        let mut candidates = Candidates::new();
        let path = special.as_deref().unwrap_or(&ctx.request.path);
        match &self.layout {
            Layout::Hosts(hosts) => hosts.list(&ctx.request.host, path, &mut candidates),
            Layout::Paths(paths) => paths.list(path, &mut candidates),
        }
        for entry in candidates.into_iter().flatten() {
            let path = special.as_deref().unwrap_or(&ctx.request.path);
            let Some(captures) = entry.pattern.captures(path) else {
                continue;
            };
            let Some(facts) = entry.host_facts(ctx) else {
                continue;
            };
            ctx.params = captures;
            match entry.conditions.judge(ctx, is_body_settled) {
                Verdict::Match => return Found::Route(entry.route, Arc::clone(facts)),
                Verdict::NeedsBody => return Found::NeedsBody,
                Verdict::Next => ctx.params = Vec::new(),
            }
        }
        Found::Nothing
    }

    /// The path to match, where it differs from the one that everybody else sees.
    fn special_path(&self, ctx: &Ctx) -> Option<String> {
        let request = &ctx.request;
        let is_encoded = || {
            let raw = request.uri.path().as_bytes();
            raw.windows(3).any(|code| code.eq_ignore_ascii_case(b"%2f"))
        };
        let kept = if self.routing.keeps_encoded_slash && is_encoded() {
            crate::target::path(request.uri.path(), true)
        } else {
            None
        };
        let path = kept.as_deref().unwrap_or(&request.path);
        match path.strip_suffix('/') {
            Some(shorter) if self.routing.ignores_tail_slash && !shorter.is_empty() => {
                Some(shorter.to_owned())
            }
            _ => kept,
        }
    }
}

// === impl Wanted ===

impl Wanted {
    fn facts(&self, uri: &str, host: &str) -> Arc<RouteFacts> {
        Arc::new(RouteFacts {
            matched_uri: uri.into(),
            matched_host: host.into(),
            ..self.facts.clone()
        })
    }

    fn entry(&self, uri: &str, host: &str, pattern: &Arc<Pattern>) -> Entry {
        Entry {
            pattern: Arc::clone(pattern),
            length: uri.len(),
            priority: self.priority,
            route: self.route,
            conditions: Arc::clone(&self.conditions),
            hosts: Vec::new(),
            facts: self.facts(uri, host),
        }
    }

    fn entry_with_hosts(&self, uri: &str, pattern: &Arc<Pattern>) -> Entry {
        let hosts = self.hosts.iter();
        Entry {
            hosts: hosts
                .map(|host| (HostPattern::new(host), self.facts(uri, host)))
                .collect(),
            ..self.entry(uri, "", pattern)
        }
    }
}

// === impl HostTree ===

impl HostTree {
    fn add(&mut self, wanted: &Wanted, uri: &str, pattern: &Arc<Pattern>) {
        if wanted.hosts.is_empty() {
            self.any.add(wanted.entry(uri, "", pattern));
        }
        for host in &wanted.hosts {
            let paths = match HostPattern::new(host) {
                HostPattern::Exact(name) => self.exact.entry(name).or_default(),
                HostPattern::Suffix(suffix) => {
                    let reversed: Vec<u8> = suffix.bytes().rev().collect();
                    self.suffix.entry(&reversed)
                }
            };
            paths.add(wanted.entry(uri, host, pattern));
        }
    }

    fn settle(&mut self) {
        self.exact.values_mut().for_each(PathTree::settle);
        self.suffix.values_mut().for_each(PathTree::settle);
        self.any.settle();
    }

    /// The exact host, then its ends from the longest to the shortest, then routes without host.
    fn list<'r>(&'r self, host: &str, path: &str, candidates: &mut Candidates<'r>) {
        if let Some(paths) = self.exact.get(host) {
            paths.list(path, candidates);
        }
        for paths in self.suffix.prefixes_of(host.bytes().rev()) {
            paths.list(path, candidates);
        }
        self.any.list(path, candidates);
    }
}

// === impl PathTree ===

impl PathTree {
    fn add(&mut self, entry: Entry) {
        let literal = entry.pattern.literal();
        let list = if entry.pattern.is_exact() {
            self.exact.entry(literal.into()).or_default()
        } else {
            self.prefix.entry(literal.as_bytes())
        };
        list.push(entry);
    }

    /// Sorting is stable: what is equal stays in the order of creation.
    fn settle(&mut self) {
        for list in self.exact.values_mut().chain(self.prefix.values_mut()) {
            list.sort_by_key(|entry| std::cmp::Reverse((entry.priority, entry.length)));
        }
    }

    /// The exact path, then its prefixes from the longest to the shortest.
    fn list<'r>(&'r self, path: &str, candidates: &mut Candidates<'r>) {
        candidates.extend(self.exact.get(path).map(Vec::as_slice));
        candidates.extend(self.prefix.prefixes_of(path.bytes()).map(Vec::as_slice));
    }
}

// === impl Entry ===

impl Entry {
    /// The facts for the host of the request, when the host is wanted.
    fn host_facts(&self, ctx: &Ctx) -> Option<&Arc<RouteFacts>> {
        if self.hosts.is_empty() {
            return Some(&self.facts);
        }
        let full = ctx.request.headers.get(header::HOST);
        let full = full
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let matching = |(pattern, _): &&(HostPattern, _)| pattern.matches(&ctx.request.host, full);
        self.hosts.iter().find(matching).map(|(_, facts)| facts)
    }
}

#[cfg(test)]
mod tests;
