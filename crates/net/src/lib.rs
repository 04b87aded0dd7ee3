//! Sockets, and what may be said about them: connecting, pooling, TLS, listening, guarding, picking.
//!
//! Knows TCP, TLS, DNS and the framing of HTTP/1.1. Does not know what the requests are about,
//! which plugin asked for them, or where the configuration came from.
//!
//! The upstream side turns on one rule: *the task that waits for the answer is the task that reads
//! the socket*. A call owns its connection and polls it; no task or channel stands between the two
//! sockets of a relay. Dropping a call, or the body it answered with, closes the socket at once.
//!
//! ```no_run
//! use std::{sync::Arc, time::Duration};
//! use net::{Origin, OriginSettings, RequestBody, Scheme, Timeouts};
//!
//! # async fn example() -> Result<(), net::NetError> {
//! let origin = Origin::new(OriginSettings::new(Scheme::Http, Arc::from("127.0.0.1"), 8080))?;
//! let request = http::Request::post("/v1/chat/completions")
//!     .body(RequestBody::Full("{}".into()))
//!     .expect("a valid request");
//! let answer = origin.send(request, Timeouts::all(Duration::from_secs(30))).await?;
//! assert!(answer.head.status.is_success());
//! # Ok(())
//! # }
//! ```

mod answer;
mod bell;
mod client;
mod connect;
pub mod deadline;
mod decoded;
pub mod dns;
mod error;
pub mod health;
pub mod listen;
mod lots;
mod origin;
mod peers;
pub mod pick;
mod pool;
mod request_body;
mod resend;
mod socket;
mod stall;
pub mod strict;
pub mod tls;

pub use answer::{Answer, AnswerBody};
pub use client::Contact;
pub use decoded::{CodedBody, Coding, DecodedBody};
pub use error::{BodyError, NetError, Phase};
pub use origin::{KeepAlive, Origin, OriginSettings, Scheme, Timeouts};
pub use peers::{Peer, Peers};
pub use request_body::RequestBody;
