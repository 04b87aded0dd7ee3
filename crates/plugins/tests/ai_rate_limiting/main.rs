//! `ai-rate-limiting` with the plugins that choose instances, against simulated providers: who is let
//! in, what is charged, what the client is told, and whom `ai-proxy-multi` passes over.

mod charges;
#[path = "../ai_proxy_multi/heard.rs"]
#[expect(dead_code, reason = "lines are counted here")]
mod heard;
mod limits;
mod probes;
mod rules;
mod stage;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "whole chains are asked here, not single plugins")]
mod support;
