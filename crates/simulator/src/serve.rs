//! One request of one connection.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderName, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use serde_json::json;

use crate::answer::Answer;
use crate::behaviour::{Behaviour, Place};
use crate::body::{Abort, Paced, ReplyBody};
use crate::canned::{Canned, Picked};
use crate::journal::{Entry, Journal, Outcome, Received, Track};
use crate::link::Link;
use crate::script::Script;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream; charset=utf-8");
const REQUEST_IDS: [HeaderName; 2] = [
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("request-id"),
];

/// The most bytes that are set aside for a body before it arrives.
const MOST_RESERVED: usize = 4 * 1024 * 1024;

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) journal: Journal,
    pub(crate) script: Script,
    pub(crate) canned: Option<Canned>,
}

/// One request in the course of being answered.
struct Exchange<'a> {
    link: &'a Arc<Link>,
    behaviour: Behaviour,
    method: Method,
    id: u64,
    track: Track,
}

// === impl Stage ===

impl Stage {
    /// Answers one request.
    pub(crate) async fn answer(
        &self,
        connection: u64,
        link: &Arc<Link>,
        request: Request<Incoming>,
    ) -> Result<Response<ReplyBody>, Abort> {
        let (parts, body) = request.into_parts();
        if parts.uri.path().starts_with("/__sim/") {
            return Ok(self.inspect(&parts));
        }
        let id = self.journal.next_id();
        let track = self.journal.track(id);
        let (body, failure) = read(body).await;
        let request = received(id, connection, parts, body);
        if self.journal.keeps_entries() {
            self.journal.keep(request.clone());
        }
        if let Some(error) = failure {
            return Err(Abort::BodyRead(error));
        }
        let scripted = self.script.next(&request);
        let is_plain = scripted.is_none() && !has_settings(&request.headers);
        let canned = self.canned.as_ref().filter(|_| is_plain);
        if let Some(pieces) = canned.and_then(|canned| canned.pick(&request)) {
            let exchange = Exchange::plain(link, &request, track);
            return Ok(exchange.finish_canned(pieces));
        }
        let behaviour = match scripted.unwrap_or_default().with_headers(&request.headers) {
            Ok(behaviour) => behaviour,
            Err(error) => {
                let answer = Answer::refusal(&error.to_string());
                return Ok(Exchange::plain(link, &request, track).finish(answer));
            }
        };
        let exchange = Exchange {
            behaviour,
            ..Exchange::plain(link, &request, track)
        };
        exchange.run(&request).await
    }

    /// Answers questions about the simulator itself.
    fn inspect(&self, parts: &Parts) -> Response<ReplyBody> {
        let answer = match (&parts.method, parts.uri.path()) {
            (&Method::GET, "/__sim/stats") => json!(self.journal.stats()),
            (&Method::GET, "/__sim/journal") => {
                let entries = self.journal.entries();
                entries.iter().map(Entry::describe).collect()
            }
            (&Method::DELETE, "/__sim/journal") => {
                self.journal.clear();
                json!({"cleared": true})
            }
            _ => json!({"paths": ["/__sim/journal", "/__sim/stats"]}),
        };
        let body = ReplyBody::Whole(Some(Bytes::from(answer.to_string())));
        response(StatusCode::OK, JSON, body)
    }
}

// === impl Exchange ===

impl<'a> Exchange<'a> {
    fn plain(link: &'a Arc<Link>, request: &Received, track: Track) -> Self {
        Self {
            link,
            behaviour: Behaviour::default(),
            method: request.method.clone(),
            id: request.id,
            track,
        }
    }

    async fn run(mut self, request: &Received) -> Result<Response<ReplyBody>, Abort> {
        self.link
            .set_split(self.behaviour.split.unwrap_or_default());
        if !self.behaviour.delay.is_zero() {
            tokio::time::sleep(self.behaviour.delay).await;
        }
        if self.behaviour.stall_after == Some(Place::Head) {
            // Ends when the client leaves: its connection drops this future.
            std::future::pending::<()>().await;
        }
        if self.behaviour.cut_after == Some(Place::Head) {
            if self.behaviour.reset {
                self.link.set_reset();
            }
            self.track.set(Outcome::Cut);
            return Err(Abort::Cut);
        }
        let answer = Answer::new(request, &self.behaviour);
        Ok(self.finish(answer))
    }

    fn finish(mut self, answer: Answer) -> Response<ReplyBody> {
        let behaviour = &self.behaviour;
        let chosen = behaviour.content_type.clone();
        let is_stream = match &chosen {
            Some(kind) => kind.as_bytes().starts_with(b"text/event-stream"),
            None => answer.is_stream,
        };
        let kind = chosen.unwrap_or(if answer.is_stream { EVENT_STREAM } else { JSON });
        let has_no_body = self.method == Method::HEAD
            || answer.status == StatusCode::NO_CONTENT
            || answer.status == StatusCode::NOT_MODIFIED;
        if has_no_body {
            self.track.set(Outcome::Completed);
        }
        let body = Paced::new(self.link, self.track, answer.pieces)
            .sized(!is_stream)
            .behaving(behaviour);
        let body = ReplyBody::Paced(Box::new(body));
        let mut response = response(answer.status, kind, body);
        decorate(response.headers_mut(), &self.behaviour, self.id);
        response
    }

    fn finish_canned(mut self, picked: Picked) -> Response<ReplyBody> {
        match picked {
            Picked::Document(document) => {
                self.track.set(Outcome::Completed);
                response(StatusCode::OK, JSON, ReplyBody::Whole(Some(document)))
            }
            Picked::Stream(pieces, interval) => {
                let body = Paced::new(self.link, self.track, pieces).paced(interval);
                let body = ReplyBody::Paced(Box::new(body));
                response(StatusCode::OK, EVENT_STREAM, body)
            }
        }
    }
}

/// The headers that a behaviour adds.
fn decorate(headers: &mut HeaderMap, behaviour: &Behaviour, id: u64) {
    if let Ok(value) = HeaderValue::try_from(format!("req_sim_{id}")) {
        for name in REQUEST_IDS {
            headers.insert(name, value.clone());
        }
    }
    if let Some(value) = &behaviour.retry_after {
        headers.insert(header::RETRY_AFTER, value.clone());
    }
    if behaviour.gzip {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if behaviour.close {
        headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    for (name, value) in &behaviour.headers {
        headers.insert(name, value.clone());
    }
}

fn response(status: StatusCode, kind: HeaderValue, body: ReplyBody) -> Response<ReplyBody> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

fn received(id: u64, connection: u64, parts: Parts, body: Bytes) -> Received {
    Received {
        id,
        connection,
        method: parts.method,
        uri: parts.uri,
        headers: parts.headers,
        body,
    }
}

fn has_settings(headers: &HeaderMap) -> bool {
    headers
        .keys()
        .any(|name| name.as_str().starts_with("x-sim-"))
}

/// The body, or what arrived of it with the reason why no more came.
async fn read(mut body: Incoming) -> (Bytes, Option<hyper::Error>) {
    let expected = http_body::Body::size_hint(&body).lower();
    let expected = usize::try_from(expected)
        .unwrap_or_default()
        .min(MOST_RESERVED);
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let data = match frame.map(http_body::Frame::into_data) {
            Ok(Ok(data)) => data,
            Ok(Err(_trailers)) => continue,
            Err(error) => return (whole(first, all), Some(error)),
        };
        // One frame, the usual case, is not copied.
        if first.is_empty() && all.is_empty() {
            first = data;
            continue;
        }
        if all.is_empty() {
            all.reserve(expected.max(first.len() + data.len()));
            all.extend_from_slice(&first);
        }
        all.extend_from_slice(&data);
    }
    (whole(first, all), None)
}

fn whole(first: Bytes, all: BytesMut) -> Bytes {
    if all.is_empty() { first } else { all.freeze() }
}
