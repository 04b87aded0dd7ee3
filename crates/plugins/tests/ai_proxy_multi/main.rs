//! `ai-proxy-multi` against simulated providers: who is asked, what a failure leads to, what is
//! recorded of it.

mod algorithms;
mod breaker;
mod fallback;
mod faults;
mod health;
mod opening;
mod pick;
mod semantic;
mod stage;
#[path = "../support/mod.rs"]
mod support;
mod timeouts;
mod trail;
mod wait;
