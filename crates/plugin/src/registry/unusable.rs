//! What stands in a chain for a plugin whose configuration refers to secrets that have no value.

use http::StatusCode;

use super::Lack;
use crate::{Compiled, Ctx, Entry, Fault, OnLack, Phases, Say, Step, Want, Whose};

/// Refuses the requests that the plugin would have seen, or does nothing, as [`OnLack`] has it.
#[derive(Debug)]
pub(super) struct Unusable {
    name: &'static str,
    phase: Phases,
    /// Which references have no value, for the operator's log.
    cause: Box<str>,
}

// === impl Unusable ===

impl Unusable {
    pub(super) fn new(entry: &Entry, lacks: &[Lack]) -> Self {
        let causes: Vec<_> = lacks.iter().map(ToString::to_string).collect();
        Self {
            name: entry.name,
            phase: phase(entry),
            cause: causes.join("; ").into(),
        }
    }

    fn refuse(&self) -> Step<'static> {
        let name = self.name;
        let say = Say::ErrorMsg(format!(
            "plugin {name} cannot be used: its configuration refers to a secret that has no value"
        ));
        let fault = Fault::new(Whose::Gateway, StatusCode::INTERNAL_SERVER_ERROR, say);
        Step::refuse(fault.because(&self.cause))
    }
}

/// The phase in which requests are refused: the first one of the plugin that can.
fn phase(entry: &Entry) -> Phases {
    if entry.on_lack == OnLack::Skip {
        return Phases::NONE;
    }
    let able = [Phases::REWRITE, Phases::ACCESS, Phases::BEFORE_PROXY];
    let mut able = able.into_iter();
    // One that only looks at answers cannot be missed either: perhaps it hides something.
    able.find(|phase| entry.phases.has(*phase))
        .unwrap_or(Phases::ACCESS)
}

impl Compiled for Unusable {
    fn name(&self) -> &'static str {
        self.name
    }

    fn phases(&self) -> Phases {
        self.phase
    }

    fn want(&self) -> Want {
        Want::NONE
    }

    fn rewrite<'a>(&'a self, _ctx: &'a mut Ctx) -> Step<'a> {
        self.refuse()
    }

    fn access<'a>(&'a self, _ctx: &'a mut Ctx) -> Step<'a> {
        self.refuse()
    }

    fn before_proxy<'a>(&'a self, _ctx: &'a mut Ctx) -> Step<'a> {
        self.refuse()
    }

    fn head(&self, _ctx: &mut Ctx, _status: &mut StatusCode, _headers: &mut http::HeaderMap) {}

    fn chunk(&self, _ctx: &mut Ctx, _piece: &mut bytes::Bytes, _last: bool) {}

    fn attempt(&self, _ctx: &Ctx) -> Option<crate::AttemptGuard> {
        None
    }

    fn log(&self, _ctx: &Ctx) {}
}
