//! What an upstream is told about the client.

use std::net::IpAddr;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use crate::connection::Client;

const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// How many headers a request may gain here.
pub(super) const ADDED: usize = 6;

/// Sets the `X-Forwarded-*` family and `X-Real-IP`.
///
/// What was observed here replaces what the client says, unless the client is a trusted proxy. In
/// `X-Forwarded-For` a chain is continued; an untrusted one is cut when trusted proxies are known.
pub(super) fn tell_origin(headers: &mut HeaderMap, client: &Client, trusted: &[IpNet]) {
    let peer: IpAddr = client.peer.ip().to_canonical();
    let is_trusted = trusted.iter().any(|net| net.contains(&peer));
    headers.remove(header::FORWARDED);
    headers.insert(REAL_IP, client.peer_address.clone());
    if !is_trusted && !trusted.is_empty() {
        headers.remove(FORWARDED_FOR);
    }
    let chain = continued(headers, &client.peer_address);
    headers.insert(FORWARDED_FOR, chain);
    if !is_trusted || !headers.contains_key(FORWARDED_PROTO) {
        headers.insert(FORWARDED_PROTO, HeaderValue::from_static(client.scheme));
    }
    if !is_trusted || !headers.contains_key(FORWARDED_HOST) {
        match headers.get(header::HOST).cloned() {
            Some(host) => headers.insert(FORWARDED_HOST, host),
            None => headers.remove(FORWARDED_HOST),
        };
    }
    if !is_trusted || !headers.contains_key(FORWARDED_PORT) {
        headers.insert(FORWARDED_PORT, client.local_port.clone());
    }
}

/// The chain of proxies so far with one more address.
fn continued(headers: &HeaderMap, address: &HeaderValue) -> HeaderValue {
    let mut chain = Vec::new();
    for value in headers.get_all(FORWARDED_FOR) {
        chain.extend_from_slice(value.as_bytes());
        chain.extend_from_slice(b", ");
    }
    if chain.is_empty() {
        return address.clone();
    }
    chain.extend_from_slice(address.as_bytes());
    HeaderValue::from_maybe_shared(bytes::Bytes::from(chain)).unwrap_or_else(|_| address.clone())
}
