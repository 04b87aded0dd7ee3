//! The vectors of the examples: asked for once, kept for an hour.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout_at};

use super::vector::Vector;
use super::{Embedder, EmbeddingsError};

/// How long vectors are used.
const KEPT: Duration = Duration::from_hours(1);

/// The examples of each group and their vectors, shared by all snapshots that have the same ones.
#[derive(Debug)]
pub(super) struct References {
    groups: Vec<Vec<String>>,
    current: ArcSwapOption<Known>,
    /// How many calls have come to an end.
    calls: AtomicU64,
    /// Held by the one request that asks; how the last call failed.
    asking: Mutex<Option<EmbeddingsError>>,
}

/// The vectors of all groups.
#[derive(Debug)]
pub(super) struct Known {
    vectors: Vec<Vector>,
    /// How many of the vectors each group has.
    sizes: Vec<usize>,
    until: Instant,
}

// === impl References ===

impl References {
    pub(super) fn new(groups: Vec<Vec<String>>) -> Self {
        Self {
            groups,
            current: ArcSwapOption::empty(),
            calls: AtomicU64::new(0),
            asking: Mutex::default(),
        }
    }

    /// The vectors, asked for when there are none: then one request asks and the others wait for it,
    /// and share its success or failure. A failure is not kept for later requests.
    ///
    /// # Errors
    /// [`EmbeddingsError`].
    pub(super) async fn vectors(
        &self,
        embedder: &Embedder,
        deadline: Instant,
    ) -> Result<Arc<Known>, EmbeddingsError> {
        // Read before the vectors, so that a call that ends in between is noticed.
        let calls = self.calls.load(Ordering::Acquire);
        if let Some(known) = self.fresh() {
            return Ok(known);
        }
        let asking = timeout_at(deadline, self.asking.lock()).await;
        let mut last = asking.map_err(|_| EmbeddingsError::Late)?;
        if self.calls.load(Ordering::Acquire) != calls {
            if let Some(known) = self.fresh() {
                return Ok(known);
            }
            if let Some(error) = &*last {
                return Err(error.clone());
            }
        }
        let outcome = self.ask(embedder, deadline).await;
        *last = outcome.as_ref().err().cloned();
        self.calls.fetch_add(1, Ordering::Release);
        outcome
    }

    fn fresh(&self) -> Option<Arc<Known>> {
        let now = Instant::now();
        self.current.load_full().filter(|known| now < known.until)
    }

    async fn ask(
        &self,
        embedder: &Embedder,
        deadline: Instant,
    ) -> Result<Arc<Known>, EmbeddingsError> {
        let texts: Vec<_> = self.groups.iter().flatten().map(String::as_str).collect();
        let known = Arc::new(Known {
            vectors: embedder.embed(&texts, deadline).await?,
            sizes: self.groups.iter().map(Vec::len).collect(),
            until: Instant::now() + KEPT,
        });
        self.current.store(Some(Arc::clone(&known)));
        Ok(known)
    }
}

// === impl Known ===

impl Known {
    /// The vectors of each group.
    pub(super) fn groups(&self) -> impl Iterator<Item = &[Vector]> {
        let mut rest = &*self.vectors;
        self.sizes.iter().map(move |size| {
            let (group, others) = rest.split_at_checked(*size).unwrap_or((rest, &[]));
            rest = others;
            group
        })
    }
}
