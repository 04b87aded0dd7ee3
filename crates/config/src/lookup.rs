//! Looking up what references to secret managers stand for, away from any request.
//!
//! The references of a document are looked up before it is compiled. What was found holds for five
//! minutes and is then asked for again while it stays in use; a manager that does not answer takes
//! no value away. Only the answer that a secret is gone does.
//!
//! Source: `apache/apisix`, `apisix/secret.lua`, `apisix/secret/vault.lua`.

mod place;
mod references;
mod values;
mod vault;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

pub use values::SecretValues;

use crate::Document;
use crate::document::Item;
use crate::resource::SecretManager;
use crate::source::blocking;
use crate::substitute::Environment;
use place::Place;
use values::Outcome;
use vault::{Fields, Refused};

/// How many secrets are asked for at once.
const MOST_ASKED: usize = 16;

/// How long a configuration waits for secrets that were never asked for.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long answers hold until they are asked for again.
#[derive(Clone, Copy, Debug)]
pub struct Lifetimes {
    /// Of a secret that was found.
    pub found: Duration,
    /// Of anything else.
    pub failed: Duration,
}

/// The secrets that the references of a document name, and those who are asked for them.
pub struct Lookup {
    environment: Arc<Environment>,
    lifetimes: Lifetimes,
    wanted: BTreeMap<Arc<str>, Wanted>,
    known: BTreeMap<SecretKey, Known>,
    asked: JoinSet<Answered>,
}

/// A secret: the manager as in `vault/main`, and the path there.
type SecretKey = (Arc<str>, Arc<str>);

/// A field of a secret, or why a reference can never have a value.
type Wanted = Result<(SecretKey, String), String>;

/// What is known of one secret.
#[derive(Debug)]
struct Known {
    manager: Arc<Item<SecretManager>>,
    last: Option<Result<Fields, String>>,
    /// When it is to be asked for again.
    due: Instant,
    /// Who is asking.
    asking: Option<Id>,
    /// Whether a configuration waits for the answer.
    is_awaited: bool,
    /// Whether the last answer was none, while an earlier one is in use.
    is_stale: bool,
}

#[derive(Debug)]
struct Answered {
    key: SecretKey,
    manager: Arc<Item<SecretManager>>,
    outcome: Result<Fields, Refused>,
}

// === impl Lifetimes ===

impl Default for Lifetimes {
    /// compat: apache/apisix `apisix/secret.lua`: 300 seconds, and 60 for failures.
    fn default() -> Self {
        Self {
            found: Duration::from_mins(5),
            failed: Duration::from_mins(1),
        }
    }
}

// === impl Lookup ===

impl Lookup {
    /// Nothing is known yet. `environment` is what the token of a manager may refer to.
    pub fn new(environment: Environment, lifetimes: Lifetimes) -> Self {
        Self {
            environment: Arc::new(environment),
            lifetimes,
            wanted: BTreeMap::new(),
            known: BTreeMap::new(),
            asked: JoinSet::new(),
        }
    }

    /// The values of all references of a document.
    ///
    /// Waits five seconds at most, and only for secrets that are new or whose manager changed;
    /// [`Lookup::changed`] tells of those that come later.
    pub async fn resolve(&mut self, document: &Arc<Document>) -> SecretValues {
        let whole = Arc::clone(document);
        let texts = blocking(move || references::of(&whole)).await;
        self.want(texts, document);
        let patience = Instant::now() + PATIENCE;
        while self.known.values().any(|known| known.is_awaited) {
            self.ask_due();
            tokio::select! {
                Some(joined) = self.asked.join_next_with_id() => {
                    self.take(joined);
                }
                () = sleep_until(patience) => break,
                else => break,
            }
        }
        for known in self.known.values_mut() {
            known.is_awaited = false;
        }
        self.values()
    }

    /// Asks anew for what is due, until an answer differs from the one before. May be dropped and
    /// called again at any time.
    pub async fn changed(&mut self) {
        loop {
            self.ask_due();
            let due = self.next_due();
            let turn = async {
                match due {
                    Some(due) => sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(joined) = self.asked.join_next_with_id() => {
                    if self.take(joined) {
                        return;
                    }
                }
                () = turn => {}
            }
        }
    }

    /// Notes what a document refers to, and forgets everything else.
    fn want(&mut self, texts: BTreeSet<Arc<str>>, document: &Document) {
        let managers = &document.secrets;
        let wanted = texts.into_iter().map(|text| {
            let place = Place::parse(&text).and_then(|place| {
                let is_there = managers.contains_key(&place.manager);
                let none = || format!("there is no secret manager {}", place.manager);
                is_there.then(|| place.parts()).ok_or_else(none)
            });
            (text, place)
        });
        self.wanted = wanted.collect();
        let mut known = std::mem::take(&mut self.known);
        let keys = self.wanted.values().flatten().map(|(key, _)| key.clone());
        for key in keys.collect::<BTreeSet<_>>() {
            if let Some(manager) = managers.get(&key.0) {
                let earlier = known.remove(&key);
                let now = Known::of(manager, earlier);
                self.known.insert(key, now);
            }
        }
    }

    /// Asks for what is due, as far as there is room.
    fn ask_due(&mut self) {
        let now = Instant::now();
        for (key, known) in &mut self.known {
            if self.asked.len() >= MOST_ASKED {
                return;
            }
            if known.asking.is_some() || known.due > now {
                continue;
            }
            let key = key.clone();
            let manager = Arc::clone(&known.manager);
            let environment = Arc::clone(&self.environment);
            let asking = self.asked.spawn(async move {
                let outcome = vault::ask(&manager.value, &key.1, &environment).await;
                Answered {
                    key,
                    manager,
                    outcome,
                }
            });
            known.asking = Some(asking.id());
        }
    }

    /// When there is something to ask next, unless an answer has to come first.
    fn next_due(&self) -> Option<Instant> {
        if self.asked.len() >= MOST_ASKED {
            return None;
        }
        let idle = self.known.values().filter(|known| known.asking.is_none());
        idle.map(|known| known.due).min()
    }

    /// Takes an answer; says whether it differs from the one before.
    fn take(&mut self, joined: Result<(Id, Answered), JoinError>) -> bool {
        let (id, answered) = match joined {
            Ok((id, answered)) => (id, Ok(answered)),
            Err(error) => (error.id(), Err(error)),
        };
        let mut asking = self.known.iter_mut();
        // Nobody waits any more for an answer of a manager that has changed since.
        let Some((key, known)) = asking.find(|(_, known)| known.asking == Some(id)) else {
            return false;
        };
        known.asking = None;
        known.is_awaited = false;
        let outcome = match answered {
            Ok(answered) => {
                debug_assert!(
                    answered.key == *key && Arc::ptr_eq(&answered.manager, &known.manager)
                );
                answered.outcome
            }
            Err(error) => Err(Refused::Unanswered(error.to_string())),
        };
        known.learn(key, outcome, self.lifetimes)
    }

    fn values(&self) -> SecretValues {
        let values = self.wanted.iter().map(|(text, wanted)| {
            let outcome = match wanted {
                Ok((key, field)) => self.known.get(key).map_or_else(
                    || Outcome::None("nobody was asked".to_owned()),
                    |known| known.value(key, field),
                ),
                Err(why) => Outcome::None(why.clone()),
            };
            (Arc::clone(text), outcome)
        });
        values.collect()
    }
}

// Written by hand: the environment holds secrets.
impl fmt::Debug for Lookup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Lookup")
            .field("wanted", &self.wanted)
            .field("known", &self.known)
            .finish_non_exhaustive()
    }
}

// === impl Known ===

impl Known {
    /// What is known of a secret of this manager: what was known before, unless the manager changed.
    fn of(manager: &Arc<Item<SecretManager>>, earlier: Option<Self>) -> Self {
        match earlier {
            Some(earlier) if Arc::ptr_eq(&earlier.manager, manager) => earlier,
            earlier => Self {
                manager: Arc::clone(manager),
                last: earlier.and_then(|earlier| earlier.last),
                due: Instant::now(),
                asking: None,
                is_awaited: true,
                is_stale: false,
            },
        }
    }

    /// Takes an answer; says whether it differs from the one before.
    fn learn(
        &mut self,
        (manager, path): &SecretKey,
        outcome: Result<Fields, Refused>,
        lifetimes: Lifetimes,
    ) -> bool {
        let life = match &outcome {
            Ok(_) => lifetimes.found,
            Err(_) => lifetimes.failed,
        };
        self.due = Instant::now() + life;
        let was_stale = self.is_stale;
        self.is_stale = false;
        let now = match outcome {
            Err(Refused::Unanswered(why)) if matches!(self.last, Some(Ok(_))) => {
                self.is_stale = true;
                if !was_stale {
                    tracing::warn!(
                        manager = &**manager,
                        path = &**path,
                        why,
                        "a secret cannot be read anew, its last value stays in use"
                    );
                }
                return false;
            }
            Err(Refused::Unanswered(why) | Refused::Absent(why)) => Err(why),
            Ok(fields) => Ok(fields),
        };
        if was_stale {
            let (manager, path) = (&**manager, &**path);
            tracing::info!(manager, path, "a secret manager answers again");
        }
        let is_new = self.last.as_ref() != Some(&now);
        self.last = Some(now);
        is_new
    }

    fn value(&self, (manager, path): &SecretKey, field: &str) -> Outcome {
        match &self.last {
            Some(Ok(fields)) => match fields.get(field) {
                Some(value) => Outcome::Value(value),
                None => Outcome::None(format!(
                    "the secret {path:?} at {manager} has no field {field:?}"
                )),
            },
            Some(Err(why)) => Outcome::None(format!("{manager}: {why}")),
            None => Outcome::None(format!("{manager}: no answer yet")),
        }
    }
}

#[cfg(test)]
mod tests;
