//! Who is asked: by the algorithm, among those that are well, whose breaker lets the request through,
//! and of whose limit something is left.

use ai::{Candidate, Following, Next};
use net::pick::Tried;
use plugin::{Ctx, Fault};

use super::AiProxyMulti;
use super::breaker::Leave;

/// The word for a choice that passed over somebody of whose limit nothing is left.
const RATE_LIMITING: &str = "rate_limiting";

/// The instances that a request has not asked yet.
pub(super) struct Others<'p> {
    plugin: &'p AiProxyMulti,
    tried: Tried,
}

/// Whether an instance was passed over for this request, since nothing is left of its limit.
pub(super) fn has_passed_over(ctx: &Ctx) -> bool {
    let budget = ctx.budget.as_ref();
    budget.is_some_and(|budget| !budget.exhausted.is_empty())
}

// === impl AiProxyMulti ===

impl AiProxyMulti {
    /// Who would be asked first.
    ///
    /// # Errors
    /// When it cannot be told whether something is left of a limit.
    pub(super) async fn peek(&self, ctx: &mut Ctx) -> Result<Option<usize>, Fault> {
        let mut exhausted = Tried::new();
        loop {
            let avoided = self.wellness.avoided(&exhausted);
            let found = self.breakers.peek(&avoided, self.picker(ctx));
            match found {
                Some(index) if !self.has_room(ctx, index).await? => exhausted.add(index),
                found => return Ok(found),
            }
        }
    }

    async fn has_room(&self, ctx: &mut Ctx, index: usize) -> Result<bool, Fault> {
        match self.instances.get(index) {
            Some(instance) if self.skips_exhausted => ctx.has_room(instance.name()).await,
            _ => Ok(true),
        }
    }
}

// === impl Others ===

impl<'p> Others<'p> {
    /// All instances of the plugin.
    pub(super) fn new(plugin: &'p AiProxyMulti) -> Self {
        let tried = Tried::new();
        Self { plugin, tried }
    }

    /// The instance that may be asked now.
    pub(super) fn take(&mut self, leave: Leave, has_passed_over: bool) -> Option<Candidate<'p>> {
        self.tried.add(leave.index);
        Some(Candidate {
            instance: self.plugin.instances.get(leave.index)?,
            permit: leave.permit,
            reason: leave.reason.or(has_passed_over.then_some(RATE_LIMITING)),
        })
    }

    /// Chooses one that was not asked yet.
    ///
    /// # Errors
    /// When it cannot be told whether something is left of a limit.
    pub(super) async fn choose(&mut self, ctx: &mut Ctx) -> Result<Option<Candidate<'p>>, Fault> {
        // Those that were tried, and those of whose limit nothing is left.
        let mut gone = self.tried.clone();
        let found = if self.plugin.skips_exhausted {
            self.leave_with_room(ctx, &mut gone).await?
        } else {
            None
        };
        let has_passed_over = gone.len() > self.tried.len();
        let plugin = self.plugin;
        let found = found.or_else(|| {
            let avoided = plugin.wellness.avoided(&gone);
            plugin.breakers.choose(&avoided, plugin.picker(ctx))
        });
        Ok(found.and_then(|leave| self.take(leave, has_passed_over)))
    }

    /// Leave to ask one of whose limit something is left; the others are added to `gone`. `None` when
    /// no breaker of those lets the request through.
    ///
    /// The limit is asked before the breaker is, so that nobody takes its single probe and then does
    /// not make it.
    async fn leave_with_room(
        &self,
        ctx: &mut Ctx,
        gone: &mut Tried,
    ) -> Result<Option<Leave>, Fault> {
        let plugin = self.plugin;
        let mut left_out = gone.clone();
        loop {
            let avoided = plugin.wellness.avoided(&left_out);
            let found = plugin.breakers.peek(&avoided, plugin.picker(ctx));
            let Some(index) = found else {
                return Ok(None);
            };
            left_out.add(index);
            if !plugin.has_room(ctx, index).await? {
                gone.add(index);
            } else if let Some(leave) = plugin.breakers.claim(index) {
                return Ok(Some(leave));
            }
        }
    }
}

impl<'p> Next<'p> for Others<'p> {
    fn after_failure<'a>(&'a mut self, ctx: &'a mut Ctx) -> Following<'a, 'p>
    where
        'p: 'a,
    {
        Box::pin(async move {
            self.choose(ctx).await.unwrap_or_else(|fault| {
                tracing::error!(cause = fault.cause(), "nobody else is asked: {fault}");
                None
            })
        })
    }
}
