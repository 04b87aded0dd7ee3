//! Answers with a content coding.

use async_compression::Level;
use async_compression::tokio::write::{
    BrotliEncoder, DeflateEncoder, GzipEncoder, ZlibEncoder, ZstdEncoder,
};
use async_compression::zstd::CParameter;
use bytes::Bytes;
use http_body_util::BodyExt;
use net::{Coding, DecodedBody, NetError, Phase};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::stage::{PATIENT, Stage, get};

const TEXT: &str =
    r#"{"choices":[{"message":{"content":"a text that says the same the same the same"}}]}"#;

async fn finished<W>(mut encoder: W, text: &[u8], into: fn(W) -> Vec<u8>) -> Vec<u8>
where
    W: AsyncWrite + Unpin,
{
    encoder.write_all(text).await.unwrap();
    encoder.shutdown().await.unwrap();
    into(encoder)
}

/// `text` in each coding, with the name of the coding.
async fn coded(text: &[u8]) -> Vec<(&'static str, Vec<u8>)> {
    let gzip = finished(GzipEncoder::new(Vec::new()), text, GzipEncoder::into_inner).await;
    vec![
        ("gzip", gzip.clone()),
        ("X-Gzip", gzip),
        (
            "deflate",
            finished(ZlibEncoder::new(Vec::new()), text, ZlibEncoder::into_inner).await,
        ),
        (
            "Deflate",
            finished(
                DeflateEncoder::new(Vec::new()),
                text,
                DeflateEncoder::into_inner,
            )
            .await,
        ),
        (
            "br",
            finished(
                BrotliEncoder::new(Vec::new()),
                text,
                BrotliEncoder::into_inner,
            )
            .await,
        ),
        (
            "zstd",
            finished(ZstdEncoder::new(Vec::new()), text, ZstdEncoder::into_inner).await,
        ),
        ("identity", text.to_vec()),
        ("", text.to_vec()),
    ]
}

/// What a client makes of `body` that comes in pieces of `size` bytes, and how many connections
/// are kept after it.
async fn read(
    coding: &str,
    body: &[u8],
    size: usize,
    limit: usize,
) -> (Result<Option<Bytes>, NetError>, usize) {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let upstream = async {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-encoding: {coding}\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        let mut actor = stage.answer(head).await;
        for piece in body.chunks(size) {
            actor.say(format!("{:x}\r\n", piece.len())).await;
            actor.say(piece).await;
            actor.say("\r\n").await;
        }
        actor.say("0\r\n\r\n").await;
        actor
    };
    let call = async {
        let answer = origin.send(get(), PATIENT).await.unwrap();
        let coding = Coding::of(&answer.head.headers).unwrap();
        let whole = DecodedBody::new(answer.body, coding)
            .read_whole(limit)
            .await;
        (whole, origin.idle_connections())
    };
    let (outcome, _actor) = tokio::join!(call, upstream);
    outcome
}

#[tokio::test]
async fn every_coding_is_taken_off_however_it_is_cut() {
    for (name, body) in coded(TEXT.as_bytes()).await {
        for size in [1, 7, usize::MAX] {
            let (whole, kept) = read(name, &body, size, usize::MAX).await;
            assert_eq!(whole.unwrap().unwrap(), TEXT, "{name} by {size}");
            let is_read_to_its_end = ["gzip", "X-Gzip", "identity", ""].contains(&name);
            assert!(kept == 1 || !is_read_to_its_end, "{name} by {size}");
        }
    }
}

#[tokio::test]
async fn a_coded_body_that_ends_early_is_no_answer() {
    for (name, body) in coded(TEXT.as_bytes()).await {
        if ["identity", ""].contains(&name) {
            continue;
        }
        for length in [1, body.len() / 2, body.len() - 1] {
            let (whole, _) = read(name, &body[..length], usize::MAX, usize::MAX).await;
            let error = whole.expect_err(name);
            assert!(
                matches!(error, NetError::Coding(_)),
                "{name} {length}: {error:?}"
            );
            assert_eq!(
                (error.phase(), error.is_timeout()),
                (Some(Phase::Body), false)
            );
        }
    }
}

#[tokio::test]
async fn bytes_that_were_never_coded_are_no_answer() {
    for name in ["gzip", "deflate", "zstd"] {
        let (whole, _) = read(name, TEXT.as_bytes(), usize::MAX, usize::MAX).await;
        assert!(
            matches!(whole, Err(NetError::Coding(_))),
            "{name}: {whole:?}"
        );
    }
}

#[tokio::test]
async fn zstd_asks_for_no_more_memory_than_it_may() {
    for (log, is_read) in [(23, true), (24, false)] {
        let window = CParameter::window_log(log);
        let encoder = ZstdEncoder::with_quality_and_params(Vec::new(), Level::Default, &[window]);
        let body = finished(encoder, TEXT.as_bytes(), ZstdEncoder::into_inner).await;
        let (whole, _) = read("zstd", &body, usize::MAX, usize::MAX).await;
        assert_eq!(whole.is_ok(), is_read, "{log}: {whole:?}");
    }
}

#[tokio::test]
async fn a_small_body_that_unfolds_to_a_large_one_is_given_up_at_the_limit() {
    for (name, body) in coded(&vec![b' '; 8 << 20]).await {
        if ["identity", ""].contains(&name) {
            continue;
        }
        let (whole, _) = read(name, &body, usize::MAX, 1 << 20).await;
        assert!(whole.unwrap().is_none(), "{name}");
    }
}

#[tokio::test]
async fn what_was_flushed_is_there_before_the_end() {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let (seen, go_on) = tokio::sync::oneshot::channel();
    let upstream = async {
        let mut actor = stage
            .answer("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n")
            .await;
        let mut encoder = GzipEncoder::new(Vec::new());
        encoder.write_all(b"data: one\n\n").await.unwrap();
        encoder.flush().await.unwrap();
        actor.say(std::mem::take(encoder.get_mut())).await;
        go_on.await.unwrap();
        encoder.write_all(b"data: two\n\n").await.unwrap();
        encoder.shutdown().await.unwrap();
        actor.say(encoder.into_inner()).await;
    };
    let call = async {
        let answer = origin.send(get(), PATIENT).await.unwrap();
        let mut body = DecodedBody::new(answer.body, Coding::Gzip);
        let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(first, "data: one\n\n");
        seen.send(()).unwrap();
        assert_eq!(body.collect().await.unwrap().to_bytes(), "data: two\n\n");
    };
    tokio::join!(call, upstream);
}

#[tokio::test]
async fn a_connection_that_breaks_is_not_blamed_on_the_coding() {
    let stage = Stage::open().await;
    let origin = stage.origin();
    let upstream = async {
        stage
            .answer("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 99\r\n\r\n")
            .await;
    };
    let call = async {
        let answer = origin.send(get(), PATIENT).await.unwrap();
        let body = DecodedBody::new(answer.body, Coding::Gzip);
        let error = body.read_whole(usize::MAX).await.unwrap_err();
        assert!(matches!(error, NetError::Lost { .. }), "{error:?}");
    };
    tokio::join!(call, upstream);
}

#[test]
fn codings_that_nobody_knows_are_told_apart() {
    let of = |values: &[&str]| {
        let mut headers = http::HeaderMap::new();
        for value in values {
            headers.append("content-encoding", value.parse().unwrap());
        }
        Coding::of(&headers)
    };
    assert_eq!(of(&[]), Some(Coding::Identity));
    assert_eq!(of(&["GZIP"]), Some(Coding::Gzip));
    assert_eq!(of(&["compress"]), None);
    assert_eq!(of(&["gzip, br"]), None);
    assert_eq!(of(&["gzip", "br"]), None);
}
