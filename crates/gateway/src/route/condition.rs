//! What a route asks of a request beyond its path and host.

use std::net::IpAddr;

use http::Method;
use ipnet::IpNet;
use plugin::{Ctx, Expr};

/// The conditions of one route; each that is absent holds.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    pub(crate) methods: Option<Methods>,
    pub(crate) addresses: Option<Box<[IpNet]>>,
    pub(crate) expression: Option<Expr>,
}

/// A set of the methods that a route can name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Methods(u16);

/// What became of a candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is the one.
    Match,
    /// The next candidate, please.
    Next,
    /// The body must be read before this can be told.
    NeedsBody,
}

// === impl Conditions ===

impl Conditions {
    /// Judges a request whose path fits.
    pub(crate) fn judge(&self, ctx: &mut Ctx, is_body_settled: bool) -> Verdict {
        if !self.hold_for_head(ctx) {
            return Verdict::Next;
        }
        let Some(expression) = &self.expression else {
            return Verdict::Match;
        };
        let lacks_body = ctx.body.bytes().is_none() && !is_body_settled;
        if expression.needs_body() && lacks_body {
            return Verdict::NeedsBody;
        }
        if expression.matches(ctx) {
            Verdict::Match
        } else {
            Verdict::Next
        }
    }

    fn hold_for_head(&self, ctx: &Ctx) -> bool {
        let request = &ctx.request;
        let by_method = self
            .methods
            .is_none_or(|methods| methods.contains(&request.method));
        let peer: IpAddr = request.peer.ip().to_canonical();
        let by_address = self.addresses.as_ref();
        by_method && by_address.is_none_or(|nets| nets.iter().any(|net| net.contains(&peer)))
    }
}

// === impl Methods ===

impl Methods {
    /// The set of these methods.
    pub(crate) fn new(methods: &[config::resource::Method]) -> Self {
        Self(
            methods
                .iter()
                .fold(0, |set, method| set | 1 << *method as u16),
        )
    }

    fn contains(self, method: &Method) -> bool {
        use config::resource::Method as Known;
        let known = match *method {
            Method::GET => Known::Get,
            Method::POST => Known::Post,
            Method::PUT => Known::Put,
            Method::DELETE => Known::Delete,
            Method::PATCH => Known::Patch,
            Method::HEAD => Known::Head,
            Method::OPTIONS => Known::Options,
            Method::CONNECT => Known::Connect,
            Method::TRACE => Known::Trace,
            _ if method.as_str() == "PURGE" => Known::Purge,
            _ => return false,
        };
        self.0 & (1 << known as u16) != 0
    }
}
