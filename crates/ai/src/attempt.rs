//! One upstream call, up to the head of its answer.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Instant;

use http::{StatusCode, header};
use net::Origin;
use plugin::{Attempt, AttemptGuard, Choice, Ctx, Fault, Phases, Reply, Say, Whose};
use smallvec::SmallVec;

use crate::answer::judge;
use crate::deadline::{self, Unanswered};
use crate::fallback::Terms;
use crate::instance::{Instance, Lack, Upstream};
use crate::outgoing::{Outgoing, compose};
use crate::record::{Chain, record_failure, record_head, record_start, status_of};
use crate::relay::Opening;
use crate::sign::TokenError;

/// Held while an attempt is in flight.
pub(crate) type Guards = SmallVec<[AttemptGuard; 1]>;

/// Asks `instance` what the client asked; a stream is cut at `total`.
///
/// # Errors
/// A [`Fault`]; [`Fault::retry`] tells whether another instance may be asked. Nothing has reached
/// the client then.
pub(crate) async fn attempt(
    ctx: &mut Ctx,
    instance: &Instance,
    choice: Choice,
    terms: &Terms,
    total: Option<Instant>,
) -> Result<Reply, Fault> {
    if let Some(lack) = &instance.lack {
        return Err(lacking(ctx, instance, choice, lack));
    }
    let Outgoing {
        mut request,
        path,
        dialect,
        is_stream,
    } = compose(ctx, instance)?;
    let Some(upstream) = &instance.upstream else {
        return Err(no_host(ctx, instance, choice));
    };
    let begun = begin(ctx, upstream, path, choice);
    if let Some(gcp) = &instance.gcp {
        let bearer = gcp.bearer().await;
        let bearer = bearer.map_err(|error| no_token(ctx, begun, &error))?;
        request.headers_mut().insert(header::AUTHORIZATION, bearer);
    }
    let opening = Opening {
        dialect,
        guards: guards(ctx),
        turn: instance.turn(ctx),
        start: Instant::now(),
        looked_at_until: None,
        content_by: None,
        total,
    };
    // Waiting for a token is no part of the upstream's time.
    let start = opening.start;
    record_start(ctx, start);
    let asked = (request, is_stream);
    let origin = target(ctx, instance, upstream);
    match deadline::send(ctx, &origin, asked, &terms.limits).await {
        Err(unanswered) => Err(unreached(ctx, &unanswered, start)),
        Ok(answer) => {
            record_head(ctx, &answer, start);
            judge(ctx, answer, opening, terms).await
        }
    }
}

/// The origin of an attempt, with the addresses that it may go to when the instance is probed.
fn target<'i>(ctx: &mut Ctx, instance: &Instance, upstream: &'i Upstream) -> Cow<'i, Origin> {
    let Some(peers) = instance.peers() else {
        return Cow::Borrowed(&*upstream.origin);
    };
    if let Some(attempt) = ctx.attempts.last_mut() {
        attempt.steered = true;
    }
    Cow::Owned(upstream.origin.at(peers))
}

/// Opens the record of an attempt, and tells when.
fn begin(ctx: &mut Ctx, upstream: &Upstream, path: Arc<str>, choice: Choice) -> Instant {
    let begun = Instant::now();
    ctx.attempts.push(Attempt {
        address: upstream.address.clone(),
        start: Some(begun),
        host: upstream.host.clone(),
        scheme: upstream.origin.scheme().as_str(),
        path,
        choice: Some(choice),
        ..Attempt::default()
    });
    begun
}

fn guards(ctx: &mut Ctx) -> Guards {
    if !ctx.chains.iter().any(|chain| chain.has(Phases::ATTEMPT)) {
        return Guards::new();
    }
    let chains = ctx.chains.clone();
    chains.iter().flat_map(|chain| chain.attempt(ctx)).collect()
}

fn lacking(ctx: &mut Ctx, instance: &Instance, choice: Choice, lack: &Lack) -> Fault {
    let host = instance.upstream.as_ref().map(|upstream| &upstream.host);
    ctx.attempts.push(Attempt {
        address: "-".into(),
        host: host.cloned().unwrap_or_default(),
        choice: Some(choice),
        status: Some(StatusCode::INTERNAL_SERVER_ERROR.as_u16()),
        ended: lack.word(),
        ..Attempt::default()
    });
    let say = Say::ErrorMsg(lack.told().to_owned());
    let fault = Fault::new(Whose::Gateway, StatusCode::INTERNAL_SERVER_ERROR, say);
    fault.because(lack).elsewhere()
}

fn no_host(ctx: &mut Ctx, instance: &Instance, choice: Choice) -> Fault {
    ctx.attempts.push(Attempt {
        address: "-".into(),
        choice: Some(choice),
        status: Some(StatusCode::INTERNAL_SERVER_ERROR.as_u16()),
        ended: "no_host",
        ..Attempt::default()
    });
    let say = Say::ErrorMsg(format!(
        "no upstream host: provider {} has none of its own, expected override.endpoint",
        instance.provider.name
    ));
    Fault::new(Whose::Gateway, StatusCode::INTERNAL_SERVER_ERROR, say).elsewhere()
}

fn no_token(ctx: &mut Ctx, begun: Instant, error: &TokenError) -> Fault {
    let status = StatusCode::INTERNAL_SERVER_ERROR;
    if let Some(attempt) = ctx.attempts.last_mut() {
        // The upstream itself was not asked.
        attempt.address = "-".into();
        attempt.status = Some(status.as_u16());
    }
    record_failure(ctx, begun.elapsed(), "credential");
    let say = Say::ErrorMsg(error.to_string());
    let fault = Fault::new(Whose::Gateway, status, say).elsewhere();
    match error.cause() {
        Some(cause) => fault.because(cause),
        None => fault,
    }
}

fn unreached(ctx: &mut Ctx, unanswered: &Unanswered, start: Instant) -> Fault {
    let Unanswered { error, word } = unanswered;
    let status = status_of(error);
    if let Some(attempt) = ctx.attempts.last_mut() {
        attempt.status = Some(status.as_u16());
    }
    record_failure(ctx, start.elapsed(), word);
    // No answer arrived, so this one is the gateway's own.
    Fault::new(Whose::Gateway, status, Say::ErrorMsg(error.to_string()))
        .because(Chain(error))
        .elsewhere()
}
