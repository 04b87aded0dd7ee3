//! Faults of a stream after its first content: they are shown, and nobody else is asked.

use plugin::RelayError::{UpstreamCut, UpstreamStalled};
use simulator::Behaviour;

use super::{
    CONTENT, OPENING, REPORT, broken_off, cut, reset, shown, stall, zip_cut_off, zip_without_end,
};

const BEGUN: [&str; 2] = [OPENING, CONTENT];
const PROVIDER: Option<&str> = Some("provider");

#[tokio::test]
async fn cut_after_content() {
    let fault = broken_off(&BEGUN, cut);
    shown(fault, Some(UpstreamCut), "upstream_cut", PROVIDER).await;
}

#[tokio::test]
async fn reset_after_content() {
    let fault = broken_off(&BEGUN, reset);
    shown(fault, Some(UpstreamCut), "upstream_cut", PROVIDER).await;
}

#[tokio::test]
async fn stall_after_content() {
    let fault = broken_off(&BEGUN, stall);
    shown(fault, Some(UpstreamStalled), "read_error", PROVIDER).await;
}

#[tokio::test]
async fn an_error_event_after_content() {
    let fault = Behaviour::events([OPENING, CONTENT, REPORT]);
    shown(fault, None, "error_event", PROVIDER).await;
}

#[tokio::test]
async fn garbage_after_content() {
    let fault = Behaviour::events([OPENING, CONTENT, "\0\u{1}garbage"]);
    shown(fault, None, "complete", None).await;
}

#[tokio::test]
async fn no_end_mark_after_content() {
    let fault = Behaviour::events(BEGUN);
    shown(fault, None, "complete", None).await;
}

#[tokio::test]
async fn gzip_cut_off_after_content() {
    let fault = zip_cut_off(&BEGUN.concat(), "text/event-stream");
    shown(fault, Some(UpstreamCut), "upstream_cut", PROVIDER).await;
}

#[tokio::test]
async fn gzip_without_an_end_after_content() {
    let fault = zip_without_end(&BEGUN.concat(), "text/event-stream");
    shown(fault, Some(UpstreamCut), "read_error", PROVIDER).await;
}
