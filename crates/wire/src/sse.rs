//! Server-sent events: a decoder that reads a byte stream on the side, and an encoder.

mod block;
mod decoder;
mod encode;

pub use block::Event;
pub use decoder::SseDecoder;
pub use encode::encode;
