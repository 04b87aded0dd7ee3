//! The guard under a real HTTP server.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use net::{
    listen::Listener,
    strict::{Strict, Violation},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, duplex, split},
    net::TcpStream,
};

/// Echoes the body; a body that cannot be read is answered with 400 and the reason.
async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, body) = match request.into_body().collect().await {
        Ok(body) => (StatusCode::OK, body.to_bytes()),
        Err(error) => (StatusCode::BAD_REQUEST, reason(&error).into()),
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    Ok(response)
}

fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = Some(error);
    while let Some(this) = cause {
        let violation = this
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        if let Some(violation) = violation.and_then(|inner| inner.downcast_ref::<Violation>()) {
            return violation.to_string();
        }
        cause = this.source();
    }
    error.to_string()
}

/// Serves one guarded connection to its end.
async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin + 'static) {
    let io = TokioIo::new(Strict::new(stream));
    // Refusals end the connection with an error or without one; the client sees which answer.
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection(io, service_fn(echo))
        .await;
}

/// Sends everything at once and returns what is answered until the server closes.
async fn answer(sent: &[u8]) -> String {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let server = async { serve(listener.accept().await.0).await };
    let client = async {
        let mut stream = TcpStream::connect(listener.address()).await.unwrap();
        stream.write_all(sent).await.unwrap();
        let mut answered = Vec::new();
        stream.read_to_end(&mut answered).await.unwrap();
        String::from_utf8_lossy(&answered).into_owned()
    };
    tokio::join!(server, client).1
}

/// The same with at most `most` bytes in each read of the server.
async fn answer_in_pieces(sent: &[u8], most: usize) -> String {
    let (ours, theirs) = duplex(most);
    let (mut read, mut write) = split(ours);
    let sender = async {
        // The server may have seen enough before the end.
        let _ = write.write_all(sent).await;
    };
    let reader = async {
        let mut answered = Vec::new();
        read.read_to_end(&mut answered).await.unwrap();
        String::from_utf8_lossy(&answered).into_owned()
    };
    tokio::join!(serve(theirs), sender, reader).2
}

fn statuses(answered: &str) -> Vec<&str> {
    answered
        .match_indices("HTTP/1.")
        .map(|(at, _)| answered[at..].split(' ').nth(1).unwrap_or_default())
        .collect()
}

#[tokio::test]
async fn sound_requests_are_served() {
    let stream = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello\
        POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nbye\r\n0\r\n\r\n\
        GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    let answered = answer(stream).await;
    assert_eq!(statuses(&answered), ["200", "200", "200"]);
    assert!(
        answered.contains("hello") && answered.contains("bye"),
        "{answered}"
    );
}

/// Each of these is what hyper alone would serve, or answer for a reason of its own.
const AMBIGUOUS: [&[u8]; 12] = [
    b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
    b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n",
    b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5, 5\r\n\r\nhello",
    b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    b"POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET / HTTP/1.1\nhost: a\n\n",
    b"GET / HTTP/1.1\r\nhost: a\r\n\n",
    b"GET / HTTP/1.1\r\nhost: a\r\nx: a\r\n b\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length : 0\r\n\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"GET / HTTP/1.1\r\nhost: a/#@x\r\n\r\n",
];

#[tokio::test]
async fn ambiguous_requests_are_answered_400_and_the_connection_is_closed() {
    for stream in AMBIGUOUS {
        let answered = answer(stream).await;
        let shown = String::from_utf8_lossy(stream);
        assert_eq!(statuses(&answered), ["400"], "{shown:?}: {answered}");
    }
}

#[tokio::test]
async fn offence_is_found_however_the_stream_is_cut() {
    for stream in AMBIGUOUS {
        for most in 1..9 {
            let answered = answer_in_pieces(stream, most).await;
            let shown = String::from_utf8_lossy(stream);
            assert_eq!(
                statuses(&answered),
                ["400"],
                "{shown:?} by {most}: {answered}"
            );
        }
    }
}

#[tokio::test]
async fn request_hidden_behind_an_offence_is_not_served() {
    let stream =
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\
        \r\n0\r\n\r\nGET /hidden HTTP/1.1\r\nhost: a\r\n\r\n";
    let answered = answer(stream).await;
    assert_eq!(statuses(&answered), ["400"]);
}

#[tokio::test]
async fn earlier_requests_are_answered_before_the_refusal() {
    let stream = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nfirst\
        GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n";
    let answered = answer(stream).await;
    assert_eq!(statuses(&answered), ["200", "400"], "{answered}");
    assert!(answered.contains("first"));
}

#[tokio::test]
async fn broken_chunk_reaches_the_reader_of_the_body() {
    let head = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    let stream = [&head[..], b"5\r\nhello\r\n5\nworld\r\n0\r\n\r\n"].concat();
    let answered = answer(&stream).await;
    assert_eq!(statuses(&answered), ["400"], "{answered}");
    assert!(
        answered.ends_with("line end other than CR LF"),
        "{answered}"
    );
    let stream = [&head[..], b"5\r\nhelloXX0\r\n\r\n"].concat();
    let answered = answer_in_pieces(&stream, 3).await;
    assert_eq!(statuses(&answered), ["400"], "{answered}");
    assert!(answered.ends_with("malformed chunk"), "{answered}");
}

#[tokio::test]
async fn http2_with_prior_knowledge_is_served() {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let server = async { serve(listener.accept().await.0).await };
    let client = async {
        let stream = TcpStream::connect(listener.address()).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .unwrap();
        let call = async move {
            let request = Request::post("http://a.test/").body(Full::new(Bytes::from("\n\0")));
            let response = sender.send_request(request.unwrap()).await.unwrap();
            response.into_body().collect().await.unwrap().to_bytes()
        };
        let (body, ended) = tokio::join!(call, connection);
        ended.unwrap();
        assert_eq!(body, "\n\0");
    };
    tokio::join!(server, client);
}
