//! Upstreams: the nodes of plain reverse proxying.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use config::document::Item;
use config::resource;
use http::HeaderValue;
use net::pick::{RoundRobin, Tried};
use net::{KeepAlive, Origin, OriginSettings, Scheme, Timeouts};
use plugin::Living;

use super::Outcome;
use super::build::Report;
use super::compiler::Fault;

/// A compiled upstream.
#[derive(Debug)]
pub(crate) struct Upstream {
    nodes: Box<[Node]>,
    /// By falling priority.
    groups: Box<[Group]>,
    pub(crate) timeouts: Timeouts,
    /// How many further nodes may be tried.
    pub(crate) retries: usize,
    /// After how long no further node is tried.
    pub(crate) retry_timeout: Option<Duration>,
    pub(crate) pass_host: PassHost,
}

/// One server.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) origin: Arc<Origin>,
    /// `host:port`.
    pub(crate) address: Arc<str>,
    pub(crate) host: Arc<str>,
}

/// Which `Host` a node is told.
#[derive(Debug)]
pub(crate) enum PassHost {
    /// The client's.
    Pass,
    /// The node's own.
    Node,
    /// This one.
    Rewrite(HeaderValue),
}

/// Nodes of one priority.
#[derive(Debug)]
struct Group {
    picker: RoundRobin,
    /// From the picker's places to those of the whole list.
    members: Box<[usize]>,
}

/// Compiled upstream resources by id, each with its source.
pub(super) type KnownUpstreams = HashMap<Arc<str>, (Arc<Item<resource::Upstream>>, Arc<Upstream>)>;

/// Where an upstream is written: the key of its resource, and the pointer inside it.
type Place<'a> = (&'a Arc<str>, &'a str);

/// The time limits of an upstream that names none.
const DEFAULT_TIMEOUT: Duration = Duration::from_mins(1);

// === impl Upstream ===

impl Upstream {
    /// Prepares the nodes; connections are shared with every upstream that has the same node.
    pub(super) fn compile(
        upstream: &resource::Upstream,
        place: Place<'_>,
        living: &Living,
        report: &mut Report,
    ) -> Result<Self, Fault> {
        check(upstream, place, report)?;
        let scheme = scheme(upstream, place)?;
        let listed = upstream.nodes.as_ref().map_or(&[][..], |nodes| &nodes.0);
        let nodes: Box<[Node]> = listed
            .iter()
            .map(|node| compile_node(upstream, node, scheme, living))
            .collect::<Result<_, _>>()
            .map_err(|message| Fault::new(place.0, &pointer(place, "nodes"), message))?;
        Ok(Self {
            groups: groups(listed),
            timeouts: upstream
                .timeout
                .map_or_else(|| Timeouts::all(DEFAULT_TIMEOUT), timeouts),
            retries: upstream.retries.map_or_else(
                || nodes.len().saturating_sub(1),
                |retries| usize::try_from(retries).unwrap_or(usize::MAX),
            ),
            retry_timeout: upstream
                .retry_timeout
                .filter(|seconds| *seconds > 0.0)
                .map(duration),
            pass_host: pass_host(upstream, place)?,
            nodes,
        })
    }

    /// Whether there is no node at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// The next node that was not tried, from the highest priority that has one.
    pub(crate) fn pick(&self, tried: &Tried) -> Option<(usize, &Node)> {
        self.groups.iter().find_map(|group| {
            let index = if tried.is_empty() {
                group.picker.pick(tried)?
            } else {
                let members = group.members.iter().enumerate();
                let mine = members.filter(|(_, node)| tried.contains(**node));
                group.picker.pick(&mine.map(|(place, _)| place).collect())?
            };
            let index = *group.members.get(index)?;
            Some((index, self.nodes.get(index)?))
        })
    }
}

/// The time limits of a resource.
pub(super) fn timeouts(timeout: resource::Timeout) -> Timeouts {
    Timeouts {
        connect: duration(timeout.connect),
        send: duration(timeout.send),
        read: duration(timeout.read),
    }
}

/// Seconds that cannot be a duration stand for no limit.
fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

fn pointer((_, inside): Place<'_>, field: &str) -> String {
    format!("{inside}/{field}")
}

/// Tells what an upstream asks for and does not get.
fn check(
    upstream: &resource::Upstream,
    place: Place<'_>,
    report: &mut Report,
) -> Result<(), Fault> {
    let fault = |field: &str, message: String| Fault::new(place.0, &pointer(place, field), message);
    if upstream.discovery_type.is_some() {
        let message = "service discovery is not supported, expected `nodes`".to_owned();
        return Err(fault("discovery_type", message));
    }
    match upstream.r#type.as_str() {
        "roundrobin" => {}
        other @ ("chash" | "ewma" | "least_conn") => {
            let message = format!("nodes are chosen by roundrobin, {other:?} is not supported");
            report.add(fault("type", message), Outcome::Used);
        }
        other => {
            let message = format!("expected \"roundrobin\", found {other:?}");
            return Err(fault("type", message));
        }
    }
    if upstream.checks.is_some() {
        let message = "health checks of plain upstreams are not supported".to_owned();
        report.add(fault("checks", message), Outcome::Used);
    }
    let tls = upstream.tls.as_ref();
    if tls.is_some_and(|tls| tls.client_cert.is_some() || tls.client_cert_id.is_some()) {
        let message = "client certificates towards upstreams are not supported".to_owned();
        return Err(fault("tls", message));
    }
    Ok(())
}

fn scheme(upstream: &resource::Upstream, place: Place<'_>) -> Result<Scheme, Fault> {
    match upstream.scheme {
        resource::Scheme::Http => Ok(Scheme::Http),
        resource::Scheme::Https => Ok(Scheme::Https),
        _ => {
            let message = "expected \"http\" or \"https\"";
            Err(Fault::new(place.0, &pointer(place, "scheme"), message))
        }
    }
}

fn pass_host(upstream: &resource::Upstream, place: Place<'_>) -> Result<PassHost, Fault> {
    match (upstream.pass_host, &upstream.upstream_host) {
        (resource::PassHost::Pass, _) => Ok(PassHost::Pass),
        (resource::PassHost::Node, _) => Ok(PassHost::Node),
        (resource::PassHost::Rewrite, host) => {
            let host = host.as_deref().unwrap_or_default();
            HeaderValue::from_str(host)
                .map(PassHost::Rewrite)
                .map_err(|_| {
                    let message = format!("expected a host name, found {host:?}");
                    Fault::new(place.0, &pointer(place, "upstream_host"), message)
                })
        }
    }
}

fn compile_node(
    upstream: &resource::Upstream,
    node: &resource::Node,
    scheme: Scheme,
    living: &Living,
) -> Result<Node, String> {
    let bare = node
        .host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let host: Arc<str> = bare.unwrap_or(&node.host).into();
    let port = node.port.unwrap_or(scheme.default_port());
    let pool = upstream.keepalive_pool.unwrap_or_default();
    let verify = upstream.tls.as_ref().is_some_and(|tls| tls.verify);
    let settings = OriginSettings {
        verify,
        keepalive: Some(KeepAlive {
            idle: duration(pool.idle_timeout),
            size: usize::try_from(pool.size).unwrap_or(usize::MAX),
            requests: Some(u64::from(pool.requests)),
        }),
        ..OriginSettings::new(scheme, Arc::clone(&host), port)
    };
    let identity = format!(
        "node {} {host} {port} {verify} {} {} {}",
        scheme.as_str(),
        pool.idle_timeout,
        pool.size,
        pool.requests,
    );
    let origin = living
        .share(&identity, || Origin::new(settings))
        .map_err(|error| match std::error::Error::source(&error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        })?;
    Ok(Node {
        origin,
        address: format!("{}:{port}", node.host).into(),
        host,
    })
}

fn groups(nodes: &[resource::Node]) -> Box<[Group]> {
    let mut by_priority: BTreeMap<Reverse<i32>, Vec<usize>> = BTreeMap::new();
    for (index, node) in nodes.iter().enumerate() {
        by_priority
            .entry(Reverse(node.priority))
            .or_default()
            .push(index);
    }
    by_priority
        .into_values()
        .map(|members| Group {
            picker: RoundRobin::new(members.iter().map(|index| nodes[*index].weight)),
            members: members.into(),
        })
        .collect()
}
