//! Faults of a stream before its first content.

use simulator::{Behaviour, Place};

use super::Said::{Gateway, Report, Upstream, UpstreamWithWait};
use super::{
    OPENING, REPORT, STREAM, breaks_tls, broken_off, cells, cut, empty, garbage, has_no_address,
    limited_for, refuses, reset, stall, status, takes_no_connection, zip_cut_off, zip_without_end,
};

const EVENTS: &str = "text/event-stream";

cells! { STREAM;
    refused: refuses() => 500 "connect" "provider", Gateway;
    tls_that_fails: breaks_tls().await => 500 "tls" "provider", Gateway;
    no_address: has_no_address() => 500 "resolve" "provider", Gateway;
    no_connection_in_time: takes_no_connection().await => 504 "timeout" "provider", Gateway;
    cut_before_the_head: cut(Place::Head) => 500 "cut" "provider", Gateway;
    reset_before_the_head: reset(Place::Head) => 500 "cut" "provider", Gateway;
    stall_before_the_head: stall(Place::Head) => 504 "timeout" "provider", Gateway;
    cut_before_the_body: cut(Place::Bytes(0)) => 200 "cut" "provider", Gateway;
    reset_before_the_body: reset(Place::Bytes(0)) => 200 "cut" "provider", Gateway;
    stall_before_the_body: stall(Place::Bytes(0)) => 200 "timeout" "provider", Gateway;
    cut_before_content: broken_off(&[OPENING], cut) => 200 "cut" "provider", Gateway;
    reset_before_content: broken_off(&[OPENING], reset) => 200 "cut" "provider", Gateway;
    stall_before_content: broken_off(&[OPENING], stall) => 200 "timeout" "provider", Gateway;
    unauthorized: status(401) => 401 "status" "key", Upstream;
    payment_required: status(402) => 402 "status" "key", Upstream;
    forbidden: status(403) => 403 "status" "key", Upstream;
    too_many_requests: status(429) => 429 "status" "key", Upstream;
    too_many_requests_with_a_wait: limited_for("7") => 429 "status" "key", UpstreamWithWait;
    internal_error: status(500) => 500 "status" "provider", Upstream;
    bad_gateway: status(502) => 502 "status" "provider", Upstream;
    unavailable: status(503) => 503 "status" "provider", Upstream;
    garbage_: garbage() => 200 "no_content" "provider", Gateway;
    no_event: empty() => 200 "no_content" "provider", Gateway;
    nothing_but_the_end: Behaviour::events(["data: [DONE]\n\n"])
        => 200 "no_content" "provider", Gateway;
    an_end_without_content: Behaviour::events([OPENING]) => 200 "no_content" "provider", Gateway;
    an_error_event_first: Behaviour::events([REPORT]) => 200 "error_event" "provider", Report;
    an_error_event_after_the_opening: Behaviour::events([OPENING, REPORT])
        => 200 "error_event" "provider", Report;
    gzip_cut_off: zip_cut_off(OPENING, EVENTS) => 200 "cut" "provider", Gateway;
    gzip_without_an_end: zip_without_end(OPENING, EVENTS)
        => 200 "coding" "provider", Gateway;
}
