//! What is said to language models, and by whom: dialects, providers, usage, the exchange record.
//!
//! Everything here is pure: bytes and plain values in, plain values out. The crate knows what a
//! request and an answer of each [`Dialect`] look like and which [`Provider`] speaks it where. It
//! does not know sockets, configuration resources, or plugins.
//!
//! ```
//! use llm::{Dialect, Provider, bridge, dialect};
//! use wire::json::Scan;
//!
//! let body = Scan::new(r#"{"model": "m", "messages": []}"#.into())?;
//! let dialect = dialect::detect("/v1/chat/completions", &body);
//! assert_eq!(dialect, Some(Dialect::OpenAiChat));
//!
//! let deepseek = Provider::find("deepseek").ok_or("no such provider")?;
//! let bridge = bridge::route(Dialect::OpenAiChat, deepseek)?;
//! assert_eq!(bridge.path(), Some("/chat/completions"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod bridge;
pub mod dialect;
mod dialects;
pub mod exchange;
pub mod prompt;
pub mod protocol;
pub mod provider;
mod providers;
pub mod usage;

pub use dialect::Dialect;
pub use exchange::{Ended, Exchange, Ranking};
pub use protocol::{EventReader, Protocol, Reading, RequestFacts, StreamReading, Want};
pub use provider::{Ability, Origin, Place, Provider, TokenCap};
pub use providers::PROVIDERS;
pub use usage::{RawUsage, Usage};
