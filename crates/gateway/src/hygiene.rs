//! Headers that concern one connection and must not pass to the next.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// What may concern one connection only, whether `Connection` names it or not.
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::EXPECT,
];

/// Removes them, and those that `Connection` names.
///
/// What everybody relies on, such as `Host` or `Content-Length`, cannot be removed by being named.
pub(crate) fn strip_hop_by_hop(headers: &mut HeaderMap) {
    if headers.contains_key(header::CONNECTION) {
        let named: SmallVec<[HeaderName; 4]> = headers
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|list| list.split(','))
            .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok())
            .filter(|name| !is_end_to_end(name))
            .collect();
        for name in named {
            headers.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
}

/// Joins the parts into which HTTP/2 clients may split their cookies; elsewhere there is one.
pub(crate) fn join_cookies(headers: &mut HeaderMap) {
    let mut parts = headers.get_all(header::COOKIE).iter();
    let (Some(first), Some(second)) = (parts.next(), parts.next()) else {
        return;
    };
    let mut joined = first.as_bytes().to_vec();
    for part in std::iter::once(second).chain(parts) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(part.as_bytes());
    }
    if let Ok(joined) = HeaderValue::from_maybe_shared(bytes::Bytes::from(joined)) {
        headers.insert(header::COOKIE, joined);
    }
}

/// Headers whose removal would change who asks, what for, or where the message ends.
fn is_end_to_end(name: &HeaderName) -> bool {
    const NEEDED: [HeaderName; 7] = [
        header::HOST,
        header::CONTENT_LENGTH,
        header::CONTENT_TYPE,
        header::AUTHORIZATION,
        header::COOKIE,
        header::FORWARDED,
        HeaderName::from_static("x-forwarded-for"),
    ];
    NEEDED.contains(name)
}

#[cfg(test)]
mod tests;
