//! Consumers: how they are found, and what they bring to a route.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use config::Document;
use config::document::Item;
use config::merge;
use config::resource::{self, Plugins};
use plugin::{Chain, Consumer, Consumers, Link};
use serde_json::Value;

use super::Outcome;
use super::build::{Memory, Report};
use super::compiler::{Compiler, Fault, Unproven, same};

/// The plugins of a request whose consumer brought some.
#[derive(Debug)]
pub(crate) struct Merged {
    /// All plugins, the consumer's over the route's.
    pub(crate) all: Arc<Chain>,
    /// Those that the route did not have, whose rewrite phase is still to run.
    pub(crate) fresh: Arc<Chain>,
    /// The consumer is in a group that does not exist.
    pub(crate) lacks_group: bool,
}

/// What a consumer and its group bring, authentication aside.
#[derive(Debug)]
pub(super) struct Brought {
    /// By name; a disabled plugin takes the route's away.
    plugins: Vec<(Arc<str>, Option<Link>)>,
    lacks_group: bool,
}

/// The outcome of a build.
pub(super) struct Built {
    pub(super) index: Consumers,
    pub(super) bringing: HashMap<Arc<str>, (usize, Arc<Brought>)>,
    pub(super) known: KnownConsumers,
}

/// What is known of consumers and credentials, by the key of their resource.
#[derive(Debug, Default)]
pub(super) struct KnownConsumers {
    consumers: HashMap<Arc<str>, Arc<Known>>,
    credentials: HashMap<Arc<str>, Arc<KnownCredential>>,
}

#[derive(Debug)]
struct Known {
    item: Arc<Item<resource::Consumer>>,
    group: Option<Arc<Item<resource::ConsumerGroup>>>,
    /// Without a way to prove who they are, for `anonymous_consumer`.
    named: Arc<Consumer>,
    proofs: Proofs,
    brought: Option<Arc<Brought>>,
}

#[derive(Debug)]
struct KnownCredential {
    item: Arc<Item<resource::Credential>>,
    /// The consumer whose credential it is.
    of: Arc<Known>,
    proofs: Proofs,
}

/// The ways to be recognised.
#[derive(Debug, Default)]
struct Proofs {
    usable: Vec<Proof>,
    /// Those that are none while a secret is missing.
    unproven: Vec<Unproven>,
}

/// One way to be recognised.
#[derive(Clone)]
struct Proof {
    plugin: &'static str,
    credential: String,
    consumer: Arc<Consumer>,
}

/// The snapshot before, and the same if unchanged items may be taken over from it.
type Earlier<'a> = (Option<&'a Memory>, Option<&'a Memory>);

/// Compiles all consumers and credentials.
pub(super) fn build(
    document: &Document,
    compiler: &mut Compiler<'_>,
    earlier: Earlier<'_>,
    report: &mut Report,
) -> Built {
    let mut built = Built {
        index: Consumers::default(),
        bringing: HashMap::new(),
        known: KnownConsumers::default(),
    };
    for item in document.consumers.values() {
        let Some(known) = consumer(document, compiler, (item, earlier), report) else {
            continue;
        };
        built.add_consumer(&known, &item.key, report);
        for item in document.credentials_of(&item.value.username) {
            if let Some(made) = credential(compiler, (item, &known), earlier, report) {
                built.add_proofs(&made.proofs, &item.key, report);
                built.known.credentials.insert(Arc::clone(&item.key), made);
            }
        }
        built.known.consumers.insert(Arc::clone(&item.key), known);
    }
    built
}

fn consumer(
    document: &Document,
    compiler: &mut Compiler<'_>,
    (item, (memory, settled)): (&Arc<Item<resource::Consumer>>, Earlier<'_>),
    report: &mut Report,
) -> Option<Arc<Known>> {
    let group = item.value.group_id.as_ref();
    let group = group.and_then(|id| document.consumer_groups.get(id.as_str()));
    let find = |memory: Option<&Memory>| {
        memory
            .and_then(|memory| memory.consumers.consumers.get(&item.key))
            .cloned()
    };
    let is_unsettled = compiler.is_unsettled(&item.value.plugins)
        || group.is_some_and(|group| compiler.is_unsettled(&group.value.plugins));
    let unchanged = find(settled).filter(|known| {
        !is_unsettled && Arc::ptr_eq(&known.item, item) && same(known.group.as_ref(), group)
    });
    if let Some(known) = unchanged {
        // Keeps the plugins for the build after this one; they were compiled before.
        _ = bring(compiler, item, group);
        return Some(known);
    }
    match compile_consumer(compiler, item, group) {
        Ok(known) => Some(Arc::new(known)),
        Err(fault) => {
            // A credential that was taken out of its manager must not open a door any longer.
            let earlier =
                find(memory).filter(|_| !compiler.is_unsettled_identity(&item.value.plugins));
            report.add(fault, Outcome::of(earlier.as_ref()));
            earlier
        }
    }
}

fn compile_consumer(
    compiler: &mut Compiler<'_>,
    item: &Arc<Item<resource::Consumer>>,
    group: Option<&Arc<Item<resource::ConsumerGroup>>>,
) -> Result<Known, Fault> {
    let brought = bring(compiler, item, group)?;
    let value = &item.value;
    let person = |auth: Value| {
        Arc::new(Consumer {
            username: value.username.as_str().into(),
            group_id: value.group_id.as_ref().map(resource::Id::shared),
            credential_id: None,
            custom_id: value.labels.get("custom_id").map(|id| id.as_str().into()),
            auth,
            brings_plugins: brought.is_some(),
        })
    };
    Ok(Known {
        proofs: proofs(compiler, &item.key, &value.plugins, person)?,
        named: person(Value::Null),
        item: Arc::clone(item),
        group: group.cloned(),
        brought: brought.map(Arc::new),
    })
}

fn credential(
    compiler: &Compiler<'_>,
    (item, of): (&Arc<Item<resource::Credential>>, &Arc<Known>),
    (memory, settled): Earlier<'_>,
    report: &mut Report,
) -> Option<Arc<KnownCredential>> {
    let find = |memory: Option<&Memory>| {
        memory
            .and_then(|memory| memory.consumers.credentials.get(&item.key))
            .cloned()
    };
    let is_unsettled = compiler.is_unsettled(&item.value.plugins);
    let unchanged = find(settled).filter(|known| {
        !is_unsettled && Arc::ptr_eq(&known.item, item) && Arc::ptr_eq(&known.of, of)
    });
    if unchanged.is_some() {
        return unchanged;
    }
    let person = |auth: Value| {
        let named = &of.named;
        Arc::new(Consumer {
            username: Arc::clone(&named.username),
            group_id: named.group_id.clone(),
            credential_id: Some(Arc::clone(&item.id)),
            custom_id: named.custom_id.clone(),
            auth,
            brings_plugins: named.brings_plugins,
        })
    };
    match proofs(compiler, &item.key, &item.value.plugins, person) {
        Ok(proofs) => Some(Arc::new(KnownCredential {
            item: Arc::clone(item),
            of: Arc::clone(of),
            proofs,
        })),
        Err(fault) => {
            let earlier =
                find(memory).filter(|_| !compiler.is_unsettled_identity(&item.value.plugins));
            report.add(fault, Outcome::of(earlier.as_ref()));
            earlier
        }
    }
}

/// The ways to be recognised that the auth plugins of a resource describe.
fn proofs(
    compiler: &Compiler<'_>,
    key: &Arc<str>,
    plugins: &Plugins,
    person: impl Fn(Value) -> Arc<Consumer>,
) -> Result<Proofs, Fault> {
    let mut proofs = Proofs::default();
    for (name, config) in plugins.iter().filter(|(name, _)| compiler.is_auth(name)) {
        let (identity, unproven) = compiler.identify(key, name, config)?;
        proofs.unproven.extend(unproven);
        proofs.usable.extend(identity.map(|identity| Proof {
            plugin: identity.plugin,
            credential: identity.credential,
            consumer: person(identity.auth),
        }));
    }
    Ok(proofs)
}

/// What a consumer and its group bring beside authentication; `None` when that is nothing.
fn bring(
    compiler: &mut Compiler<'_>,
    item: &Item<resource::Consumer>,
    group: Option<&Arc<Item<resource::ConsumerGroup>>>,
) -> Result<Option<Brought>, Fault> {
    let value = &item.value;
    let of_group = group.map(|group| &group.value.plugins);
    let together = merge::with_consumer(Plugins::none(), of_group, &value.plugins);
    let mut plugins = Vec::new();
    for (name, config) in together.iter() {
        if compiler.is_auth(name) {
            continue;
        }
        let owner = match group {
            Some(group) if !value.plugins.contains(name) => &group.key,
            _ => &item.key,
        };
        let link = compiler.link(owner, name, config)?;
        plugins.push((Arc::clone(name), link));
    }
    let lacks_group = value.group_id.is_some() && group.is_none();
    let brings = lacks_group || !plugins.is_empty();
    Ok(brings.then_some(Brought {
        plugins,
        lacks_group,
    }))
}

// === impl Proof ===

// Written by hand: the credential is a secret.
impl fmt::Debug for Proof {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Proof")
            .field("plugin", &self.plugin)
            .field("consumer", &self.consumer)
            .finish_non_exhaustive()
    }
}

// === impl Brought ===

impl Brought {
    /// The plugins of a route with these over them.
    pub(super) fn over(&self, route: &Chain) -> Merged {
        let brings = |name: &str| self.plugins.iter().any(|(mine, _)| **mine == *name);
        let kept = route.links().iter().filter(|link| !brings(link.name()));
        let mine = || self.plugins.iter().filter_map(|(_, link)| link.as_ref());
        let is_fresh = |link: &&Link| route.names().all(|name| name != link.name());
        Merged {
            all: Arc::new(Chain::new(kept.chain(mine()).cloned().collect())),
            fresh: Arc::new(Chain::new(mine().filter(is_fresh).cloned().collect())),
            lacks_group: self.lacks_group,
        }
    }
}

// === impl Built ===

impl Built {
    fn add_consumer(&mut self, known: &Known, key: &Arc<str>, report: &mut Report) {
        self.index.insert_named(Arc::clone(&known.named));
        self.add_proofs(&known.proofs, key, report);
        if let Some(brought) = &known.brought {
            let column = self.bringing.len();
            let username = Arc::clone(&known.named.username);
            self.bringing
                .insert(username, (column, Arc::clone(brought)));
        }
    }

    /// A credential that two consumers have belongs to the first.
    fn add_proofs(&mut self, proofs: &Proofs, key: &Arc<str>, report: &mut Report) {
        for (fault, outcome) in &proofs.unproven {
            report.add(fault.clone(), *outcome);
        }
        for proof in &proofs.usable {
            let consumer = Arc::clone(&proof.consumer);
            let holder = self
                .index
                .insert(proof.plugin, proof.credential.clone(), consumer);
            if let Some(holder) = holder {
                let plugin = proof.plugin;
                let message = format!(
                    "duplicate key of plugin {plugin} found with consumer: {}",
                    holder.username
                );
                let fault = Fault::new(key, &format!("/plugins/{plugin}"), message);
                report.add(fault, Outcome::Used);
            }
        }
    }
}
