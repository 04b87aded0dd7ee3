//! Compiled plugin lists, and how a phase runs over them.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use smallvec::SmallVec;

use crate::{
    AttemptGuard, Compiled, Ctx, Fault, Flow, Lack, Meta, Phases, Reply, Room, Step, Want,
};

/// Plugins that apply together, in running order.
#[derive(Debug, Default)]
pub struct Chain {
    links: Vec<Link>,
    phases: Phases,
    want: Want,
}

/// One plugin of a chain; clones share the plugin, so one may stand in several chains.
#[derive(Clone)]
pub struct Link {
    /// Tells links apart in a request's memory of filter decisions.
    id: u32,
    priority: i32,
    plugin: Arc<dyn Compiled>,
    meta: Arc<Meta>,
    lacks: Arc<[Lack]>,
}

type Hook = for<'a> fn(&'a dyn Compiled, &'a mut Ctx) -> Step<'a>;

// === impl Chain ===

impl Chain {
    /// Sorts `links` into running order: larger priority first, equal ones as given.
    pub fn new(mut links: Vec<Link>) -> Self {
        links.sort_by_key(|link| std::cmp::Reverse(link.priority));
        let phases = links
            .iter()
            .fold(Phases::NONE, |all, link| all | link.plugin.phases());
        let want = links
            .iter()
            .fold(Want::NONE, |all, link| all | link.plugin.want());
        Self {
            links,
            phases,
            want,
        }
    }

    /// Whether any plugin takes part in `phase`.
    pub fn has(&self, phase: Phases) -> bool {
        self.phases.has(phase)
    }

    /// What its plugins want decoded from replies.
    pub fn want(&self) -> Want {
        self.want
    }

    /// Its plugins, in running order.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// The names of its plugins, in running order.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.links.iter().map(|link| link.plugin.name())
    }

    /// Runs the rewrite phase; `Some` ends the request.
    pub async fn rewrite(&self, ctx: &mut Ctx) -> Option<Reply> {
        self.run(Phases::REWRITE, |plugin, ctx| plugin.rewrite(ctx), ctx)
            .await
    }

    /// Runs the access phase; `Some` ends the request.
    pub async fn access(&self, ctx: &mut Ctx) -> Option<Reply> {
        self.run(Phases::ACCESS, |plugin, ctx| plugin.access(ctx), ctx)
            .await
    }

    /// Whether every plugin lets the request go to the instance of this name.
    ///
    /// # Errors
    /// The fault of a plugin that cannot tell.
    pub async fn has_room(&self, ctx: &mut Ctx, instance: &str) -> Result<bool, Fault> {
        for link in self.links_in(Phases::ROOM) {
            if !link.runs(ctx) {
                continue;
            }
            let outcome = match link.plugin.room(ctx, instance) {
                Room::Done(outcome) => outcome,
                Room::Wait(future) => future.await,
            };
            if !outcome? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Runs the before-proxy phase; `Some` is the answer.
    pub async fn before_proxy(&self, ctx: &mut Ctx) -> Option<Reply> {
        self.run(
            Phases::BEFORE_PROXY,
            |plugin, ctx| plugin.before_proxy(ctx),
            ctx,
        )
        .await
    }

    /// Shows the reply's head to the plugins that look at it.
    pub fn head(&self, ctx: &mut Ctx, status: &mut StatusCode, headers: &mut HeaderMap) {
        for link in self.links_in(Phases::HEAD) {
            if link.runs(ctx) {
                link.plugin.head(ctx, status, headers);
            }
        }
    }

    /// Shows one piece of the reply's body to the plugins that look at it.
    pub fn chunk(&self, ctx: &mut Ctx, piece: &mut Bytes, last: bool) {
        for link in self.links_in(Phases::CHUNK) {
            if link.runs(ctx) {
                link.plugin.chunk(ctx, piece, last);
            }
        }
    }

    /// Tells the plugins that watch attempts that one begins; `guards` live as long as it does.
    pub fn attempt(&self, ctx: &mut Ctx) -> SmallVec<[AttemptGuard; 1]> {
        let mut guards = SmallVec::new();
        for link in self.links_in(Phases::ATTEMPT) {
            if link.runs(ctx) {
                guards.extend(link.plugin.attempt(ctx));
            }
        }
        guards
    }

    /// Runs the log phase.
    pub fn log(&self, ctx: &mut Ctx) {
        for link in self.links_in(Phases::LOG) {
            if link.runs(ctx) {
                link.plugin.log(ctx);
            }
        }
    }

    fn links_in(&self, phase: Phases) -> impl Iterator<Item = &Link> {
        let links = if self.phases.has(phase) {
            self.links.as_slice()
        } else {
            &[]
        };
        links
            .iter()
            .filter(move |link| link.plugin.phases().has(phase))
    }

    async fn run(&self, phase: Phases, hook: Hook, ctx: &mut Ctx) -> Option<Reply> {
        for link in self.links_in(phase) {
            if link.awaits_body(ctx)
                && let Err(error) = ctx.body.read_for_variables().await
            {
                return Some(link.refuse(error.into()));
            }
            if !link.runs(ctx) {
                continue;
            }
            let outcome = match hook(link.plugin.as_ref(), ctx) {
                Step::Done(outcome) => outcome,
                Step::Wait(future) => future.await,
            };
            match outcome {
                Ok(Flow::Next) => {}
                Ok(Flow::Respond(reply)) => return Some(link.meta.answer(*reply)),
                Err(fault) => return Some(link.meta.answer(link.refuse(fault))),
            }
        }
        None
    }
}

// === impl Link ===

impl Link {
    /// A plugin with its `_meta` and the priority of its entry.
    pub fn new(plugin: Arc<dyn Compiled>, priority: i32, meta: Meta) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            id,
            priority: meta.priority.unwrap_or(priority),
            plugin,
            meta: Arc::new(meta),
            lacks: Arc::default(),
        }
    }

    /// The same plugin, made from a configuration in which these references have no value.
    #[must_use]
    pub fn lacking(self, lacks: Vec<Lack>) -> Self {
        Self {
            lacks: lacks.into(),
            ..self
        }
    }

    /// The references of its configuration that have no value.
    pub fn lacks(&self) -> &[Lack] {
        &self.lacks
    }

    /// The plugin's name.
    pub fn name(&self) -> &'static str {
        self.plugin.name()
    }

    /// Whether `_meta.filter` lets the plugin run; decided once per request, at its first phase.
    fn runs(&self, ctx: &mut Ctx) -> bool {
        let Some(filter) = &self.meta.filter else {
            return true;
        };
        if let Some((_, run)) = ctx.filters.iter().find(|(id, _)| *id == self.id) {
            return *run;
        }
        let run = filter.matches(ctx);
        ctx.filters.push((self.id, run));
        run
    }

    /// Whether the filter is still to be decided and looks into a body that nobody has read.
    fn awaits_body(&self, ctx: &Ctx) -> bool {
        let Some(filter) = &self.meta.filter else {
            return false;
        };
        filter.needs_body() && ctx.filters.iter().all(|(id, _)| *id != self.id)
    }

    fn refuse(&self, fault: Fault) -> Reply {
        let plugin = self.plugin.name();
        tracing::debug!(
            plugin,
            status = fault.status().as_u16(),
            cause = fault.cause(),
            "{fault}"
        );
        fault.into_reply()
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link")
            .field("plugin", &self.plugin.name())
            .field("priority", &self.priority)
            .finish_non_exhaustive()
    }
}
