//! Puts each new configuration in force.

use std::collections::HashSet;
use std::sync::Arc;

use config::Loaded;
use config::lookup::Lookup;
use config::source::{Source, SourceError};
use gateway::{Gateway, Snapshot};
use tokio::sync::{Notify, watch};

use crate::certificates::Certificates;
use crate::house::House;

/// What is served, as the Admin and control APIs see it.
pub(crate) type Served = watch::Sender<Option<Arc<Loaded>>>;

/// Reads a source and puts what it says in force.
#[derive(Debug)]
pub(crate) struct Applier {
    pub(crate) house: Arc<House>,
    pub(crate) source: Source,
    /// What references to secret managers stand for.
    pub(crate) lookup: Lookup,
    pub(crate) gateway: Gateway,
    pub(crate) certificates: Certificates,
    pub(crate) served: Served,
    /// Told when somebody asks for a reload.
    pub(crate) reload: Arc<Notify>,
    /// Faults that were already told, so that each is told once.
    pub(crate) told: HashSet<String>,
}

// === impl Applier ===

impl Applier {
    /// Follows the source until the task is dropped.
    pub(crate) async fn follow(mut self) {
        loop {
            let reload = Arc::clone(&self.reload);
            let outcome = tokio::select! {
                outcome = self.source.changed() => outcome,
                () = self.lookup.changed() => {
                    tracing::info!("a secret manager has another answer");
                    Ok(())
                }
                () = reload.notified() => {
                    tracing::info!("reloading resources");
                    Ok(())
                }
            };
            if let Err(error) = outcome {
                self.tell_unusable(&error);
                // The source cannot be watched at this moment: look again in a while.
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
            self.apply().await;
        }
    }

    /// Loads and puts in force; a source that cannot be read leaves things as they are.
    pub(crate) async fn apply(&mut self) {
        let loaded = match self.source.load().await {
            Ok(loaded) => loaded,
            Err(error) => return self.tell_unusable(&error),
        };
        let secrets = self.lookup.resolve(&loaded.document).await;
        let process = self.house.environment.with_secrets(secrets.clone());
        let house = Arc::clone(&self.house);
        let previous = self.gateway.snapshot();
        let compiling = tokio::task::spawn_blocking(move || {
            let previous: Option<&Snapshot> = Some(&previous);
            house.compile(&loaded, secrets, previous)
        });
        let (snapshot, mut loaded) = match compiling.await {
            Ok(compiled) => compiled,
            Err(error) => {
                tracing::error!(%error, "compiling a configuration failed, the last one stays");
                return;
            }
        };
        let unusable = self.certificates.take(&loaded.document, &process);
        loaded.rejected.extend(unusable);
        self.tell_rejected(&loaded);
        let routes = snapshot.route_count();
        let revision = snapshot.revision();
        self.gateway.replace(snapshot);
        self.served.send_replace(Some(Arc::new(loaded)));
        tracing::debug!(revision, routes, "configuration in force");
    }

    fn tell_unusable(&mut self, error: &SourceError) {
        let text = error_chain(error);
        if self.told.insert(text.clone()) {
            tracing::error!("{text}; the last good configuration stays in force");
        }
    }

    fn tell_rejected(&mut self, loaded: &Loaded) {
        let now: HashSet<String> = loaded.rejected.iter().map(ToString::to_string).collect();
        for (fault, text) in loaded
            .rejected
            .iter()
            .map(|fault| (fault, fault.to_string()))
        {
            if self.told.insert(text.clone()) {
                tracing::error!("{text} ({})", fault.fate.told());
            }
        }
        // What is mended now may be told again when it comes back.
        self.told.retain(|text| now.contains(text));
    }
}

/// An error with everything that caused it.
pub(crate) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}
