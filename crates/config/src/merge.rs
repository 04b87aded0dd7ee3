//! Which plugin configuration wins.
//!
//! Whole configurations are replaced by name, never merged into one another. Source:
//! `apache/apisix`, `apisix/plugin.lua`.

use crate::resource::{Plugins, Route, Service, Timeout, Upstream};

/// What a route uses after its service has filled the gaps.
#[derive(Clone, Debug)]
pub struct Effective<'a> {
    /// The plugins: the route's, then those of its plugin configuration, then its service's.
    pub plugins: Plugins,
    /// The upstream written into the route, or else into the service.
    pub upstream: Option<&'a Upstream>,
    /// The upstream referred to by the route, or else by the service.
    pub upstream_id: Option<&'a str>,
    /// The route's own time limits.
    pub timeout: Option<Timeout>,
    /// The name that metrics and logs show.
    pub name: Option<&'a str>,
    /// The hosts that match: the route's, or else the service's; empty for all.
    pub hosts: Vec<&'a str>,
    /// Whether connections may be upgraded.
    pub enable_websocket: bool,
}

/// The plugins of a route with those of its plugin configuration for the names it lacks.
#[must_use]
pub fn with_plugin_config(route: &Plugins, plugin_config: &Plugins) -> Plugins {
    overlay(plugin_config, route)
}

/// The plugins of a service with those of the route over them.
#[must_use]
pub fn with_service(route: &Plugins, service: &Plugins) -> Plugins {
    overlay(service, route)
}

/// The plugins of a request whose consumer is known: the consumer's win over its group's, and both
/// over the route's.
#[must_use]
pub fn with_consumer(route: &Plugins, group: Option<&Plugins>, consumer: &Plugins) -> Plugins {
    let group = group.unwrap_or_else(|| Plugins::none());
    overlay(&overlay(route, group), consumer)
}

/// What a route uses, from itself, its plugin configuration and its service.
///
/// An upstream written out in the route wins over one that the route refers to, and either wins
/// over the service's.
#[must_use]
pub fn effective<'a>(
    route: &'a Route,
    plugin_config: Option<&Plugins>,
    service: Option<&'a Service>,
) -> Effective<'a> {
    let folded = match plugin_config {
        Some(plugins) => with_plugin_config(&route.plugins, plugins),
        None => route.plugins.clone(),
    };
    let plugins = match service {
        Some(service) => with_service(&folded, &service.plugins),
        None => folded,
    };
    let own = route.upstream.is_some() || route.upstream_id.is_some();
    let (upstream, upstream_id) = match service {
        Some(service) if !own => (service.upstream.as_ref(), service.upstream_id.as_ref()),
        _ => (route.upstream.as_ref(), route.upstream_id.as_ref()),
    };
    let of_route = route.host.iter().chain(route.hosts.iter().flatten());
    let mut hosts: Vec<&str> = of_route.map(String::as_str).collect();
    if hosts.is_empty() {
        let of_service = service.and_then(|service| service.hosts.as_ref());
        hosts = of_service
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect();
    }
    let name = route.name.as_deref();
    Effective {
        plugins,
        upstream,
        upstream_id: upstream_id.map(crate::resource::Id::as_str),
        timeout: route.timeout,
        name: name.or_else(|| service.and_then(|service| service.name.as_deref())),
        hosts,
        enable_websocket: route
            .enable_websocket
            .or_else(|| service.and_then(|service| service.enable_websocket))
            .unwrap_or_default(),
    }
}

/// `base` with every configuration of `over` put over it by name.
fn overlay(base: &Plugins, over: &Plugins) -> Plugins {
    let mut merged = base.clone();
    for (name, value) in over.iter() {
        merged.insert(name.clone(), value.clone());
    }
    merged
}

#[cfg(test)]
mod tests;
