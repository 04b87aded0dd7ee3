use bytes::Bytes;

use super::Scan;
use crate::json::Kind;

fn scan(text: &'static str) -> Scan {
    Scan::new(Bytes::from_static(text.as_bytes())).unwrap()
}

#[test]
fn members_are_found_where_they_stand() {
    let scan = scan(" {\"model\" : \"m\",\n \"n\":1.0, \"messages\":[{}] } ");
    let members: Vec<_> = scan
        .members()
        .map(|(name, value)| (name.into_owned(), value.as_text()))
        .collect();
    let expected = [("model", "\"m\""), ("n", "1.0"), ("messages", "[{}]")];
    assert_eq!(
        members,
        expected.map(|(name, value)| (name.to_owned(), value))
    );
}

#[test]
fn the_body_is_kept_by_reference() {
    let body = Bytes::from_static(b"{\"a\":1}");
    let scan = Scan::new(body.clone()).unwrap();
    assert_eq!(scan.bytes().as_ptr(), body.as_ptr());
}

#[test]
fn the_last_of_repeated_members_counts() {
    assert_eq!(scan(r#"{"a":1,"a":2}"#).get("a").unwrap().u64(), Some(2));
}

#[test]
fn names_are_compared_unescaped() {
    assert_eq!(
        scan(r#"{"mod\u0065l":1}"#).get("model").unwrap().u64(),
        Some(1)
    );
}

#[test]
fn a_name_with_half_a_surrogate_pair_is_a_name() {
    assert_eq!(
        scan(r#"{"\ud83d":1}"#).get("\u{fffd}").unwrap().u64(),
        Some(1)
    );
}

#[test]
fn roots_of_every_kind_are_taken() {
    assert_eq!(scan(" [1] ").kind(), Kind::Array);
    assert_eq!(scan("null").kind(), Kind::Null);
    assert_eq!(scan(" \"a\"\n").root().str().unwrap(), "a");
    assert!(scan("{ }").is_empty());
    assert!(!scan("0").is_empty());
    assert!(scan("[{\"a\":1}]").get("a").is_none());
}

#[test]
fn faults_name_their_position() {
    let fault = Scan::new(Bytes::from_static(b"{\"a\": 1,\n \"b\" 2}")).unwrap_err();
    assert_eq!((fault.line(), fault.column()), (2, 6));
    assert_eq!(fault.to_string(), "expected `:` at line 2 column 6");
}

#[test]
fn text_after_the_value_is_a_fault() {
    assert!(Scan::new(Bytes::from_static(b"{} x")).is_err());
    assert!(Scan::new(Bytes::from_static(b"[] []")).is_err());
}

#[test]
fn bytes_that_are_not_utf_8_are_a_fault() {
    assert!(Scan::new(Bytes::from_static(b"{\"a\":\"\xff\"}")).is_err());
    assert!(Scan::new(Bytes::from_static(b"{\"\xff\":1}")).is_err());
    assert!(Scan::new(Bytes::from_static(b"[\"\xff\"]")).is_err());
}

#[test]
fn deep_nesting_does_not_exhaust_the_stack() {
    let text = format!("{{\"a\":{}1{}}}", "[".repeat(200_000), "]".repeat(200_000));
    let scan = Scan::new(Bytes::from(text)).unwrap();
    assert_eq!(scan.get("a").unwrap().items().count(), 1);
}
