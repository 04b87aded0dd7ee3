//! The gateway on real sockets.

mod drain;
mod forward;
mod http1;
mod http2;
mod leaving;
mod log;
mod panics;
mod phases;
mod plugins;
mod secrets;
mod snapshots;
mod support;
mod tls;
