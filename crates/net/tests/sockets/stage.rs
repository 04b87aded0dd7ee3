//! A scripted server: raw bytes over real sockets, so that it can do what no sane server does.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::Request;
use net::{Answer, AnswerBody, NetError, Origin, OriginSettings, RequestBody, Scheme, Timeouts};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Long enough never to fire in a test that does not want it to.
pub(crate) const PATIENT: Timeouts = Timeouts::all(Duration::from_mins(1));

pub(crate) const HELLO: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// Stops the clock of the runtime until it is dropped: time passes only where a test advances it, and
/// not either when everything waits for a socket.
pub(crate) struct StillClock {
    _end: std::sync::mpsc::Sender<()>,
}

/// A listener that plays one part per connection.
pub(crate) struct Stage {
    listener: TcpListener,
    pub(crate) port: u16,
}

/// One accepted connection.
pub(crate) struct Actor {
    pub(crate) stream: TcpStream,
}

impl StillClock {
    pub(crate) fn new() -> Self {
        let (end, wait) = std::sync::mpsc::channel::<()>();
        // While a thread is at work, the runtime does not skip to the next timer.
        tokio::task::spawn_blocking(move || wait.recv());
        tokio::time::pause();
        Self { _end: end }
    }
}

impl Drop for StillClock {
    fn drop(&mut self) {
        tokio::time::resume();
    }
}

impl Stage {
    pub(crate) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { listener, port }
    }

    /// One on each of two addresses, with the same port.
    pub(crate) async fn twins() -> [Self; 2] {
        loop {
            let one = Self::open().await;
            // Somebody may have the port there.
            if let Ok(listener) = TcpListener::bind(("127.0.0.2", one.port)).await {
                let port = one.port;
                return [one, Self { listener, port }];
            }
        }
    }

    pub(crate) async fn next(&self) -> Actor {
        let (stream, _) = self.listener.accept().await.unwrap();
        stream.set_nodelay(true).unwrap();
        Actor { stream }
    }

    /// Hears one request, says `bytes`, and keeps the connection open.
    pub(crate) async fn answer(&self, bytes: impl AsRef<[u8]>) -> Actor {
        let mut actor = self.next().await;
        actor.hear().await;
        actor.say(bytes).await;
        actor
    }

    pub(crate) fn settings(&self) -> OriginSettings {
        OriginSettings::new(Scheme::Http, Arc::from("127.0.0.1"), self.port)
    }

    pub(crate) fn origin(&self) -> Origin {
        Origin::new(self.settings()).unwrap()
    }
}

impl Actor {
    /// Reads one request: its head, and as much body as `Content-Length` says.
    pub(crate) async fn hear(&mut self) -> String {
        let mut heard = Vec::new();
        loop {
            if let Some(end) = heard.windows(4).position(|four| four == b"\r\n\r\n") {
                let fields = String::from_utf8_lossy(&heard[..end]).to_lowercase();
                let length = fields
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "))
                    .map_or(0, |length| length.parse::<usize>().unwrap());
                if heard.len() >= end + 4 + length {
                    return String::from_utf8(heard).unwrap();
                }
            }
            assert_ne!(
                self.stream.read_buf(&mut heard).await.unwrap(),
                0,
                "closed too early"
            );
        }
    }

    pub(crate) async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Closes with a reset instead of an orderly end.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }

    /// Waits until the other side has gone.
    pub(crate) async fn is_left(&mut self) {
        let mut rest = Vec::new();
        // An orderly end or a reset: either is a closed socket.
        let _ = self.stream.read_to_end(&mut rest).await;
    }
}

/// Serves one request and keeps the connection open.
pub(crate) async fn greet(stage: &Stage) -> Actor {
    stage.answer(HELLO).await
}

pub(crate) fn get() -> Request<RequestBody> {
    Request::get("/").body(RequestBody::Empty).unwrap()
}

pub(crate) fn post(body: impl Into<Bytes>) -> Request<RequestBody> {
    Request::post("/")
        .body(RequestBody::Full(body.into()))
        .unwrap()
}

pub(crate) async fn frame(body: &mut AnswerBody) -> Option<Result<Bytes, NetError>> {
    use http_body_util::BodyExt;
    Some(
        body.frame()
            .await?
            .map(|frame| frame.into_data().unwrap_or_default()),
    )
}

pub(crate) async fn text(answer: Answer) -> Result<String, NetError> {
    let bytes = answer.body.read_whole(usize::MAX).await?.unwrap();
    Ok(String::from_utf8(bytes.to_vec()).unwrap())
}

/// A body that pauses before its only piece.
pub(crate) struct SlowBody {
    pause: std::pin::Pin<Box<tokio::time::Sleep>>,
    piece: Option<Bytes>,
}

impl SlowBody {
    pub(crate) fn new(pause: Duration, piece: &'static str) -> Self {
        Self {
            pause: Box::pin(tokio::time::sleep(pause)),
            piece: Some(piece.into()),
        }
    }
}

type NextFrame = std::task::Poll<Option<Result<http_body::Frame<Bytes>, net::BodyError>>>;

impl http_body::Body for SlowBody {
    type Data = Bytes;
    type Error = net::BodyError;

    fn poll_frame(self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> NextFrame {
        let this = self.get_mut();
        std::task::ready!(this.pause.as_mut().poll(cx));
        std::task::Poll::Ready(
            this.piece
                .take()
                .map(|piece| Ok(http_body::Frame::data(piece))),
        )
    }
}

/// A body that fails after a first piece.
pub(crate) struct FailingBody(pub(crate) net::BodyError);

impl http_body::Body for FailingBody {
    type Data = Bytes;
    type Error = net::BodyError;

    fn poll_frame(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> NextFrame {
        std::task::Poll::Ready(Some(Err(self.0)))
    }
}

/// A body whose first piece is its only one, yet which never ends.
pub(crate) struct EndlessBody;

impl http_body::Body for EndlessBody {
    type Data = Bytes;
    type Error = net::BodyError;

    fn poll_frame(self: std::pin::Pin<&mut Self>, _: &mut std::task::Context<'_>) -> NextFrame {
        std::task::Poll::Pending
    }
}
