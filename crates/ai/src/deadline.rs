//! Deadlines beside the silence that an upstream is allowed.

use std::time::Duration;

use http::{Request, StatusCode};
use llm::Ended;
use net::{Answer, DecodedBody, NetError, Origin, Phase, RequestBody};
use plugin::{Ctx, Fault, Say, Whose};
use tokio::time::{timeout, timeout_at};

use crate::limits::Limits;
use crate::record::{record_contact, record_failure, word_for};
use crate::relay::{Opening, StreamRelay};

/// The word of the trail for the end of all time.
pub(crate) const TOTAL_TIMEOUT: &str = Ended::TotalTimeout.name();
const FIRST_CONTENT_TIMEOUT: &str = "first_content_timeout";

/// By when certain things must have happened; absent ones are not looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Deadlines {
    /// For resolving and connecting together, and again for the TLS handshake.
    pub connect: Option<Duration>,
    /// From the start of an attempt to the head of its answer.
    pub first_byte: Option<Duration>,
    /// From the start of an attempt to the first content of a stream.
    pub first_content: Option<Duration>,
    /// From the start of the exchange to the end of its answer, all attempts together.
    pub total: Option<Duration>,
}

/// A call without an answer.
#[derive(Debug)]
pub(crate) struct Unanswered {
    pub(crate) error: NetError,
    /// The word of the trail for it.
    pub(crate) word: &'static str,
}

/// Sends the request of an attempt, and waits for the head of its answer; what is known of the way
/// there is in the record at any moment.
pub(crate) async fn send(
    ctx: &mut Ctx,
    origin: &Origin,
    (request, is_stream): (Request<RequestBody>, bool),
    limits: &Limits,
) -> Result<Answer, Unanswered> {
    let call = origin.send_telling(request, limits.timeouts(), |contact| {
        record_contact(ctx, contact);
    });
    let sent = if let Some((limit, word)) = head_deadline(&limits.deadlines, is_stream) {
        let late = |_| Unanswered {
            error: NetError::Timeout { phase: Phase::Head },
            word,
        };
        timeout(limit, call).await.map_err(late)?
    } else {
        call.await
    };
    sent.map_err(|error| Unanswered {
        word: word_of(&error, &limits.deadlines),
        error,
    })
}

/// A stream without a head has no content either.
fn head_deadline(deadlines: &Deadlines, is_stream: bool) -> Option<(Duration, &'static str)> {
    let first_byte = deadlines
        .first_byte
        .map(|limit| (limit, "first_byte_timeout"));
    let first_content = deadlines.first_content.filter(|_| is_stream);
    let first_content = first_content.map(|limit| (limit, FIRST_CONTENT_TIMEOUT));
    first_byte
        .into_iter()
        .chain(first_content)
        .min_by_key(|(limit, _)| *limit)
}

fn word_of(error: &NetError, deadlines: &Deadlines) -> &'static str {
    let was_connecting = error.phase().is_some_and(Phase::is_before_request);
    if deadlines.connect.is_some() && was_connecting && error.is_timeout() {
        return "connect_timeout";
    }
    word_for(error)
}

/// Takes a streamed answer over as [`StreamRelay::open`] does, and gives up when its content has not
/// come by the time that the opening names.
pub(crate) async fn open(
    ctx: &mut Ctx,
    body: DecodedBody,
    opening: Opening,
    reads_events: bool,
    limits: &Limits,
) -> Result<StreamRelay, Fault> {
    let (start, content_by) = (opening.start, opening.content_by);
    let opened = StreamRelay::open(ctx, body, opening, reads_events, limits);
    let Some(content_by) = content_by else {
        return opened.await;
    };
    if let Ok(relay) = timeout_at(content_by.into(), opened).await {
        return relay;
    }
    record_failure(ctx, start.elapsed(), FIRST_CONTENT_TIMEOUT);
    let say = Say::Text("the upstream's stream had no content in time".to_owned());
    Err(Fault::new(Whose::Upstream, StatusCode::GATEWAY_TIMEOUT, say).elsewhere())
}
