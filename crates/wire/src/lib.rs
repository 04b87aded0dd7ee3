//! Bytes and the structures inside them: JSON member ranges and edits, SSE events, percent-coding.
//!
//! The crate does no I/O and nothing asynchronous, and knows neither HTTP nor any provider. Its
//! types keep the sender's bytes: a [`json::Scan`] records where things are, a set of
//! [`json::Edits`] is spliced into them, and an [`sse::SseDecoder`] reads a stream on the side while
//! somebody else relays it.
//!
//! ```
//! use wire::json::{Edits, Scan};
//!
//! let scan = Scan::new(r#"{"model": "small", "temperature": 1.0}"#.into())?;
//! let mut edits = Edits::new();
//! edits.set("model", r#""large""#);
//! assert_eq!(edits.apply(&scan), r#"{"model": "large", "temperature": 1.0}"#);
//! # Ok::<(), wire::json::JsonError>(())
//! ```

pub mod json;
pub mod percent;
pub mod sse;
