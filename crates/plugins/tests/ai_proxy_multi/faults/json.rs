//! Faults of an answer in one piece.

use simulator::{Behaviour, Place};

use super::Said::{Gateway, Report, Upstream, UpstreamWithWait};
use super::{
    CHAT, OPENING, REPORT, breaks_tls, cells, cut, empty, garbage, has_no_address, limited_for,
    refuses, reset, stall, status, takes_no_connection, zip_cut_off, zip_without_end,
};

const JSON: &str = "application/json";
/// An answer that would do.
const WHOLE: &str = r#"{"choices":[{"index":0,"message":{"role":"assistant","content":"Ah"}}]}"#;

cells! { CHAT;
    refused: refuses() => 500 "connect" "provider", Gateway;
    tls_that_fails: breaks_tls().await => 500 "tls" "provider", Gateway;
    no_address: has_no_address() => 500 "resolve" "provider", Gateway;
    no_connection_in_time: takes_no_connection().await => 504 "timeout" "provider", Gateway;
    cut_before_the_head: cut(Place::Head) => 500 "cut" "provider", Gateway;
    reset_before_the_head: reset(Place::Head) => 500 "cut" "provider", Gateway;
    stall_before_the_head: stall(Place::Head) => 504 "timeout" "provider", Gateway;
    cut_before_the_body: cut(Place::Bytes(0)) => 200 "cut" "provider", Gateway;
    stall_before_the_body: stall(Place::Bytes(0)) => 200 "timeout" "provider", Gateway;
    cut_in_the_body: cut(Place::Bytes(20)) => 200 "cut" "provider", Gateway;
    reset_in_the_body: reset(Place::Bytes(20)) => 200 "cut" "provider", Gateway;
    stall_in_the_body: stall(Place::Bytes(20)) => 200 "timeout" "provider", Gateway;
    unauthorized: status(401) => 401 "status" "key", Upstream;
    payment_required: status(402) => 402 "status" "key", Upstream;
    forbidden: status(403) => 403 "status" "key", Upstream;
    too_many_requests: status(429) => 429 "status" "key", Upstream;
    too_many_requests_with_a_wait: limited_for("7") => 429 "status" "key", UpstreamWithWait;
    internal_error: status(500) => 500 "status" "provider", Upstream;
    bad_gateway: status(502) => 502 "status" "provider", Upstream;
    unavailable: status(503) => 503 "status" "provider", Upstream;
    garbage_: garbage() => 200 "not_json" "provider", Gateway;
    no_body: empty() => 200 "not_json" "provider", Gateway;
    a_stream_without_events: Behaviour::events([""; 0]) => 200 "no_content" "provider", Gateway;
    a_stream_with_an_error_event: Behaviour::events([OPENING, REPORT])
        => 200 "error_event" "provider", Report;
    gzip_cut_off: zip_cut_off(WHOLE, JSON) => 200 "cut" "provider", Gateway;
    gzip_without_an_end: zip_without_end(WHOLE, JSON) => 200 "coding" "provider", Gateway;
}
