//! The server of the operators' listeners.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use admin::{Limits, Service};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n";

/// Answers when it is told to, or panics.
#[derive(Default)]
struct Gate {
    entered: Notify,
    open: Notify,
}

impl Service for Gate {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        assert_ne!(request.uri().path(), "/panic");
        if request.uri().path() == "/wait" {
            self.entered.notify_one();
            self.open.notified().await;
        }
        Response::new(Full::new("here".into()))
    }
}

/// A gate that is served until it is stopped.
struct Served {
    gate: Arc<Gate>,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Served {
    async fn new(limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let gate = Arc::new(Gate::default());
        let (stop, stopped) = oneshot::channel();
        let stopped = async move { stopped.await.unwrap_or_default() };
        let serving = tokio::spawn(admin::serve(listener, Arc::clone(&gate), limits, stopped));
        Self {
            gate,
            address,
            stop,
            serving,
        }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

/// Reads one answer whose body is `here`.
async fn read_answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    while !answer.ends_with(b"here") {
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "{answer:?}");
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_connection_serves_several_requests() {
    let served = Served::new(Limits::default()).await;
    let mut stream = served.connect().await;
    for _ in 0..3 {
        stream.write_all(GET).await.unwrap();
        assert!(read_answer(&mut stream).await.starts_with("HTTP/1.1 200"));
    }
}

#[tokio::test]
async fn a_slow_head_is_cut_off() {
    let limits = Limits {
        head: Duration::from_millis(50),
        ..Limits::default()
    };
    let served = Served::new(limits).await;
    let mut stream = served.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhos").await.unwrap();
    let mut answer = Vec::new();
    // ends only because the server closes
    stream.read_to_end(&mut answer).await.unwrap();
}

#[tokio::test]
async fn a_panic_ends_its_own_connection_only() {
    let served = Served::new(Limits::default()).await;
    let mut stream = served.connect().await;
    stream
        .write_all(b"GET /panic HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let mut stream = served.connect().await;
    stream.write_all(GET).await.unwrap();
    read_answer(&mut stream).await;
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let served = Served::new(Limits {
        connections: 1,
        ..Limits::default()
    })
    .await;
    let mut first = served.connect().await;
    first
        .write_all(b"GET /wait HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    served.gate.entered.notified().await;
    let mut second = served.connect().await;
    second.write_all(GET).await.unwrap();
    let mut byte = [0];
    tokio::select! {
        biased;
        _ = second.read(&mut byte) => panic!("served beyond the limit"),
        () = tokio::task::yield_now() => {}
    }
    served.gate.open.notify_one();
    read_answer(&mut first).await;
    drop(first);
    read_answer(&mut second).await;
}

#[tokio::test]
async fn a_stopped_server_ends_requests_and_closes_idle_connections() {
    let served = Served::new(Limits::default()).await;
    let mut idle = served.connect().await;
    idle.write_all(GET).await.unwrap();
    read_answer(&mut idle).await;
    let mut busy = served.connect().await;
    busy.write_all(b"GET /wait HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    served.gate.entered.notified().await;
    served.stop.send(()).unwrap();
    assert_eq!(idle.read(&mut [0]).await.unwrap(), 0);
    served.gate.open.notify_one();
    assert!(read_answer(&mut busy).await.contains("connection: close"));
    served.serving.await.unwrap();
    assert!(TcpStream::connect(served.address).await.is_err());
}

#[tokio::test]
async fn a_stopped_server_does_not_wait_for_ever() {
    let limits = Limits {
        drain: Duration::from_millis(50),
        ..Limits::default()
    };
    let served = Served::new(limits).await;
    let mut stuck = served.connect().await;
    stuck
        .write_all(b"GET /wait HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .await
        .unwrap();
    served.gate.entered.notified().await;
    served.stop.send(()).unwrap();
    served.serving.await.unwrap();
    let closed = stuck.read(&mut [0]).await;
    assert!(matches!(closed, Ok(0) | Err(_)));
}
