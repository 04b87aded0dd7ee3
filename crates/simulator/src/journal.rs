//! What arrived, and how it ended.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, Method, Uri};
use serde::Serialize;
use tokio::sync::Notify;

/// The record of all requests; clones share it.
#[derive(Clone, Debug)]
pub struct Journal {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    entries: Mutex<VecDeque<Entry>>,
    capacity: usize,
    changed: Notify,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicU64,
    open_connections: AtomicI64,
    requests: AtomicU64,
    in_flight: AtomicI64,
    completed: AtomicU64,
    client_left: AtomicU64,
    cut: AtomicU64,
}

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// Its number, from 1.
    pub id: u64,
    /// The number of the connection it came on, from 1.
    pub connection: u64,
    /// The method.
    pub method: Method,
    /// The target as it was sent.
    pub uri: Uri,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, or what arrived of it.
    pub body: Bytes,
}

/// A request and how it ended.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The request.
    pub request: Received,
    /// How it ended, so far.
    pub outcome: Outcome,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It has not ended.
    InFlight,
    /// The whole answer was handed to the connection.
    Completed,
    /// The client went away before the end.
    ClientLeft,
    /// The answer was cut, as asked for.
    Cut,
}

/// Counters since the start, and gauges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Connections accepted.
    pub connections: u64,
    /// Connections open at the moment.
    pub open_connections: i64,
    /// Requests whose body arrived or broke off.
    pub requests: u64,
    /// Requests without an end so far.
    pub in_flight: i64,
    /// Requests that were answered wholly.
    pub completed: u64,
    /// Requests whose client went away before the end.
    pub client_left: u64,
    /// Requests whose answer was cut, as asked for.
    pub cut: u64,
}

/// The journal at one moment.
#[derive(Debug)]
pub struct View<'a> {
    /// The requests that are kept, oldest first.
    pub entries: &'a VecDeque<Entry>,
    /// Counters and gauges.
    pub stats: Stats,
}

/// Counts a connection as open until it is dropped.
#[derive(Debug)]
pub(crate) struct OpenConnection {
    journal: Journal,
    pub(crate) number: u64,
}

/// Follows one request; dropping it unfinished means that the client left.
#[derive(Debug)]
pub(crate) struct Track {
    journal: Journal,
    id: u64,
    outcome: Outcome,
}

// === impl Journal ===

impl Journal {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            inner: Arc::new(Inner {
                entries: Mutex::default(),
                capacity,
                changed: Notify::new(),
                counts: Counts::default(),
            }),
        }
    }

    /// The requests that are kept, oldest first.
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().iter().cloned().collect()
    }

    /// The newest request that is kept.
    pub fn last(&self) -> Option<Entry> {
        self.lock().back().cloned()
    }

    /// Counters and gauges.
    pub fn stats(&self) -> Stats {
        let counts = &self.inner.counts;
        let count = |value: &AtomicU64| value.load(Ordering::Relaxed);
        let gauge = |value: &AtomicI64| value.load(Ordering::Relaxed);
        Stats {
            connections: count(&counts.connections),
            open_connections: gauge(&counts.open_connections),
            requests: count(&counts.requests),
            in_flight: gauge(&counts.in_flight),
            completed: count(&counts.completed),
            client_left: count(&counts.client_left),
            cut: count(&counts.cut),
        }
    }

    /// Forgets the kept requests; counters go on.
    pub fn clear(&self) {
        self.lock().clear();
        self.inner.changed.notify_waiters();
    }

    /// Waits until the condition holds; it is looked at after every change.
    pub async fn wait_for(&self, mut condition: impl FnMut(&View<'_>) -> bool) {
        self.wait_until(|view| condition(view).then_some(())).await;
    }

    /// Waits until something is found; it is looked for after every change.
    pub async fn wait_until<T>(&self, mut find: impl FnMut(&View<'_>) -> Option<T>) -> T {
        loop {
            let mut changed = std::pin::pin!(self.inner.changed.notified());
            // Registered before looking, so that no change between the two is missed.
            changed.as_mut().enable();
            let found = {
                let entries = self.lock();
                find(&View {
                    entries: &entries,
                    stats: self.stats(),
                })
            };
            if let Some(found) = found {
                return found;
            }
            changed.await;
        }
    }

    pub(crate) fn connection(&self) -> OpenConnection {
        let counts = &self.inner.counts;
        counts.open_connections.fetch_add(1, Ordering::Relaxed);
        let number = counts.connections.fetch_add(1, Ordering::Relaxed) + 1;
        self.inner.changed.notify_waiters();
        OpenConnection {
            journal: self.clone(),
            number,
        }
    }

    /// The number of the next request.
    pub(crate) fn next_id(&self) -> u64 {
        self.inner.counts.requests.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(crate) fn keeps_entries(&self) -> bool {
        self.inner.capacity > 0
    }

    /// Begins to follow a request.
    pub(crate) fn track(&self, id: u64) -> Track {
        self.inner.counts.in_flight.fetch_add(1, Ordering::Relaxed);
        Track {
            journal: self.clone(),
            id,
            outcome: Outcome::ClientLeft,
        }
    }

    /// Keeps a request, in place of the oldest one if there is no room.
    pub(crate) fn keep(&self, request: Received) {
        let mut entries = self.lock();
        if entries.len() >= self.inner.capacity {
            entries.pop_front();
        }
        entries.push_back(Entry {
            request,
            outcome: Outcome::InFlight,
        });
        drop(entries);
        self.inner.changed.notify_waiters();
    }

    fn end(&self, id: u64, outcome: Outcome) {
        let counts = &self.inner.counts;
        let count = match outcome {
            Outcome::Completed | Outcome::InFlight => &counts.completed,
            Outcome::ClientLeft => &counts.client_left,
            Outcome::Cut => &counts.cut,
        };
        count.fetch_add(1, Ordering::Relaxed);
        counts.in_flight.fetch_sub(1, Ordering::Relaxed);
        if self.keeps_entries() {
            let mut entries = self.lock();
            let entry = entries
                .iter_mut()
                .rev()
                .find(|entry| entry.request.id == id);
            if let Some(entry) = entry {
                entry.outcome = outcome;
            }
        }
        self.inner.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Entry>> {
        self.inner
            .entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Received ===

impl Received {
    /// The path of the target.
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// A header's value, if it is there and text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as text, with replacements where it is none.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; `null` where it is none.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// What a journal or an echo says about it.
    pub(crate) fn describe(&self) -> serde_json::Value {
        let headers: Vec<_> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())))
            .collect();
        serde_json::json!({
            "id": self.id,
            "connection": self.connection,
            "method": self.method.as_str(),
            "path": self.path(),
            "query": self.uri.query(),
            "headers": headers,
            "body_bytes": self.body.len(),
            "body": String::from_utf8_lossy(&self.body),
        })
    }
}

// === impl Entry ===

impl Entry {
    pub(crate) fn describe(&self) -> serde_json::Value {
        let mut described = self.request.describe();
        if let Some(members) = described.as_object_mut() {
            members.insert("outcome".to_owned(), serde_json::json!(self.outcome));
        }
        described
    }
}

// === impl OpenConnection ===

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let inner = &self.journal.inner;
        inner
            .counts
            .open_connections
            .fetch_sub(1, Ordering::Relaxed);
        inner.changed.notify_waiters();
    }
}

// === impl Track ===

impl Track {
    /// Says how it will have ended once this is dropped.
    pub(crate) fn set(&mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Track {
    fn drop(&mut self) {
        self.journal.end(self.id, self.outcome);
    }
}
