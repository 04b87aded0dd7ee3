use std::time::{Duration, SystemTime};

use http::{HeaderMap, StatusCode};
use plugin::Attempt;

use super::{Blame, retry_after};

fn of(status: u16, body: &str, has_key: bool) -> Option<Blame> {
    let status = StatusCode::from_u16(status).expect("a status");
    Blame::of_status(status, body.as_bytes(), has_key)
}

#[test]
fn statuses_are_laid_at_somebodys_door() {
    for status in [401, 402, 403, 429] {
        assert_eq!(of(status, "{}", true), Some(Blame::Key), "{status}");
        assert_eq!(of(status, "{}", false), Some(Blame::Client), "{status}");
    }
    for status in [408, 500, 502, 503, 504, 529] {
        assert_eq!(of(status, "{}", true), Some(Blame::Provider), "{status}");
    }
    for status in [400, 404, 409, 413, 422] {
        assert_eq!(of(status, "{}", true), Some(Blame::Client), "{status}");
    }
    assert_eq!(of(200, "context_length_exceeded", true), None);
}

#[test]
fn a_conversation_that_is_too_long_is_nobody_elses_fault() {
    for (status, body) in [
        (400, r#"{"error":{"code":"context_length_exceeded"}}"#),
        (413, r#"{"error":{"message":"prompt is too long: 9 > 8"}}"#),
        (
            500,
            "This model's maximum context length is 8192 tokens, you asked for more",
        ),
    ] {
        assert_eq!(of(status, body, true), Some(Blame::ContextLength), "{body}");
    }
}

#[test]
fn refused_content_is_not_a_refused_key() {
    let body = r#"{"error":{"code":403,"message":"Your input was flagged"}}"#;
    assert_eq!(of(403, body, true), Some(Blame::Client));
}

#[test]
fn ends_without_a_status_are_the_providers() {
    let of = |ended: &'static str, body: &str| {
        let attempt = Attempt {
            status: Some(200),
            ended,
            ..Attempt::default()
        };
        Blame::of_attempt(&attempt, body.as_bytes(), true)
    };
    for ended in ["connect", "timeout", "cut", "no_content", "upstream_cut"] {
        assert_eq!(of(ended, ""), Some(Blame::Provider), "{ended}");
    }
    assert_eq!(of("error_event", "{}"), Some(Blame::Provider));
    assert_eq!(
        of("error_event", r#"{"code":"context_length_exceeded"}"#),
        Some(Blame::ContextLength)
    );
    assert_eq!(of("credential", ""), Some(Blame::Key));
    for ended in ["complete", "client_disconnect", "max_response_bytes"] {
        assert_eq!(of(ended, ""), None, "{ended}");
    }
}

#[test]
fn an_answer_that_has_begun_is_judged_by_its_status() {
    for (status, blame) in [
        (401, Some(Blame::Key)),
        (500, Some(Blame::Provider)),
        (200, None),
    ] {
        let attempt = Attempt {
            status: Some(status),
            ..Attempt::default()
        };
        assert_eq!(Blame::of_attempt(&attempt, b"", true), blame, "{status}");
    }
}

#[test]
fn reports_in_a_stream_are_the_providers_unless_they_speak_of_length() {
    let report = |data: &str| Blame::of_report(data.as_bytes());
    assert_eq!(
        report(r#"{"error":{"message":"overloaded"}}"#),
        Blame::Provider
    );
    let long = r#"{"error":{"message":"prompt is too long: 9 > 8"}}"#;
    assert_eq!(report(long), Blame::ContextLength);
}

#[test]
fn waits_are_read_in_every_form() {
    let read = |pairs: &[(&'static str, &str)]| {
        let pairs = pairs.iter().map(|(name, value)| {
            let name = http::HeaderName::from_static(name);
            (name, value.parse().expect("a header value"))
        });
        retry_after(&pairs.collect::<HeaderMap>())
    };
    assert_eq!(read(&[]), None);
    assert_eq!(read(&[("retry-after", "7")]), Some(Duration::from_secs(7)));
    assert_eq!(
        read(&[("retry-after", "7"), ("retry-after-ms", "1500")]),
        Some(Duration::from_millis(1500))
    );
    for odd in ["-1", "soon", "", "NaN", "1e300"] {
        assert_eq!(read(&[("retry-after", odd)]), None, "{odd}");
    }
    let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_hours(1));
    let wait = read(&[("retry-after", &date)]).expect("a wait");
    assert!(wait > Duration::from_mins(50) && wait <= Duration::from_hours(1));
    let past = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH);
    assert_eq!(read(&[("retry-after", &past)]), None);
}
