//! Keeps the first bytes of a reply for a logger, without holding any back.

#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;

use crate::{Ctx, Expr};

/// What one logger collects of reply bodies: at most `limit` bytes, where a condition holds.
#[derive(Debug)]
pub struct Collector {
    /// Tells collectors apart in a request's memory.
    id: u32,
    limit: usize,
    condition: Option<Expr>,
}

// === impl Collector ===

impl Collector {
    /// Collects at most `limit` bytes of each reply whose request meets `condition`.
    pub fn new(limit: usize, condition: Option<Expr>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            limit,
            condition,
        }
    }

    /// Takes in one piece of the reply; the condition is judged at the first one.
    pub fn take(&self, ctx: &mut Ctx, piece: &Bytes) {
        if self.place(ctx).is_none() {
            let wanted = match &self.condition {
                Some(condition) => condition.matches(ctx),
                None => true,
            };
            ctx.collected.push((self.id, wanted.then(Vec::new)));
        }
        let Some((_, Some(bytes))) = self.place(ctx).and_then(|at| ctx.collected.get_mut(at))
        else {
            return;
        };
        let room = self.limit.saturating_sub(bytes.len());
        bytes.extend_from_slice(piece.get(..room).unwrap_or(piece));
    }

    /// What was collected; `None` when there was nothing to collect.
    pub fn bytes<'a>(&self, ctx: &'a Ctx) -> Option<&'a [u8]> {
        let (_, bytes) = ctx.collected.get(self.place(ctx)?)?;
        bytes.as_deref()
    }

    fn place(&self, ctx: &Ctx) -> Option<usize> {
        ctx.collected.iter().position(|(id, _)| *id == self.id)
    }
}
