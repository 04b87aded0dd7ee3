//! Routes, with everything that a request needs once it is matched.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use config::Document;
use config::document::Item;
use config::merge::{self, Effective};
use config::resource;
use ipnet::IpNet;
use net::Timeouts;
use plugin::{Chain, Expr, RouteFacts};
use serde_json::Value;

use super::Outcome;
use super::build::{Memory, Report};
use super::compiler::{Compiler, Fault, same};
use super::globals::PROMETHEUS;
use super::upstream::{self, KnownUpstreams, Upstream};
use crate::route::condition::{Conditions, Methods};
use crate::route::router::Wanted;

/// A compiled route.
#[derive(Debug)]
pub(crate) struct Route {
    /// Its plugins, with those of its plugin configuration and service.
    pub(crate) chain: Arc<Chain>,
    /// Whether it has the `prometheus` plugin, so that the global one steps back.
    pub(crate) has_prometheus: bool,
    /// Where its requests go when no plugin answers.
    pub(crate) upstream: UpstreamChoice,
    /// Its own time limits towards the upstream.
    pub(crate) timeouts: Option<Timeouts>,
    /// Whether connections may be upgraded.
    pub(crate) upgrades: bool,
    /// What it refers to and does not exist.
    pub(crate) lacks: Option<Lack>,
    uris: Vec<String>,
    hosts: Vec<String>,
    priority: i64,
    facts: RouteFacts,
    conditions: Arc<Conditions>,
    made_from: Sources,
}

/// Where the requests of a route go when no plugin answers.
#[derive(Clone, Debug)]
pub(crate) enum UpstreamChoice {
    /// The route has none.
    None,
    /// To these nodes.
    Nodes(Arc<Upstream>),
    /// It refers to an upstream that does not exist, or that cannot be used.
    Missing,
}

/// Something that a route refers to and that does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lack {
    /// Its service.
    Service,
    /// Its plugin configuration.
    PluginConfig,
}

/// The items that a route was compiled from.
#[derive(Clone, Debug)]
struct Sources {
    route: Arc<Item<resource::Route>>,
    service: Option<Arc<Item<resource::Service>>>,
    plugin_config: Option<Arc<Item<resource::PluginConfig>>>,
    upstream: Option<Arc<Item<resource::Upstream>>>,
}

/// The routes of a snapshot by id.
pub(super) type KnownRoutes = HashMap<Arc<str>, Arc<Route>>;

/// The compilation of all routes.
pub(super) struct RouteBuild<'b, 'a> {
    document: &'b Document,
    compiler: &'b mut Compiler<'a>,
    memory: Option<&'b Memory>,
    /// Whether routes whose sources are unchanged may be taken over.
    is_settled: bool,
    upstreams: KnownUpstreams,
}

// === impl Route ===

impl Route {
    /// How the route at this place of the list wants to be found.
    pub(super) fn wanted(&self, index: usize) -> Wanted {
        Wanted {
            route: index,
            uris: self.uris.clone(),
            hosts: self.hosts.clone(),
            priority: self.priority,
            facts: self.facts.clone(),
            conditions: Arc::clone(&self.conditions),
        }
    }
}

// === impl Sources ===

impl Sources {
    fn of(document: &Document, route: &Arc<Item<resource::Route>>) -> Self {
        let value = &route.value;
        let service = value.service_id.as_ref();
        let service = service.and_then(|id| document.services.get(id.as_str()));
        let plugin_config = value.plugin_config_id.as_ref();
        let effective = merge::effective(value, None, service.map(|item| &item.value));
        let upstream = effective
            .upstream_id
            .filter(|_| effective.upstream.is_none());
        Self {
            route: Arc::clone(route),
            service: service.cloned(),
            plugin_config: plugin_config
                .and_then(|id| document.plugin_configs.get(id.as_str()))
                .cloned(),
            upstream: upstream.and_then(|id| document.upstreams.get(id)).cloned(),
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.route, &other.route)
            && same(self.service.as_ref(), other.service.as_ref())
            && same(self.plugin_config.as_ref(), other.plugin_config.as_ref())
            && same(self.upstream.as_ref(), other.upstream.as_ref())
    }

    fn effective(&self) -> Effective<'_> {
        let plugin_config = self.plugin_config.as_ref();
        merge::effective(
            &self.route.value,
            plugin_config.map(|item| &item.value.plugins),
            self.service.as_ref().map(|item| &item.value),
        )
    }

    /// The key of the resource that a plugin's configuration comes from.
    fn owner(&self, plugin: &str) -> &Arc<str> {
        if self.route.value.plugins.contains(plugin) {
            return &self.route.key;
        }
        let config = self.plugin_config.as_ref();
        match (
            config.filter(|item| item.value.plugins.contains(plugin)),
            &self.service,
        ) {
            (Some(config), _) => &config.key,
            (None, Some(service)) => &service.key,
            (None, None) => &self.route.key,
        }
    }

    fn lacks(&self) -> Option<Lack> {
        let route = &self.route.value;
        if route.plugin_config_id.is_some() && self.plugin_config.is_none() {
            Some(Lack::PluginConfig)
        } else if route.service_id.is_some() && self.service.is_none() {
            Some(Lack::Service)
        } else {
            None
        }
    }

    fn facts(&self, name: Option<&str>) -> RouteFacts {
        let service = self.service.as_ref();
        RouteFacts {
            id: Arc::clone(&self.route.id),
            name: name.map(Into::into),
            service_id: service.map(|item| Arc::clone(&item.id)),
            service_name: service
                .and_then(|item| item.value.name.as_deref())
                .map(Into::into),
            key: Arc::clone(&self.route.key),
            ..RouteFacts::default()
        }
    }
}

// === impl RouteBuild ===

impl<'b, 'a> RouteBuild<'b, 'a> {
    pub(super) fn new(
        document: &'b Document,
        compiler: &'b mut Compiler<'a>,
        memory: Option<&'b Memory>,
        is_settled: bool,
    ) -> Self {
        Self {
            document,
            compiler,
            memory,
            is_settled,
            upstreams: KnownUpstreams::new(),
        }
    }

    /// All routes in use in the order of their creation, and the same by id.
    pub(super) fn all(&mut self, report: &mut Report) -> (Vec<Arc<Route>>, KnownRoutes) {
        let mut items: Vec<_> = self.document.routes.values().collect();
        items.sort_by_key(|item| item.created);
        let mut routes = Vec::with_capacity(items.len());
        let mut known = HashMap::with_capacity(items.len());
        for item in items {
            if !item.value.status.is_enabled() {
                continue;
            }
            if let Some(route) = self.route(item, report) {
                known.insert(Arc::clone(&item.id), Arc::clone(&route));
                routes.push(route);
            }
        }
        (routes, known)
    }

    /// The upstreams that were compiled.
    pub(super) fn finish(self) -> KnownUpstreams {
        self.upstreams
    }

    fn route(
        &mut self,
        item: &Arc<Item<resource::Route>>,
        report: &mut Report,
    ) -> Option<Arc<Route>> {
        let earlier = self.memory.and_then(|memory| memory.routes.get(&item.id));
        let sources = Sources::of(self.document, item);
        if let Some(route) = earlier
            && self.is_settled
            && route.made_from.is_same(&sources)
            && !self.compiler.is_unsettled(&sources.effective().plugins)
        {
            self.take_over(&sources);
            return Some(Arc::clone(route));
        }
        match self.compile(&sources, report) {
            Ok(route) => Some(Arc::new(route)),
            Err(fault) => {
                report.add(fault, Outcome::of(earlier));
                earlier.cloned()
            }
        }
    }

    fn compile(&mut self, sources: &Sources, report: &mut Report) -> Result<Route, Fault> {
        let effective = sources.effective();
        let mut links = Vec::with_capacity(effective.plugins.len());
        for (name, config) in effective.plugins.iter() {
            links.extend(self.compiler.link(sources.owner(name), name, config)?);
        }
        let chain = Chain::new(links);
        let upstream = self.upstream(sources, &effective, report)?;
        let value = &sources.route.value;
        let uris = value.uri.iter().chain(value.uris.iter().flatten());
        let has_prometheus = chain.names().any(|name| name == PROMETHEUS);
        Ok(Route {
            has_prometheus,
            chain: Arc::new(chain),
            upstream,
            timeouts: effective.timeout.map(upstream::timeouts),
            upgrades: effective.enable_websocket,
            lacks: sources.lacks(),
            uris: uris.cloned().collect(),
            hosts: effective
                .hosts
                .iter()
                .map(|host| (*host).to_owned())
                .collect(),
            priority: value.priority,
            facts: sources.facts(effective.name),
            conditions: Arc::new(conditions(&sources.route)?),
            made_from: sources.clone(),
        })
    }

    fn upstream(
        &mut self,
        sources: &Sources,
        effective: &Effective<'_>,
        report: &mut Report,
    ) -> Result<UpstreamChoice, Fault> {
        let living = self.compiler.environment.living;
        if let Some(inline) = effective.upstream {
            let route = &sources.route.value;
            let key = match &sources.service {
                Some(service) if route.upstream.is_none() => &service.key,
                _ => &sources.route.key,
            };
            let made = Upstream::compile(inline, (key, "/upstream"), living, report)?;
            return Ok(UpstreamChoice::Nodes(Arc::new(made)));
        }
        match (&sources.upstream, effective.upstream_id) {
            (Some(item), _) => Ok(self.shared_upstream(item, report)),
            (None, Some(_)) => Ok(UpstreamChoice::Missing),
            (None, None) => Ok(UpstreamChoice::None),
        }
    }

    /// An upstream resource is compiled once for all routes that refer to it.
    fn shared_upstream(
        &mut self,
        item: &Arc<Item<resource::Upstream>>,
        report: &mut Report,
    ) -> UpstreamChoice {
        let known = self.upstreams.get(&item.id);
        let earlier = self
            .memory
            .and_then(|memory| memory.upstreams.get(&item.id));
        let unchanged = |(source, _): &&(Arc<Item<_>>, _)| Arc::ptr_eq(source, item);
        if let Some((_, made)) = known.or(earlier.filter(unchanged)) {
            let made = Arc::clone(made);
            self.remember(item, &made);
            return UpstreamChoice::Nodes(made);
        }
        let living = self.compiler.environment.living;
        match Upstream::compile(&item.value, (&item.key, ""), living, report) {
            Ok(made) => {
                let made = Arc::new(made);
                self.remember(item, &made);
                UpstreamChoice::Nodes(made)
            }
            Err(fault) => {
                report.add(fault, Outcome::of(earlier));
                match earlier {
                    Some((source, made)) => {
                        self.remember(source, made);
                        UpstreamChoice::Nodes(Arc::clone(made))
                    }
                    None => UpstreamChoice::Missing,
                }
            }
        }
    }

    fn remember(&mut self, item: &Arc<Item<resource::Upstream>>, made: &Arc<Upstream>) {
        let pair = (Arc::clone(item), Arc::clone(made));
        self.upstreams.insert(Arc::clone(&item.id), pair);
    }

    /// Keeps what an unchanged route was made of, for the build after this one.
    fn take_over(&mut self, sources: &Sources) {
        let memory = self.memory.map(|memory| &memory.upstreams);
        if let Some(item) = &sources.upstream
            && let Some((source, made)) = memory.and_then(|known| known.get(&item.id))
        {
            self.remember(source, made);
        }
        let effective = sources.effective();
        for (name, config) in effective.plugins.iter() {
            // Found among the compiled plugins of the snapshot before, so it cannot fail.
            _ = self.compiler.link(sources.owner(name), name, config);
        }
    }
}

fn conditions(item: &Item<resource::Route>) -> Result<Conditions, Fault> {
    let route = &item.value;
    let addresses = route
        .remote_addr
        .iter()
        .chain(route.remote_addrs.iter().flatten());
    let addresses: Vec<IpNet> = addresses
        .map(|text| network(text).ok_or_else(|| not_a_network(&item.key, text)))
        .collect::<Result<_, _>>()?;
    let vars = route.vars.as_ref().filter(|vars| !vars.is_empty());
    let expression = vars.map(|vars| {
        Expr::compile(&Value::Array(vars.clone()))
            .map_err(|error| Fault::new(&item.key, "/vars", error.to_string()))
    });
    Ok(Conditions {
        methods: route.methods.as_deref().map(Methods::new),
        addresses: (!addresses.is_empty()).then(|| addresses.into()),
        expression: expression.transpose()?,
    })
}

/// An address, or a network in CIDR form.
fn network(text: &str) -> Option<IpNet> {
    let network = text.parse().ok();
    network.or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

fn not_a_network(key: &Arc<str>, text: &str) -> Fault {
    let message = format!("expected an address or a network such as 10.0.0.0/8, found {text:?}");
    Fault::new(key, "/remote_addrs", message)
}
