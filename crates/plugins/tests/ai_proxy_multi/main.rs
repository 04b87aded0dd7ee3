//! `ai-proxy-multi` against simulated providers: who is asked, what a failure leads to, what is
//! recorded of it.

mod addresses;
mod algorithms;
mod answers;
mod breaker;
mod counted;
mod fallback;
mod faults;
mod health;
mod heard;
mod opening;
mod pick;
mod probes;
mod secrets;
mod semantic;
mod stage;
#[path = "../support/mod.rs"]
mod support;
mod timeouts;
mod trail;
mod wait;
