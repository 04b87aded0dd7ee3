//! What every auth plugin does with the caller it found: tells the upstream who it is, and keeps the
//! credential from going further than it should.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Uri};
use plugin::{Consumer, Ctx, Phases};

const USERNAME: HeaderName = HeaderName::from_static("x-consumer-username");
const CREDENTIAL: HeaderName = HeaderName::from_static("x-credential-identifier");
const CUSTOM_ID: HeaderName = HeaderName::from_static("x-consumer-custom-id");

/// Makes `consumer` the caller; what the client says of itself in these headers is removed.
pub(super) fn attach(ctx: &mut Ctx, consumer: Arc<Consumer>) {
    let headers = &mut ctx.request.headers;
    let told = [
        (USERNAME, Some(&consumer.username)),
        (CREDENTIAL, consumer.credential_id.as_ref()),
        (CUSTOM_ID, consumer.custom_id.as_ref()),
    ];
    for (name, value) in told {
        headers.remove(&name);
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    }
    ctx.consumer = Some(consumer);
}

/// Whether a plugin of this request answers in place of the plain upstream, as all AI plugins do: what
/// the client sends may then reach a third party, which must not see a credential of this gateway.
pub(super) fn leaves_the_house(ctx: &Ctx) -> bool {
    ctx.chains
        .iter()
        .any(|chain| chain.has(Phases::BEFORE_PROXY))
}

/// The target without the argument `name`, all else as the client wrote it.
pub(super) fn without_argument(uri: &Uri, name: &str) -> Uri {
    let Some(query) = uri.query() else {
        return uri.clone();
    };
    let is_other = |pair: &&str| {
        let mut read = form_urlencoded::parse(pair.as_bytes());
        read.next().is_none_or(|(found, _)| found != name)
    };
    let kept: Vec<&str> = query.split('&').filter(is_other).collect();
    let path = uri.path();
    let target = if kept.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{}", kept.join("&"))
    };
    // A target that had an argument less would not parse only if it had not parsed before.
    let target = PathAndQuery::try_from(target).unwrap_or(PathAndQuery::from_static("/"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(target);
    Uri::from_parts(parts).unwrap_or_default()
}
