//! Probers that break, and ten thousand configurations, one after the other, while requests and
//! probes run.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use config::document::{Draft, Entry};
use config::lookup::SecretValues;
use config::resource::Kind;
use config::{Document, Loaded};
use gateway::{Door, Gateway};
use net::NetError;
use net::dns::{Addresses, Resolve, System};
use net::health::{Checker, Prober};
use net::listen::Listener;
use serde_json::{Value, json};
use simulator::{Behaviour, Running, Simulator};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::probe;
use crate::house::House;

const SWAPS: usize = 10_000;
const CLIENTS: usize = 4;

/// Requests that may be answered before everything from earlier configurations must be gone.
const STEPS: usize = 2_000;

/// Idle connections of both ends and turns of probers: many fewer than one per swap.
const TASKS_AT_ONCE: usize = 64;

/// Requests that go on until they are told to end.
struct Load {
    done: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<()>>,
}

// === impl Load ===

impl Load {
    fn begin(address: SocketAddr) -> Self {
        let (done, served) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let clients = (0..CLIENTS).map(|_| {
            let (done, served) = (Arc::clone(&done), Arc::clone(&served));
            tokio::spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    let answer = ask(address).await;
                    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
                    assert!(answer.contains("said by"), "{answer}");
                    served.fetch_add(1, Ordering::Relaxed);
                }
            })
        });
        let clients = clients.collect();
        Self {
            done,
            served,
            clients,
        }
    }

    /// How many requests were answered.
    async fn end(self) -> usize {
        self.done.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.expect("no request failed");
        }
        self.served.load(Ordering::Relaxed)
    }
}

async fn ask(address: SocketAddr) -> String {
    let body = r#"{"model": "m-1", "messages": [{"role": "user", "content": "hi"}]}"#;
    let length = body.len();
    let request = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    );
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let written = stream.write_all(request.as_bytes()).await;
    written.expect("room to write");
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer).await;
    read.expect("a whole answer");
    answer
}

async fn upstream(name: &str) -> Running {
    // A journal would grow with every request.
    let quiet = Simulator::new().journal_entries(0);
    let upstream = quiet.run("127.0.0.1:0").await.expect("a free port");
    let says = Behaviour::text(format!("said by {name}"));
    upstream.script().set_default(says);
    upstream
}

/// How often an upstream has been asked how it is.
fn count_probes(upstream: &Running) -> Arc<AtomicUsize> {
    let probes = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&probes);
    upstream.script().choose(move |received| {
        if received.path() == "/health" {
            counted.fetch_add(1, Ordering::Relaxed);
        }
        None
    });
    probes
}

/// The route of one turn: one instance stays as it is, the checks of the other change.
fn resources(turn: usize, stays: &str, changes: &str) -> Value {
    let instance = |name: &str, weight: usize, endpoint: &str, path: String| {
        json!({
            "name": name, "provider": "openai", "auth": {}, "weight": weight,
            "override": { "endpoint": endpoint },
            "checks": { "active": { "http_path": path, "healthy": { "interval": 1 } } },
        })
    };
    let multi = json!({
        "fallback_strategy": ["http_5xx"],
        "instances": [
            instance("stays", 1, stays, "/health".to_owned()),
            instance("changes", 1 + turn % 3, changes, format!("/health/{}", turn % 97)),
        ],
    });
    json!({ "id": "ai", "uri": "/v1/*", "plugins": { "ai-proxy-multi": multi } })
}

fn load(route: Option<Value>, turn: usize, previous: Option<&Document>) -> Loaded {
    let mut draft = Draft::new(previous, None);
    let revision = u64::try_from(turn).expect("a small number") + 1;
    if let Some(value) = route {
        draft.take(Entry {
            kind: Kind::Route,
            key: "/routes/ai".to_owned(),
            id: "ai".to_owned(),
            created: revision,
            modified: revision,
            value,
        });
    }
    draft.finish(revision)
}

/// Resident memory of this process in pages.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages = statm.split(' ').nth(1).expect("a second number");
    pages.parse().expect("a number")
}

fn living(house: &House) -> (usize, usize) {
    let (probers, checkers) = (house.living.all::<Prober>(), house.living.all::<Checker>());
    (probers.len(), checkers.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_changes_leave_nothing_behind() {
    let (stays, changes) = (upstream("stays").await, upstream("changes").await);
    let asked = count_probes(&stays);
    let route = |turn| resources(turn, &stays.url(""), &changes.url(""));
    let settings = config::settings::Settings::default();
    let house = House::new(&settings, &BTreeMap::default()).expect("a house");
    let house = Arc::new(house);
    let mut before = load(Some(route(0)), 0, None);
    let (snapshot, _) = house.compile(&before, SecretValues::default(), None);
    let gateway = Gateway::new(
        gateway::Settings::default(),
        snapshot,
        house.metrics.clone(),
    );
    let door = Door {
        listener: Listener::bind("127.0.0.1:0".parse().expect("an address")).expect("a port"),
        tls: None,
        http2: false,
    };
    let address = door.listener.address();
    let serving = gateway.clone();
    tokio::spawn(async move { serving.serve(vec![door], std::future::pending()).await });
    tokio::spawn(probe(Arc::clone(&house), System));

    let clients = Load::begin(address);
    let mut warm = 0;
    for turn in 1..=SWAPS {
        let next = load(Some(route(turn)), turn, Some(&before.document));
        let (snapshot, told) =
            house.compile(&next, SecretValues::default(), Some(&gateway.snapshot()));
        assert!(told.rejected.is_empty(), "{:?}", told.rejected);
        gateway.replace(snapshot);
        before = next;
        tokio::task::yield_now().await;
        if turn == SWAPS / 10 {
            warm = resident();
        }
    }
    assert!(clients.end().await > SWAPS / 100);
    let (pages, tasks) = (resident(), Handle::current().metrics().num_alive_tasks());
    assert!(pages < warm + warm / 4, "{warm} pages became {pages}");
    assert!(tasks < TASKS_AT_ONCE, "{tasks} tasks");
    // The present two, and those whom a request or a turn that goes on has from before.
    let (probers, checkers) = living(&house);
    let most = 2 * CLIENTS + 4;
    assert!(probers <= most && checkers <= most, "{probers} {checkers}");
    assert!(asked.load(Ordering::Relaxed) > 0, "nobody was probed");

    let nothing = load(None, SWAPS + 1, Some(&before.document));
    let (snapshot, _) = house.compile(&nothing, SecretValues::default(), None);
    gateway.replace(snapshot);
    // The last turns of probers and the last connections may still hold what they began with. What
    // waits for nothing but its turn gets it while requests go to and fro.
    let mut steps = 0;
    while living(&house) != (0, 0) {
        let (probers, checkers) = living(&house);
        assert!(
            steps < STEPS,
            "no configuration is left, yet {probers} probers and {checkers} checkers are"
        );
        let answer = ask(address).await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
        steps += 1;
    }
}

/// Knows where one name is, and breaks at every other.
struct Brittle;

impl Resolve for Brittle {
    async fn resolve(&self, host: &str, port: u16) -> Result<Addresses, NetError> {
        assert_eq!(host, "good.example", "this panic belongs to the test");
        Ok([SocketAddr::from(([127, 0, 0, 1], port))]
            .into_iter()
            .collect())
    }
}

#[tokio::test]
async fn a_prober_that_breaks_stops_no_other() {
    let upstream = Simulator::bind("127.0.0.1:0").await.expect("a free port");
    let port = upstream.address().port();
    let [bad, good] = ["bad", "good"].map(|name| format!("http://{name}.example:{port}"));
    let house = House::new(&config::settings::Settings::default(), &BTreeMap::default());
    let house = Arc::new(house.expect("a house"));
    let loaded = load(Some(resources(0, &good, &bad)), 0, None);
    let (_snapshot, told) = house.compile(&loaded, SecretValues::default(), None);
    assert!(told.rejected.is_empty(), "{:?}", told.rejected);
    let probing = tokio::spawn(probe(Arc::clone(&house), Brittle));
    let journal = upstream.journal();
    // By its second probe, the first turns of both are over.
    journal.wait_for(|seen| seen.entries.len() > 1).await;
    assert!(!probing.is_finished());
    probing.abort();
}
