//! Who is asked after a failure.

use std::pin::Pin;

use plugin::Ctx;

use crate::candidate::Candidate;

/// The instance that is asked now; `None` when nobody is left.
pub type Following<'a, 'i> = Pin<Box<dyn Future<Output = Option<Candidate<'i>>> + Send + 'a>>;

/// Names the instance that is asked after another one failed.
pub trait Next<'i>: Send {
    /// Who is asked now. Boxed, since only a failure comes here.
    fn after_failure<'a>(&'a mut self, ctx: &'a mut Ctx) -> Following<'a, 'i>
    where
        'i: 'a;
}

/// Nobody is asked after a failure.
#[derive(Clone, Copy, Debug)]
pub struct Nobody;

// === impl Nobody ===

impl<'i> Next<'i> for Nobody {
    fn after_failure<'a>(&'a mut self, _ctx: &'a mut Ctx) -> Following<'a, 'i>
    where
        'i: 'a,
    {
        Box::pin(std::future::ready(None))
    }
}
