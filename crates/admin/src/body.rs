//! Request bodies, read whole within limits of size and time.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, EXPECT};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use crate::reply::Reply;

/// The largest body that is taken, in bytes, as in APISIX.
pub(crate) const LARGEST: usize = 1_572_864;

/// How much of a body that is too large is still read, so that its sender sees the answer instead
/// of a connection reset.
const DRAINED: usize = 64 << 20;

/// How long a body may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads a body, or tells why not.
pub(crate) async fn read(headers: &HeaderMap, body: Incoming) -> Result<Bytes, Reply> {
    let announced = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if let Some(size) = announced.filter(|size| *size > LARGEST)
        && headers.contains_key(EXPECT)
    {
        // the sender waits for a word before it sends, and gets this one
        return Err(too_large(size));
    }
    let reading = collect(body, announced);
    tokio::time::timeout(PATIENCE, reading)
        .await
        .unwrap_or_else(|_| {
            Err(Reply::error(
                StatusCode::REQUEST_TIMEOUT,
                format!(
                    "invalid request body: not complete after {} seconds",
                    PATIENCE.as_secs()
                ),
            ))
        })
}

async fn collect(mut body: Incoming, announced: Option<usize>) -> Result<Bytes, Reply> {
    let mut kept = BytesMut::new();
    let mut size = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Reply::error(
                StatusCode::BAD_REQUEST,
                format!("invalid request body: {error}"),
            )
        })?;
        let Some(piece) = frame.data_ref() else {
            continue;
        };
        size += piece.len();
        if size > DRAINED {
            break;
        }
        if size <= LARGEST {
            kept.extend_from_slice(piece);
        }
    }
    match size {
        0..=LARGEST => Ok(kept.freeze()),
        _ => Err(too_large(announced.unwrap_or(size))),
    }
}

fn too_large(size: usize) -> Reply {
    Reply::error(
        StatusCode::BAD_REQUEST,
        format!(
            "invalid request body: request size {size} is greater than the maximum size {LARGEST} \
             allowed"
        ),
    )
}
