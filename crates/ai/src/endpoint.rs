//! `override.endpoint`: where an instance really is.

use std::sync::Arc;

use net::Scheme;

/// A configured endpoint, taken apart.
///
/// Shape: `[http(s)://]host[:port][/path][?query]`. Only the parts that are written are replaced;
/// a lone `/` counts as a path. Source: apache/apisix `apisix/plugins/ai-providers/base.lua`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `https` when not written.
    pub scheme: Scheme,
    /// Host name or address, IPv6 without brackets.
    pub host: Arc<str>,
    /// The scheme's own port when not written.
    pub port: u16,
    /// Path, when written.
    pub path: Option<Arc<str>>,
    /// Query without `?`, when written.
    pub query: Option<Arc<str>>,
}

/// An endpoint that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a URL such as https://host:443/path, found \"{found}\"")]
pub struct EndpointError {
    found: String,
}

// === impl Endpoint ===

impl Endpoint {
    /// Takes a URL apart.
    ///
    /// # Errors
    /// When there is no host, the port is not a number, the scheme is neither http nor https, or a
    /// part holds characters that no request target can carry.
    pub fn parse(url: &str) -> Result<Self, EndpointError> {
        Self::read(url).ok_or_else(|| EndpointError {
            found: redacted(url),
        })
    }

    fn read(url: &str) -> Option<Self> {
        let (scheme, rest) = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (Scheme::Http, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (Scheme::Https, rest),
            Some(_) => return None,
            None => (Scheme::Https, url),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(end);
        let (host, port) = host_and_port(authority, scheme)?;
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        if !plain(target) {
            return None;
        }
        Some(Self {
            scheme,
            host: host.into(),
            port,
            path: (!path.is_empty()).then(|| path.into()),
            query: query.filter(|query| !query.is_empty()).map(Into::into),
        })
    }
}

fn host_and_port(authority: &str, scheme: Scheme) -> Option<(&str, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(inner) => {
            let (host, rest) = inner.split_once(']')?;
            (
                host,
                rest.strip_prefix(':').or(rest.is_empty().then_some("")),
            )
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, Some("")),
        },
    };
    let port = match port? {
        "" => scheme.default_port(),
        digits => digits.parse().ok().filter(|port| *port > 0)?,
    };
    let known =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':');
    (!host.is_empty() && host.bytes().all(known)).then_some((host, port))
}

/// The URL as an error may show it: without user information and query, which may hold keys.
fn redacted(url: &str) -> String {
    let shown = url.split(['?', '#']).next().unwrap_or_default();
    match shown.rsplit_once('@') {
        Some((before, after)) => {
            let scheme = before.split_once("://").map_or("", |(scheme, _)| scheme);
            let mark = if scheme.is_empty() { "" } else { "://" };
            format!("{scheme}{mark}***@{after}")
        }
        None => shown.to_owned(),
    }
}
