//! A streamed answer on its way through: its bytes untouched, its events read on the side.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame};
use llm::{Dialect, Ended, EventReader};
use net::{DecodedBody, NetError};
use plugin::{Ctx, End, Fault, Relay, RelayError, Say, Whose};
use smallvec::SmallVec;
use tokio::time::Sleep;
use wire::sse::SseDecoder;

use crate::answer::wanted;
use crate::attempt::Guards;
use crate::blame::Blame;
use crate::hold::{Hold, nothing_said};
use crate::limits::Limits;
use crate::record::{
    Chain, millis, record_end, record_failure, record_length, record_reason, status_of, word_for,
};
use crate::total::out_of_time;
use crate::turn::Turn;

/// As much as one write joins; what one read of a socket delivers is rarely more.
const JOIN_BYTES: usize = 64 * 1024;

/// What the attempt hands to whoever takes the answer's body over.
pub(crate) struct Opening {
    pub(crate) dialect: Dialect,
    pub(crate) start: Instant,
    /// Kept until the answer is over.
    pub(crate) guards: Guards,
    /// Told how the answer goes.
    pub(crate) turn: Option<Turn>,
    /// Until when a broken answer may still be replaced by another instance's.
    pub(crate) looked_at_until: Option<Instant>,
    /// By when a stream must have had its first content.
    pub(crate) content_by: Option<Instant>,
    /// By when everything must be over.
    pub(crate) total: Option<Instant>,
}

/// The body of a streamed answer.
///
/// Polling it pulls from the upstream's socket, so the client's pace is the upstream's pace, and
/// dropping it closes the upstream's connection.
pub(crate) struct StreamRelay {
    body: Option<DecodedBody>,
    /// What was read before the head of the answer was sent, the first piece last.
    held: SmallVec<[Bytes; 1]>,
    hold: Option<Hold>,
    events: Option<Events>,
    /// Fires when the answer has lasted too long; absent without such a limit.
    deadline: Option<Pin<Box<Sleep>>>,
    /// What it means that it has fired.
    late: Ended,
    max_bytes: u64,
    /// The length that the upstream declared.
    declared: Option<u64>,
    read: u64,
    start: Instant,
    ended: Ended,
    /// How long it took until the upstream had no more to say.
    took: Option<Duration>,
    /// Whose fault it is, by what an event of the stream reported.
    reported: Option<Blame>,
    guards: Guards,
    turn: Option<Turn>,
}

/// The events of the answer, read beside the relay.
struct Events {
    decoder: SseDecoder,
    reader: Box<dyn EventReader>,
    wants_text: bool,
    /// Whether the reader can tell content from other events.
    tells_content: bool,
}

/// Why no more pieces come.
enum Stop {
    Failed(NetError),
    /// A limit was hit; the piece that crossed it has been delivered.
    Limit(Ended),
}

// === impl Opening ===

impl Opening {
    /// Whether a broken answer may still be replaced by another instance's.
    pub(crate) fn is_looked_at(&self) -> bool {
        self.looked_at_until
            .is_some_and(|until| Instant::now() <= until)
    }
}

impl Opening {
    /// What holds the opening events of a stream back, where that is to be done.
    fn hold(&self) -> Option<Hold> {
        match self.content_by {
            Some(_) => Hold::new(self.dialect, None),
            None => Hold::new(self.dialect, Some(self.looked_at_until?)),
        }
    }

    /// By when the answer must be over, and the word for the limit that says so.
    fn deadline(&self, limits: &Limits) -> (Option<Instant>, Ended) {
        let own = limits
            .max_stream_duration
            .and_then(|longest| self.start.checked_add(longest));
        match (own, self.total) {
            (own, Some(total)) if own.is_none_or(|own| total < own) => {
                (Some(total), Ended::TotalTimeout)
            }
            (own, _) => (own, Ended::DurationLimit),
        }
    }
}

// === impl StreamRelay ===

impl StreamRelay {
    /// Takes over an answer's body and waits for its first piece, so that an upstream that breaks
    /// before it can still be answered with an honest status; where another instance may be asked,
    /// waits for its first content.
    ///
    /// # Errors
    /// An upstream's [`Fault`] when reading failed or a limit was hit before that.
    pub(crate) async fn open(
        ctx: &mut Ctx,
        mut body: DecodedBody,
        opening: Opening,
        reads_events: bool,
        limits: &Limits,
    ) -> Result<Self, Fault> {
        let declared = body.size_hint().exact();
        body.join_ready(if limits.join_writes { JOIN_BYTES } else { 0 });
        let hold = opening.hold().filter(|_| reads_events);
        let (deadline, late) = opening.deadline(limits);
        let Opening {
            dialect,
            start,
            guards,
            turn,
            ..
        } = opening;
        let want = wanted(ctx, limits);
        let mut relay = Self {
            body: Some(body),
            held: SmallVec::new(),
            hold,
            events: reads_events.then(|| Events {
                decoder: SseDecoder::new(),
                reader: dialect.protocol().reader(want),
                wants_text: want.text,
                tells_content: Hold::new(dialect, None).is_some(),
            }),
            deadline: deadline.map(|by| Box::pin(tokio::time::sleep_until(by.into()))),
            late,
            max_bytes: limits.max_response_bytes.unwrap_or(u64::MAX),
            declared,
            read: 0,
            start,
            ended: Ended::Running,
            took: None,
            reported: None,
            guards,
            turn,
        };
        relay.hold_opening(ctx).await?;
        relay.hold = None;
        // Taken from the end, so that many small pieces are not moved each time.
        relay.held.reverse();
        Ok(relay)
    }

    /// Reads on until there is something that the client should see.
    async fn hold_opening(&mut self, ctx: &mut Ctx) -> Result<(), Fault> {
        loop {
            match std::future::poll_fn(|task| self.poll_piece(task, ctx)).await {
                None if self.hold.is_some() => {
                    return Err(self.refuse(ctx, "no_content", nothing_said()));
                }
                None => return Ok(()),
                Some(Ok(piece)) => self.held.push(piece),
                Some(Err(stop)) => return Err(self.fault(ctx, &stop)),
            }
            match self.hold.as_ref().map(|hold| hold.may_go(self.read)) {
                None | Some(Ok(true)) => return Ok(()),
                Some(Ok(false)) => {}
                Some(Err(fault)) => return Err(self.refuse(ctx, "error_event", fault)),
            }
        }
    }

    /// Gives the answer up, since it is none.
    fn refuse(&mut self, ctx: &mut Ctx, word: &'static str, fault: Fault) -> Fault {
        self.body = None;
        self.ended = Ended::Failed;
        record_failure(ctx, self.start.elapsed(), word);
        fault
    }

    /// The next piece of the body, read for what it says.
    fn poll_piece(
        &mut self,
        task: &mut Context<'_>,
        ctx: &mut Ctx,
    ) -> Poll<Option<Result<Bytes, Stop>>> {
        loop {
            let Some(body) = &mut self.body else {
                return Poll::Ready(None);
            };
            if self.read > self.max_bytes {
                return Poll::Ready(Some(Err(self.stop(Stop::Limit(Ended::SizeLimit)))));
            }
            if let Some(deadline) = &mut self.deadline
                && deadline.as_mut().poll(task).is_ready()
            {
                return Poll::Ready(Some(Err(self.stop(Stop::Limit(self.late)))));
            }
            let Poll::Ready(frame) = Pin::new(body).poll_frame(task) else {
                if let Some(turn) = &mut self.turn {
                    turn.waits();
                }
                return Poll::Pending;
            };
            match frame {
                None => {
                    self.ended = Ended::Complete;
                    self.took = Some(self.start.elapsed());
                    self.body = None;
                    return Poll::Ready(None);
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(self.stop(Stop::Failed(error))))),
                Some(Ok(frame)) => {
                    // Trailers say nothing that a client of these dialects reads.
                    let Ok(piece) = frame.into_data() else {
                        continue;
                    };
                    if piece.is_empty() {
                        continue;
                    }
                    self.note(ctx, &piece);
                    return Poll::Ready(Some(Ok(piece)));
                }
            }
        }
    }

    /// Closes the upstream's connection and remembers why.
    fn stop(&mut self, stop: Stop) -> Stop {
        self.ended = match &stop {
            Stop::Limit(limit) => *limit,
            Stop::Failed(NetError::Lost { .. }) => Ended::UpstreamCut,
            Stop::Failed(_) => Ended::ReadError,
        };
        self.took = Some(self.start.elapsed());
        self.body = None;
        stop
    }

    fn note(&mut self, ctx: &mut Ctx, piece: &Bytes) {
        let is_first = self.read == 0;
        self.read += piece.len() as u64;
        record_length(ctx, self.read);
        let Some(exchange) = &mut ctx.exchange else {
            return;
        };
        if is_first {
            exchange.time_to_first_token_ms = Some(millis(self.start.elapsed()));
        }
        let Some(events) = &mut self.events else {
            if let Some(turn) = &mut self.turn {
                turn.piece(true);
            }
            return;
        };
        events.decoder.push(piece.clone());
        while let Some(event) = events.decoder.next() {
            let reading = events.reader.read(&event);
            if reading.is_first_content
                && let Some(attempt) = ctx.attempts.last_mut()
            {
                let since = self.start;
                attempt.first_content.get_or_insert_with(|| since.elapsed());
            }
            if reading.is_failure {
                self.reported
                    .get_or_insert_with(|| Blame::of_report(event.data));
            }
            if let Some(hold) = &mut self.hold {
                hold.see(&reading, event.data);
            }
            if let Some(turn) = &mut self.turn {
                turn.event(reading.is_first_content);
            }
            let has_usage = reading.usage.is_some();
            if let Some(usage) = reading.usage {
                exchange.usage = usage;
            }
            exchange.has_tool_calls |= reading.has_tool_calls;
            exchange.done |= reading.is_done;
            exchange.text.push_str(reading.text);
            if has_usage && let Some(raw) = events.reader.raw_usage() {
                exchange.raw_usage = Some(raw.clone());
            }
        }
        if let Some(turn) = &mut self.turn {
            turn.piece(!events.tells_content);
        }
        exchange.text_known = events.wants_text;
        if events.decoder.overflowed() {
            tracing::warn!("an upstream event is too large to be read, its bytes are relayed");
        }
    }

    /// Whether the end mark of the dialect has left for the client, with everything before it.
    fn has_said_all(&self, ctx: &Ctx) -> bool {
        self.held.is_empty() && ctx.exchange.as_ref().is_some_and(|exchange| exchange.done)
    }

    /// Writes whose fault it is that an answer that has begun is not whole.
    fn record_blame(&self, ctx: &mut Ctx) {
        let Some(attempt) = ctx.attempts.last_mut() else {
            return;
        };
        match (self.ended, self.reported) {
            (Ended::UpstreamCut | Ended::ReadError, _) => attempt.fault = Blame::Provider.name(),
            (Ended::Failed, Some(blame)) => {
                attempt.ended = "error_event";
                attempt.fault = blame.name();
            }
            _ => {}
        }
    }

    /// Tells the operator which limit ended an answer that had begun.
    fn tell(&self, ctx: &Ctx, limit: Ended) {
        let route = ctx.route.as_deref();
        tracing::warn!(
            limit = limit.name(),
            bytes = self.read,
            duration_ms = millis(self.start.elapsed()),
            route = route.map(|route| &*route.id),
            "a streamed answer was ended by a limit"
        );
    }

    fn fault(&mut self, ctx: &mut Ctx, stop: &Stop) -> Fault {
        if matches!(stop, Stop::Limit(Ended::TotalTimeout)) {
            let before = ctx.attempts.len().saturating_sub(1);
            return out_of_time(ctx, before);
        }
        record_end(ctx, self.start.elapsed(), self.ended);
        if let Stop::Failed(error) = stop {
            record_reason(ctx, word_for(error));
        }
        let (status, say) = match stop {
            Stop::Failed(error) => (status_of(error), Say::ErrorMsg(error.to_string())),
            Stop::Limit(Ended::DurationLimit) => (
                StatusCode::GATEWAY_TIMEOUT,
                Say::Text("max_stream_duration_ms exceeded".to_owned()),
            ),
            Stop::Limit(_) => (
                StatusCode::BAD_GATEWAY,
                Say::Text("max_response_bytes exceeded".to_owned()),
            ),
        };
        let fault = Fault::new(Whose::Upstream, status, say).elsewhere();
        match stop {
            Stop::Failed(error) => fault.because(Chain(error)),
            Stop::Limit(_) => fault,
        }
    }
}

impl Relay for StreamRelay {
    fn poll_frame(
        &mut self,
        task: &mut Context<'_>,
        ctx: &mut Ctx,
    ) -> Poll<Option<Result<Frame<Bytes>, RelayError>>> {
        if let Some(piece) = self.held.pop() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        Poll::Ready(match ready!(self.poll_piece(task, ctx)) {
            None => None,
            Some(Ok(piece)) => Some(Ok(Frame::data(piece))),
            Some(Err(Stop::Limit(limit))) => {
                self.tell(ctx, limit);
                // compat: apache/apisix its own limits end an answer in good order, so that the client
                // sees nothing but the missing terminator of its protocol
                (limit == Ended::TotalTimeout).then_some(Err(RelayError::OutOfTime))
            }
            Some(Err(Stop::Failed(error))) => {
                tracing::warn!(error = %Chain(&error), "an upstream broke off its answer");
                Some(Err(if error.is_timeout() {
                    RelayError::UpstreamStalled
                } else {
                    RelayError::UpstreamCut
                }))
            }
        })
    }

    fn close(&mut self, ctx: &mut Ctx, end: End) {
        self.body = None;
        self.ended = match (end, self.ended) {
            (End::ClientGone, Ended::Running | Ended::Complete) if !self.has_said_all(ctx) => {
                Ended::ClientGone
            }
            // Clients leave once they have seen the end mark, and a body of declared length is whole
            // before anybody asks for its end.
            (End::ClientGone | End::Complete, Ended::Running) => Ended::Complete,
            (_, ended) => ended,
        };
        if self.ended == Ended::Complete && self.reported.is_some() {
            self.ended = Ended::Failed;
        }
        let took = self.took.unwrap_or_else(|| self.start.elapsed());
        record_end(ctx, took, self.ended);
        self.record_blame(ctx);
        self.guards.clear();
        self.turn = None;
    }

    fn length(&self) -> Option<u64> {
        self.declared
    }
}
