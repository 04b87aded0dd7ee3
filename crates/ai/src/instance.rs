//! One configured upstream model: everything about it that can be prepared before a request.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use http::{HeaderName, HeaderValue, header, uri::PathAndQuery};
use llm::{Dialect, Place, Provider, TokenCap, bridge};
use net::health::Prober;
use net::{NetError, Origin, OriginSettings, Peers, Scheme};
use plugin::{Ctx, Living, Secret, is_reference};
use wire::json::Edits;

use crate::endpoint::{Endpoint, EndpointError};
use crate::limits::Limits;
use crate::query::{Argument, argument, arguments, joined};
use crate::sign::{Gcp, GcpSettings};
use crate::turn::{Seat, Turn};

/// What a configuration says of one instance, as plain values.
pub struct InstanceSettings {
    /// Name in logs, metrics and limits.
    pub name: Arc<str>,
    /// Who is spoken to.
    pub provider: &'static Provider,
    /// `provider_conf`.
    pub place: Place,
    /// `override.endpoint`; a reference to a secret is no endpoint.
    pub endpoint: Option<String>,
    /// A value that is not there, and without which every attempt fails.
    pub lack: Option<Lack>,
    /// `auth.header`: name and value.
    pub headers: Vec<(String, Secret)>,
    /// `auth.query`: name and value.
    pub query: Vec<(String, Secret)>,
    /// `auth.gcp`, whose tokens win over every other `Authorization`.
    pub gcp: Option<GcpSettings>,
    /// `options.model`.
    pub model: Option<String>,
    /// `options`: member name and JSON text.
    pub options: Vec<(String, String)>,
    /// `override.llm_options.max_tokens`.
    pub max_tokens: Option<u64>,
    /// `override.request_body`: per dialect, member name and JSON text.
    pub patches: Vec<(Dialect, Vec<(String, String)>)>,
    /// `override.request_body_force_override`.
    pub force: bool,
}

/// A value that an instance cannot be asked without: field and reference.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Lack {
    /// Of its credentials.
    Credential(String),
    /// Of whatever else would reach the upstream.
    Other(String),
}

/// A configured upstream model, ready for requests.
pub struct Instance {
    pub(crate) name: Arc<str>,
    pub(crate) provider: &'static Provider,
    /// `None` when neither the provider nor the configuration names a host.
    pub(crate) upstream: Option<Upstream>,
    /// Why every attempt fails.
    pub(crate) lack: Option<Lack>,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Where `Authorization` comes from, when a service account is configured.
    pub(crate) gcp: Option<Gcp>,
    pub(crate) model: Option<Arc<str>>,
    /// One per dialect that the provider speaks.
    targets: Vec<Target>,
    /// What is changed in a body of no known dialect.
    pub(crate) passthrough: Edits,
    /// Path that replaces the client's, for bodies of no known dialect.
    pub(crate) path: Option<Arc<str>>,
    /// `auth.query`, which nobody can replace.
    pub(crate) auth_query: Vec<Argument<'static>>,
    /// The endpoint's own arguments.
    pub(crate) endpoint_query: Vec<Argument<'static>>,
    /// Where it is told how attempts go, when its picker learns from them.
    pub(crate) seat: Option<Seat>,
    /// Who knows which of its addresses are healthy, when it is probed.
    prober: Option<Arc<Prober>>,
}

/// Where an instance is.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) origin: Arc<Origin>,
    /// `host:port`.
    pub(crate) address: Arc<str>,
    pub(crate) host: Arc<str>,
}

/// How one dialect is sent to this instance.
pub(crate) struct Target {
    pub(crate) dialect: Dialect,
    pub(crate) path: Arc<str>,
    pub(crate) path_and_query: PathAndQuery,
    /// Changes of the body after the dialect's own preparation.
    pub(crate) edits: Edits,
}

/// A setting that cannot be used; each names its field.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// The endpoint is not a URL.
    #[error("override.endpoint: {0}")]
    Endpoint(#[from] EndpointError),
    /// A header cannot be sent.
    #[error("auth.header.{name}: expected a header name and a value without control characters")]
    Header {
        /// Name as configured.
        name: String,
    },
    /// The host cannot be used.
    #[error("override.endpoint: {0}")]
    Origin(#[from] NetError),
    /// Path and query do not make a request target.
    #[error("override.endpoint: expected a path and query that a request can carry")]
    Path,
}

// === impl InstanceSettings ===

impl InstanceSettings {
    /// A checksum of its credentials, from which they cannot be read: another key is a new beginning
    /// for whatever was known of the one before.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (&self.headers, &self.query, &self.lack).hash(&mut hasher);
        let account = self.gcp.as_ref().map(|gcp| &gcp.account);
        account.hash(&mut hasher);
        hasher.finish()
    }
}

// Written by hand: the endpoint's query may hold credentials.
impl fmt::Debug for InstanceSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("InstanceSettings")
            .field("name", &self.name)
            .field("provider", &self.provider.name)
            .field("lack", &self.lack)
            .finish_non_exhaustive()
    }
}

// === impl Lack ===

impl Lack {
    /// The word of the trail for an attempt that fails because of it.
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Credential(_) => "credential",
            Self::Other(_) => "reference",
        }
    }

    /// What the client is told, who need not know how the gateway is configured.
    pub(crate) const fn told(&self) -> &'static str {
        match self {
            Self::Credential(_) => "the gateway has no credential for the upstream",
            Self::Other(_) => "the gateway lacks a setting for the upstream",
        }
    }
}

impl fmt::Display for Lack {
    /// `auth.header.authorization: no value for $env://KEY`
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Credential(text) | Self::Other(text)) = self;
        formatter.write_str(text)
    }
}

// === impl Instance ===

impl Instance {
    /// Prepares an instance; its connections are shared with every other of the same target.
    ///
    /// # Errors
    /// [`InstanceError`] names the field.
    pub fn new(
        settings: &InstanceSettings,
        limits: &Limits,
        living: &Living,
    ) -> Result<Self, InstanceError> {
        let given = settings.endpoint.as_deref();
        let is_unknown = given.is_some_and(is_reference);
        let given = given.filter(|_| !is_unknown);
        let endpoint = given.map(Endpoint::parse).transpose()?;
        let upstream = if is_unknown {
            // Not the provider's own place: the configured one is somewhere else.
            None
        } else {
            upstream(settings, endpoint.as_ref(), limits, living)?
        };
        let auth_query: Vec<_> = settings
            .query
            .iter()
            .map(|(name, value)| argument(name, value.expose()))
            .collect();
        let endpoint_query: Vec<_> = endpoint
            .as_ref()
            .and_then(|endpoint| endpoint.query.as_deref())
            .map(|query| arguments(query).map(owned).collect())
            .unwrap_or_default();
        let path = endpoint.as_ref().and_then(|endpoint| endpoint.path.clone());
        let mut instance = Self {
            headers: headers(&settings.headers)?,
            gcp: settings.gcp.as_ref().map(|gcp| Gcp::new(gcp, living)),
            model: settings.model.as_deref().map(Into::into),
            targets: Vec::new(),
            passthrough: edits(settings, Dialect::Passthrough, TokenCap::None),
            name: settings.name.clone(),
            provider: settings.provider,
            upstream,
            lack: settings.lack.clone(),
            path,
            auth_query,
            endpoint_query,
            seat: None,
            prober: None,
        };
        for ability in settings.provider.speaks {
            let own = || Some(ability.path_at(&settings.place)?.into());
            let Some(path) = instance.path.clone().or_else(own) else {
                continue;
            };
            instance.targets.push(Target {
                dialect: ability.dialect,
                path_and_query: instance.path_and_query(&path)?,
                path,
                edits: edits(settings, ability.dialect, ability.cap),
            });
        }
        Ok(instance)
    }

    /// Tells `seat` how attempts go from here on.
    pub fn take_seat(&mut self, seat: Seat) {
        self.seat = Some(seat);
    }

    /// Has its attempts go to the addresses that `prober` knows to be healthy.
    pub fn take_prober(&mut self, prober: Arc<Prober>) {
        self.prober = Some(prober);
    }

    /// Where one attempt goes; `None` leaves it to the resolver.
    pub(crate) fn peers(&self) -> Option<Peers> {
        self.prober.as_ref()?.peers()
    }

    /// Begins an attempt, as far as its picker wants to know of it.
    pub(crate) fn turn(&self, ctx: &Ctx) -> Option<Turn> {
        let exchange = ctx.exchange.as_ref();
        let blocks = exchange.map_or(&[][..], |exchange| &exchange.prompt_blocks);
        Some(self.seat.as_ref()?.take(blocks))
    }

    /// Its name in logs, metrics and limits.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Whether it has a key of its own, so that the client's is not what the provider judges.
    pub(crate) fn has_key(&self) -> bool {
        self.gcp.is_some() || !self.headers.is_empty() || !self.auth_query.is_empty()
    }

    /// Why it can have no credential, references without a value aside; every request fails then.
    pub fn credential_lack(&self) -> Option<String> {
        let lack = self.gcp.as_ref()?.lack()?;
        Some(lack.to_string())
    }

    /// Whether it has a host, or will have one when a reference has a value; without one every
    /// request fails.
    pub fn has_host(&self) -> bool {
        self.upstream.is_some() || self.lack.is_some()
    }

    /// Host and port of its upstream; `None` without a host.
    pub fn address(&self) -> Option<(&Arc<str>, u16)> {
        let upstream = self.upstream.as_ref()?;
        Some((&upstream.host, upstream.origin.port()))
    }

    /// How a known dialect is sent; `None` for those of no known dialect, and where no path is known.
    pub(crate) fn target(&self, bridge: bridge::Bridge) -> Option<&Target> {
        match bridge {
            bridge::Bridge::Verbatim(ability) => self
                .targets
                .iter()
                .find(|target| target.dialect == ability.dialect),
            bridge::Bridge::Passthrough => None,
        }
    }

    /// `auth.query`, overridden by the endpoint's own arguments, after `path`.
    fn path_and_query(&self, path: &str) -> Result<PathAndQuery, InstanceError> {
        let taken = |name: &[u8]| self.endpoint_query.iter().any(|own| own.name == name);
        let kept = self
            .auth_query
            .iter()
            .filter(|argument| !taken(&argument.name));
        let texts = kept
            .chain(&self.endpoint_query)
            .map(|argument| argument.text.as_ref());
        PathAndQuery::try_from(joined(path, texts)).map_err(|_| InstanceError::Path)
    }
}

// Written by hand: headers, targets and arguments hold credentials.
impl fmt::Debug for Instance {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Instance")
            .field("name", &self.name)
            .field("provider", &self.provider.name)
            .field("upstream", &self.upstream)
            .field("lack", &self.lack)
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

fn owned(argument: Argument<'_>) -> Argument<'static> {
    Argument {
        name: argument.name.into_owned().into(),
        text: argument.text.into_owned().into(),
    }
}

fn upstream(
    settings: &InstanceSettings,
    endpoint: Option<&Endpoint>,
    limits: &Limits,
    living: &Living,
) -> Result<Option<Upstream>, InstanceError> {
    let (scheme, host, port): (Scheme, Arc<str>, u16) = if let Some(endpoint) = endpoint {
        (endpoint.scheme, endpoint.host.clone(), endpoint.port)
    } else if let Some(host) = settings.provider.origin.host(&settings.place) {
        (Scheme::Https, host.into(), 443)
    } else {
        return Ok(None);
    };
    let mut settings = OriginSettings::new(scheme, host.clone(), port);
    settings.verify = limits.verify;
    settings.keepalive = limits.keepalive;
    let identity = format!(
        "{scheme:?}|{host}|{port}|{}|{:?}",
        settings.verify, settings.keepalive
    );
    let origin = living.share(&identity, || Origin::new(settings))?;
    Ok(Some(Upstream {
        origin,
        address: format!("{host}:{port}").into(),
        host,
    }))
}

/// Headers that say whom a request is for and where it ends: only the connection knows that.
///
/// compat: apache/apisix drops host, content-length and accept-encoding from `auth.header` as from
/// the client's headers.
const CONNECTIONS_OWN: [HeaderName; 9] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::ACCEPT_ENCODING,
    header::TRANSFER_ENCODING,
    header::CONNECTION,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::EXPECT,
];

/// Configured headers as they are sent, without those that belong to the connection.
///
/// # Errors
/// [`InstanceError::Header`].
pub(crate) fn headers(
    pairs: &[(String, Secret)],
) -> Result<Vec<(HeaderName, HeaderValue)>, InstanceError> {
    let one = |(name, value): &(String, Secret)| {
        let fault = || InstanceError::Header { name: name.clone() };
        let mut sent = HeaderValue::from_str(value.expose()).map_err(|_| fault())?;
        sent.set_sensitive(true);
        Ok((
            HeaderName::from_bytes(name.as_bytes()).map_err(|_| fault())?,
            sent,
        ))
    };
    let mut sent = pairs
        .iter()
        .map(one)
        .collect::<Result<Vec<_>, InstanceError>>()?;
    sent.retain(|(name, _)| !CONNECTIONS_OWN.contains(name));
    Ok(sent)
}

/// Options, then the token limit, then patches, then the provider's own removal: later wins.
fn edits(settings: &InstanceSettings, dialect: Dialect, cap: TokenCap) -> Edits {
    let mut edits = Edits::new();
    for (name, value) in &settings.options {
        edits.set(name.clone(), value.clone());
    }
    if let Some(max_tokens) = settings.max_tokens {
        cap.apply(max_tokens, &mut edits);
    }
    for (_, members) in settings
        .patches
        .iter()
        .filter(|(target, _)| *target == dialect)
    {
        for (name, value) in members {
            edits.merge(name.clone(), value.clone(), settings.force);
        }
    }
    if settings.provider.remove_model {
        edits.remove("model");
    }
    edits
}

#[cfg(test)]
mod tests;
