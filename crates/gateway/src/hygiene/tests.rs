use http::{HeaderMap, HeaderName, HeaderValue};

use super::strip_hop_by_hop;

fn stripped(pairs: &[(&'static str, &'static str)]) -> Vec<String> {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    strip_hop_by_hop(&mut headers);
    headers.keys().map(ToString::to_string).collect()
}

#[test]
fn what_concerns_the_connection_goes() {
    let left = stripped(&[
        ("connection", "keep-alive, X-Secret-Hop"),
        ("connection", "other-hop"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "close"),
        ("te", "trailers"),
        ("trailer", "x-sum"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "websocket"),
        ("expect", "100-continue"),
        ("x-secret-hop", "1"),
        ("other-hop", "2"),
        ("accept", "*/*"),
    ]);
    assert_eq!(left, ["accept"]);
}

#[test]
fn nobody_can_name_away_what_others_rely_on() {
    let left = stripped(&[
        (
            "connection",
            "host, content-length, authorization, x-forwarded-for",
        ),
        ("host", "a"),
        ("content-length", "3"),
        ("authorization", "b"),
        ("x-forwarded-for", "192.0.2.1"),
    ]);
    assert_eq!(left.len(), 4, "{left:?}");
}
