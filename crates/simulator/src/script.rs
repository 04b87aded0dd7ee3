//! What the answers will be, decided by the test and not by the request.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::behaviour::Behaviour;
use crate::journal::Received;

type Choose = dyn Fn(&Received) -> Option<Behaviour> + Send + Sync;

/// The answers to come; clones share it.
///
/// The next answer is the first in the queue, else what the function chooses, else the default.
#[derive(Clone, Default)]
pub struct Script {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    queue: VecDeque<Behaviour>,
    choose: Option<Arc<Choose>>,
    default: Option<Arc<Behaviour>>,
}

// === impl Script ===

impl Script {
    /// Adds an answer to the end of the queue.
    pub fn push(&self, behaviour: Behaviour) {
        self.lock().queue.push_back(behaviour);
    }

    /// Asks this function for each answer when the queue is empty.
    pub fn choose(&self, choose: impl Fn(&Received) -> Option<Behaviour> + Send + Sync + 'static) {
        self.lock().choose = Some(Arc::new(choose));
    }

    /// Answers so when neither the queue nor the function says how.
    pub fn set_default(&self, behaviour: Behaviour) {
        let is_plain = behaviour == Behaviour::default();
        self.lock().default = (!is_plain).then(|| Arc::new(behaviour));
    }

    /// Forgets queue, function and default.
    pub fn clear(&self) {
        *self.lock() = Inner::default();
    }

    /// How many answers are left in the queue.
    pub fn remaining(&self) -> usize {
        self.lock().queue.len()
    }

    /// The behaviour for this request; `None` for the plain one.
    pub(crate) fn next(&self, request: &Received) -> Option<Behaviour> {
        let (choose, default) = {
            let mut inner = self.lock();
            if let Some(behaviour) = inner.queue.pop_front() {
                return Some(behaviour);
            }
            (inner.choose.clone(), inner.default.clone())
        };
        // The function runs without the lock: it may want to push.
        choose
            .and_then(|choose| choose(request))
            .or_else(|| default.map(|default| Behaviour::clone(&default)))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script")
            .field("remaining", &self.remaining())
            .finish_non_exhaustive()
    }
}
