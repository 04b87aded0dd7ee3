//! What `chash` chooses by.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

use http::header::COOKIE;
use plugin::{Ctx, Template, Value, Var};

use super::config::{Balancer, HashOn};

/// Where the key of a request is found.
#[derive(Debug)]
pub(super) struct HashKey {
    source: Source,
    /// Resource, and the operator's words for the key.
    told: [Box<str>; 2],
    /// Whether it was told that requests without a key come.
    is_told: AtomicBool,
}

#[derive(Debug)]
enum Source {
    Var(Var),
    /// Names that a header of this kind may have.
    Header([Box<str>; 2]),
    Cookie(Box<str>),
    Consumer,
    Template(Template),
}

// === impl HashKey ===

impl HashKey {
    /// Compiles what the configuration says; a missing key, which only `consumer` allows, is empty.
    pub(super) fn new(balancer: &Balancer, resource: &str) -> Self {
        let key = balancer.key.as_deref().unwrap_or_default();
        let (word, source) = match balancer.hash_on {
            HashOn::Vars => ("vars", Source::Var(Var::named(key))),
            HashOn::Header => {
                let names = [key.replace('_', "-"), key.replace('-', "_")];
                ("header", Source::Header(names.map(Into::into)))
            }
            HashOn::Cookie => ("cookie", Source::Cookie(key.into())),
            HashOn::Consumer => ("consumer", Source::Consumer),
            HashOn::VarsCombinations => ("vars_combinations", Source::Template(Template::new(key))),
        };
        Self {
            source,
            told: [resource.into(), format!("{word} {key}").trim_end().into()],
            is_told: AtomicBool::new(false),
        }
    }

    /// The key of this request; the client's address when it has none.
    pub(super) fn of<'a>(&self, ctx: &'a Ctx) -> Cow<'a, [u8]> {
        if let Some(key) = self.source.find(ctx) {
            return key;
        }
        self.tell(ctx);
        let address = Var::named("remote_addr").value(ctx);
        address.map(bytes).unwrap_or_default()
    }

    /// Tells that a request has no key: the operator once, since any client could fill the log so.
    fn tell(&self, ctx: &Ctx) {
        const WHAT: &str = "a request has no hash key, its address stands for it";
        let [resource, hash_on] = &self.told;
        let (resource, hash_on, request_id) = (&**resource, &**hash_on, &*ctx.request.id);
        if self.is_told.swap(true, Ordering::Relaxed) {
            tracing::debug!(resource, hash_on, request_id, "{WHAT}");
        } else {
            tracing::warn!(resource, hash_on, request_id, "{WHAT}");
        }
    }
}

// === impl Source ===

impl Source {
    /// Keys are bytes: whatever a client sends tells it from others, text or not.
    fn find<'a>(&self, ctx: &'a Ctx) -> Option<Cow<'a, [u8]>> {
        match self {
            Self::Var(variable) => variable.value(ctx).map(bytes),
            Self::Header(names) => header(ctx, names),
            Self::Cookie(name) => cookie(ctx, name.as_bytes()).map(Cow::Borrowed),
            Self::Consumer => {
                let consumer = ctx.consumer.as_ref()?;
                Some(Cow::Borrowed(consumer.username.as_bytes()))
            }
            Self::Template(template) => {
                let mut text = String::new();
                (template.fill(ctx, &mut text) > 0).then(|| Cow::Owned(text.into_bytes()))
            }
        }
    }
}

fn bytes(value: Value<'_>) -> Cow<'_, [u8]> {
    match value.into_text() {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// All values of a header, as one.
fn header<'a>(ctx: &'a Ctx, names: &[Box<str>; 2]) -> Option<Cow<'a, [u8]>> {
    let [hyphened, scored] = names;
    let is_one = hyphened == scored;
    let names = [Some(hyphened), Some(scored).filter(|_| !is_one)];
    let values = names.into_iter().flatten();
    let mut values = values.flat_map(|name| ctx.request.headers.get_all(&**name));
    let first = Cow::Borrowed(values.next()?.as_bytes());
    Some(values.fold(first, |mut all, value| {
        all.to_mut().extend_from_slice(b", ");
        all.to_mut().extend_from_slice(value.as_bytes());
        all
    }))
}

/// The first cookie of that name.
fn cookie<'a>(ctx: &'a Ctx, name: &[u8]) -> Option<&'a [u8]> {
    let lines = ctx.request.headers.get_all(COOKIE).iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    let mut pairs = pairs.filter_map(|pair| {
        let pair = pair.trim_ascii();
        let middle = pair.iter().position(|byte| *byte == b'=')?;
        Some((pair.get(..middle)?, pair.get(middle + 1..)?))
    });
    pairs
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value)
}
