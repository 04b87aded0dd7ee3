//! Whether an instance has room for a request: asked while one is being chosen.

#[cfg(test)]
mod tests;

use std::pin::Pin;

use crate::{Ctx, Fault, Phases};

/// What a plugin says of an instance; only one that waits allocates.
///
/// `Ok(false)`: nothing is left of a limit of the instance, another one is to be asked. A [`Fault`]:
/// it cannot be told, and the request must not go on without knowing.
pub enum Room<'a> {
    /// Known at once.
    Done(Result<bool, Fault>),
    /// To be awaited.
    Wait(Pin<Box<dyn Future<Output = Result<bool, Fault>> + Send + 'a>>),
}

// === impl Room ===

impl<'a> Room<'a> {
    /// The plugin knows of no limit.
    pub const FREE: Room<'static> = Room::Done(Ok(true));

    /// Waits for `future`.
    pub fn wait(future: impl Future<Output = Result<bool, Fault>> + Send + 'a) -> Self {
        Self::Wait(Box::pin(future))
    }
}

// === impl Ctx ===

impl Ctx {
    /// Whether every plugin of the request lets it go to the instance of this name. One that is
    /// passed over for it is kept in [`Budget::exhausted`](crate::Budget::exhausted).
    ///
    /// # Errors
    /// The fault of a plugin that cannot tell.
    pub async fn has_room(&mut self, instance: &str) -> Result<bool, Fault> {
        if !self.chains.iter().any(|chain| chain.has(Phases::ROOM)) {
            return Ok(true);
        }
        let chains = self.chains.clone();
        for chain in &chains {
            if !chain.has_room(self, instance).await? {
                self.budget.get_or_insert_default().pass_over(instance);
                return Ok(false);
            }
        }
        Ok(true)
    }
}
