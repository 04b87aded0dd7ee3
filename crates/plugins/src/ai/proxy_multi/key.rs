//! What `chash` chooses by.

use std::borrow::Cow;

use plugin::{Ctx, Template, Value, Var};

use super::config::{Balancer, HashOn};

/// Where the key of a request is found.
#[derive(Debug)]
pub(super) enum HashKey {
    Var(Var),
    Consumer,
    Template(Template),
}

// === impl HashKey ===

impl HashKey {
    /// Compiles what the configuration says; a missing key, which only `consumer` allows, is empty.
    pub(super) fn new(balancer: &Balancer) -> Self {
        let key = balancer.key.as_deref().unwrap_or_default();
        match balancer.hash_on {
            HashOn::Vars => Self::Var(Var::named(key)),
            HashOn::Header => Self::Var(Var::named(&format!("http_{key}"))),
            HashOn::Cookie => Self::Var(Var::named(&format!("cookie_{key}"))),
            HashOn::Consumer => Self::Consumer,
            HashOn::VarsCombinations => Self::Template(Template::new(key)),
        }
    }

    /// The key of this request; the client's address when it has none.
    pub(super) fn of<'a>(&self, ctx: &'a Ctx) -> Cow<'a, str> {
        if let Some(key) = self.find(ctx) {
            return key;
        }
        tracing::warn!(hash_on = ?self, "the request has no hash key, its address stands for it");
        let address = Var::named("remote_addr");
        address.value(ctx).map(Value::into_text).unwrap_or_default()
    }

    fn find<'a>(&self, ctx: &'a Ctx) -> Option<Cow<'a, str>> {
        match self {
            Self::Var(variable) => variable.value(ctx).map(Value::into_text),
            Self::Consumer => {
                let consumer = ctx.consumer.as_ref()?;
                Some(Cow::Borrowed(&*consumer.username))
            }
            Self::Template(template) => {
                let mut variables = template.variables();
                variables.find(|variable| variable.value(ctx).is_some())?;
                let mut text = String::new();
                template.write(ctx, "", &mut text);
                Some(Cow::Owned(text))
            }
        }
    }
}
