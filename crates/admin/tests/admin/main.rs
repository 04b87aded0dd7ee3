//! The operators' listeners on real sockets.

#![cfg(test)]

mod access;
mod bodies;
mod configs;
mod control;
mod envelopes;
mod identity;
mod lists;
mod patches;
mod read_only;
mod refusals;
mod schemas;
mod server;
mod support;
mod wording;
mod writes;
