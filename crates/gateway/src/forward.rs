//! Plain reverse proxying, for routes whose upstream is asked by the gateway itself.

mod headers;
mod passing;
mod upload;

use std::time::{Duration, Instant};

use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, StatusCode, Uri, Version, header};
use net::pick::Tried;
use net::{Answer, NetError, Timeouts};
use plugin::{Attempt, AttemptGuard, Ctx, Phases, Reply, ReplyBody, ReplySource};
use smallvec::SmallVec;

use crate::connection::Client;
use crate::gateway::Core;
use crate::hygiene;
use crate::refusal::{self, UPSTREAM_STATUS};
use crate::snapshot::{Node, PassHost, Route, Upstream};
use passing::Passing;
use upload::Upload;

/// Held from the start of an attempt to its end.
type Guards = SmallVec<[AttemptGuard; 1]>;

/// One request on its way to an upstream.
struct Forward<'a> {
    core: &'a Core,
    client: &'a Client,
    upstream: &'a Upstream,
    timeouts: Timeouts,
    target: PathAndQuery,
    upload: Upload,
}

/// What became of an attempt that brought no answer.
struct Failed {
    error: NetError,
    status: StatusCode,
}

/// Asks the nodes of an upstream until one answers or the retries are used up.
pub(crate) async fn forward(
    route: &Route,
    upstream: &Upstream,
    client: &Client,
    ctx: &mut Ctx,
) -> Reply {
    let core = &*client.core;
    if upstream.is_empty() {
        return refusal::no_node();
    }
    let upload = match Upload::of(ctx, &core.settings.limits, upstream.retries > 0) {
        Ok(upload) => upload,
        Err(error) => return refusal::unreadable_body(&error),
    };
    let target = ctx.request.uri.path_and_query().cloned();
    let forward = Forward {
        core,
        client,
        upstream,
        timeouts: route.timeouts.unwrap_or(upstream.timeouts),
        target: target.unwrap_or_else(|| PathAndQuery::from_static("/")),
        upload,
    };
    forward.run(ctx).await
}

// === impl Forward ===

impl Forward<'_> {
    async fn run(mut self, ctx: &mut Ctx) -> Reply {
        let start = Instant::now();
        let mut tried = Tried::new();
        let mut last = None;
        while tried.len() <= self.upstream.retries && !self.is_too_late(start, &tried) {
            let Some((index, node)) = self.upstream.pick(&tried) else {
                break;
            };
            tried.add(index);
            let begun = Instant::now();
            let mut guards = Guards::new();
            if ctx.chains.iter().any(|chain| chain.has(Phases::ATTEMPT)) {
                for chain in &ctx.chains.clone() {
                    guards.extend(chain.attempt(ctx));
                }
            }
            match self.attempt(node, ctx).await {
                Ok(answer) => return self.pass_on(answer, begun, guards),
                Err(failed) => {
                    let can_go_on = self.may_retry(&failed.error, &ctx.request.method);
                    last = Some(failed);
                    if !can_go_on {
                        break;
                    }
                }
            }
        }
        last.map_or_else(
            || refusal::no_answer(StatusCode::BAD_GATEWAY),
            Failed::reply,
        )
    }

    async fn attempt(&mut self, node: &Node, ctx: &mut Ctx) -> Result<Answer, Failed> {
        let begun = Instant::now();
        let request = self.request(ctx);
        ctx.attempts.push(Attempt {
            address: node.address.clone(),
            host: node.host.clone(),
            scheme: node.origin.scheme().as_str(),
            path: self.target.path().into(),
            ..Attempt::default()
        });
        let outcome = node.origin.send(request, self.timeouts).await;
        let took = begun.elapsed();
        let Some(attempt) = ctx.attempts.last_mut() else {
            return outcome.map_err(Failed::from);
        };
        match outcome {
            Ok(answer) => {
                attempt.status = Some(answer.head.status.as_u16());
                attempt.connect = answer.connect;
                attempt.header = Some(took);
                Ok(answer)
            }
            Err(error) => {
                let failed = Failed::from(error);
                tracing::warn!(node = &*node.address, error = %failed.error, "upstream failed");
                attempt.status = Some(failed.status.as_u16());
                attempt.response = Some(took);
                Err(failed)
            }
        }
    }

    fn request(&mut self, ctx: &Ctx) -> Request<net::RequestBody> {
        let mut request = Request::new(self.upload.body());
        *request.method_mut() = ctx.request.method.clone();
        *request.version_mut() = Version::HTTP_11;
        *request.uri_mut() = Uri::from(self.target.clone());
        let headers = request.headers_mut();
        // A plain copy would have no room for what is added.
        headers.reserve(ctx.request.headers.len() + headers::ADDED);
        for (name, value) in &ctx.request.headers {
            headers.append(name, value.clone());
        }
        headers.remove(header::CONTENT_LENGTH);
        headers::tell_origin(headers, self.client, &self.core.settings.trusted_addresses);
        match &self.upstream.pass_host {
            PassHost::Pass => {}
            // The connection's own host is told when there is none.
            PassHost::Node => drop(headers.remove(header::HOST)),
            PassHost::Rewrite(host) => drop(headers.insert(header::HOST, host.clone())),
        }
        request
    }

    fn is_too_late(&self, start: Instant, tried: &Tried) -> bool {
        let limit = self.upstream.retry_timeout.unwrap_or(Duration::MAX);
        !tried.is_empty() && start.elapsed() >= limit
    }

    /// Whether another node may be asked: the request must still be whole here, and one that may
    /// change something must not have reached the node that failed.
    fn may_retry(&self, error: &NetError, method: &Method) -> bool {
        let Some(phase) = error.phase() else {
            return false;
        };
        let is_repeatable = !matches!(*method, Method::POST | Method::PATCH);
        self.upload.is_whole() && (phase.is_before_request() || is_repeatable)
    }

    fn pass_on(self, answer: Answer, begun: Instant, guards: Guards) -> Reply {
        let Answer { head, body, .. } = answer;
        let status = head.status;
        let mut headers = head.headers;
        hygiene::strip_hop_by_hop(&mut headers);
        let tells_status = self.core.settings.always_tell_upstream_status;
        if status.is_server_error() || tells_status {
            headers.insert(UPSTREAM_STATUS, HeaderValue::from(status.as_u16()));
        }
        Reply {
            status,
            headers,
            body: ReplyBody::Relay(Box::new(Passing::new(body, begun, guards))),
            source: ReplySource::Upstream,
        }
    }
}

// === impl Failed ===

impl From<NetError> for Failed {
    fn from(error: NetError) -> Self {
        let status = if error.is_timeout() {
            StatusCode::GATEWAY_TIMEOUT
        } else {
            StatusCode::BAD_GATEWAY
        };
        Self { error, status }
    }
}

impl Failed {
    fn reply(self) -> Reply {
        match &self.error {
            NetError::RequestBody(error) => Upload::refusal(*error),
            _ => refusal::no_answer(self.status),
        }
    }
}
