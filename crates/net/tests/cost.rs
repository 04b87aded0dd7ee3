//! What a relayed chunk and a call on a kept connection cost: allocations and wake-ups.
//!
//! The servers run in threads of their own, since allocations are counted by thread. The figures
//! include the HTTP codec's own; they are bounds against growth, not goals.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    pin::pin,
    sync::{Arc, mpsc},
    time::Duration,
};

use http::Request;
use http_body_util::BodyExt;
use net::{AnswerBody, Origin, OriginSettings, RequestBody, Scheme, Timeouts};
use tokio::runtime::Runtime;

const CALM: Timeouts = Timeouts::all(Duration::from_mins(1));
const ROUNDS: u64 = 1000;

fn hear(stream: &mut TcpStream) {
    let mut heard = Vec::new();
    let mut piece = [0; 1024];
    while !heard.ends_with(b"\r\n\r\n") {
        let read = stream.read(&mut piece).expect("a request");
        assert_ne!(read, 0, "closed too early");
        heard.extend_from_slice(&piece[..read]);
    }
}

fn server(play: impl FnOnce(TcpStream) + Send + 'static) -> Origin {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a connection");
        stream.set_nodelay(true).expect("an open socket");
        play(stream);
    });
    Origin::new(OriginSettings::new(
        Scheme::Http,
        Arc::from("127.0.0.1"),
        port,
    ))
    .expect("good settings")
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

async fn call(origin: &Origin) -> AnswerBody {
    let request = Request::get("/")
        .body(RequestBody::Empty)
        .expect("a request");
    origin.send(request, CALM).await.expect("an answer").body
}

/// A stream whose server sends one more chunk for each signal.
fn paced_stream() -> (Origin, mpsc::SyncSender<()>) {
    let (next, wait) = mpsc::sync_channel::<()>(1);
    let origin = server(move |mut stream| {
        hear(&mut stream);
        let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head).expect("an open socket");
        let chunk = [b"64\r\n", &[b'x'; 100][..], b"\r\n"].concat();
        while wait.recv().is_ok() {
            stream.write_all(&chunk).expect("an open socket");
        }
    });
    (origin, next)
}

async fn relay(body: &mut AnswerBody, next: &mpsc::SyncSender<()>, chunks: u64) {
    for _ in 0..chunks {
        next.send(()).expect("a server");
        let frame = body.frame().await.expect("a chunk").expect("a sound chunk");
        assert_eq!(frame.into_data().map_or(0, |data| data.len()), 100);
    }
}

#[test]
fn chunk_that_comes_alone_asks_for_no_memory_of_its_own() {
    let (origin, next) = paced_stream();
    let runtime = runtime();
    let mut body = runtime.block_on(call(&origin));
    body.join_ready(16 * 1024);
    runtime.block_on(relay(&mut body, &next, 10));
    let cost = allocation_counter::measure(|| {
        runtime.block_on(relay(&mut body, &next, ROUNDS));
    });
    println!("{} allocations for {ROUNDS} chunks", cost.count_total);
    assert!(cost.count_total <= ROUNDS * 2, "{cost:?}");
}

#[test]
fn chunk_that_comes_alone_wakes_its_task_once() {
    let (origin, next) = paced_stream();
    let runtime = runtime();
    let mut body = runtime.block_on(call(&origin));
    body.join_ready(16 * 1024);
    runtime.block_on(relay(&mut body, &next, 10));
    let mut polls = 0;
    runtime.block_on(async {
        let mut task = pin!(relay(&mut body, &next, ROUNDS));
        std::future::poll_fn(|cx| {
            polls += 1;
            task.as_mut().poll(cx)
        })
        .await;
    });
    println!("{polls} wake-ups for {ROUNDS} chunks");
    assert!(
        polls <= ROUNDS + ROUNDS / 10,
        "{polls} wake-ups for {ROUNDS} chunks"
    );
}

#[test]
fn call_on_a_kept_connection_asks_for_little_memory() {
    let origin = server(|mut stream| {
        for _ in 0..ROUNDS + 10 {
            hear(&mut stream);
            let said = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            stream.write_all(said).expect("an open socket");
        }
    });
    let calls = async |count| {
        for _ in 0..count {
            let body = call(&origin).await;
            assert_eq!(
                body.read_whole(10).await.expect("a body").as_deref(),
                Some(&b"ok"[..])
            );
        }
    };
    let runtime = runtime();
    runtime.block_on(calls(10));
    let cost = allocation_counter::measure(|| runtime.block_on(calls(ROUNDS)));
    println!("{} allocations for {ROUNDS} calls", cost.count_total);
    assert!(cost.count_total <= ROUNDS * 20, "{cost:?}");
}
