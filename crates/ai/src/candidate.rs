//! An instance that is to be asked next.

use crate::breaker::Permit;
use crate::instance::Instance;

/// An instance that is to be asked next, and what let it be chosen.
#[derive(Debug)]
pub struct Candidate<'i> {
    /// Who is asked.
    pub instance: &'i Instance,
    /// The leave of its breaker; `None` for an instance without one.
    pub permit: Option<Permit>,
    /// The word for why it is this one, where that is more than the algorithm or a fallback.
    pub reason: Option<&'static str>,
}

impl<'i> From<&'i Instance> for Candidate<'i> {
    fn from(instance: &'i Instance) -> Self {
        Self {
            instance,
            permit: None,
            reason: None,
        }
    }
}
