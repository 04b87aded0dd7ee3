//! The order in which plugins see a request, as APISIX has it.

use std::sync::Arc;

use http::StatusCode;
use plugin::{Chain, Ctx, Reply, Want};

use crate::connection::Client;
use crate::forward;
use crate::refusal;
use crate::route::router::Found;
use crate::snapshot::{Lack, Route, Snapshot, UpstreamChoice};

/// Finds the route of a request and answers it.
pub(crate) async fn answer(
    snapshot: &Snapshot,
    client: &Client,
    ctx: &mut Ctx,
    wants_upgrade: bool,
) -> Reply {
    let found = match find(snapshot, ctx).await {
        Ok(found) => found,
        Err(reply) => return reply,
    };
    let Some((index, route)) = found else {
        return unmatched(snapshot, ctx).await;
    };
    let global = snapshot.global(Some(route));
    apply(ctx, &[global, &route.chain]);
    if let Some(lack) = route.lacks {
        return lack.reply();
    }
    if let Some(reply) = early(global, &route.chain, ctx).await {
        return reply;
    }
    let merged = ctx.consumer.as_ref();
    let merged = merged.and_then(|consumer| snapshot.merged(index, consumer));
    let chain = match merged {
        None => &route.chain,
        Some(merged) if merged.lacks_group => return unavailable(),
        Some(merged) => {
            apply(ctx, &[global, &merged.all]);
            if let Some(reply) = merged.fresh.rewrite(ctx).await {
                return reply;
            }
            &merged.all
        }
    };
    if let Some(reply) = late(global, chain, ctx).await {
        return reply;
    }
    if wants_upgrade && route.upgrades {
        return refusal::no_upgrade();
    }
    plain(route, client, ctx).await
}

/// The route of a request, with its place in the snapshot; the body is read if a condition on the
/// way needs it.
async fn find<'s>(
    snapshot: &'s Snapshot,
    ctx: &mut Ctx,
) -> Result<Option<(usize, &'s Arc<Route>)>, Reply> {
    let mut found = snapshot.router().find(ctx, false);
    if matches!(found, Found::NeedsBody) {
        let read = ctx.body.read_for_variables().await;
        read.map_err(|error| refusal::unreadable_body(&error))?;
        found = snapshot.router().find(ctx, true);
    }
    let Found::Route(index, facts) = found else {
        return Ok(None);
    };
    ctx.route = Some(facts);
    Ok(snapshot.route(index).map(|route| (index, route)))
}

/// A request without a route is still seen by the global rules.
async fn unmatched(snapshot: &Snapshot, ctx: &mut Ctx) -> Reply {
    let global = snapshot.global(None);
    apply(ctx, &[global]);
    if let Some(reply) = global.rewrite(ctx).await {
        return reply;
    }
    if let Some(reply) = global.access(ctx).await {
        return reply;
    }
    refusal::no_route()
}

/// The phases before the consumer is known.
async fn early(global: &Chain, route: &Chain, ctx: &mut Ctx) -> Option<Reply> {
    if let Some(reply) = global.rewrite(ctx).await {
        return Some(reply);
    }
    route.rewrite(ctx).await
}

/// The phases after the consumer is known.
async fn late(global: &Chain, route: &Chain, ctx: &mut Ctx) -> Option<Reply> {
    if let Some(reply) = global.access(ctx).await {
        return Some(reply);
    }
    if let Some(reply) = route.access(ctx).await {
        return Some(reply);
    }
    if let Some(reply) = global.before_proxy(ctx).await {
        return Some(reply);
    }
    route.before_proxy(ctx).await
}

/// The upstream's answer, when no plugin gave one.
async fn plain(route: &Route, client: &Client, ctx: &mut Ctx) -> Reply {
    match &route.upstream {
        UpstreamChoice::Nodes(upstream) => forward::forward(route, upstream, client, ctx).await,
        UpstreamChoice::None => {
            tracing::debug!("missing upstream configuration in route or service");
            unavailable()
        }
        UpstreamChoice::Missing => {
            tracing::debug!("the upstream that the route refers to does not exist");
            Reply::empty(StatusCode::BAD_GATEWAY)
        }
    }
}

/// Puts chains in force, with what they want decoded.
fn apply(ctx: &mut Ctx, chains: &[&Arc<Chain>]) {
    ctx.chains.clear();
    ctx.want = Want::NONE;
    for chain in chains {
        ctx.want = ctx.want | chain.want();
        ctx.chains.push(Arc::clone(chain));
    }
}

fn unavailable() -> Reply {
    Reply::empty(StatusCode::SERVICE_UNAVAILABLE)
}

// === impl Lack ===

impl Lack {
    fn reply(self) -> Reply {
        match self {
            Self::Service => Reply::empty(StatusCode::NOT_FOUND),
            Self::PluginConfig => unavailable(),
        }
    }
}
