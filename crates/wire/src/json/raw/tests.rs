use super::{Kind, Raw};

fn raw(text: &str) -> Raw<'_> {
    Raw::parse(text.as_bytes()).unwrap()
}

#[test]
fn kinds_follow_the_first_byte() {
    let kinds = [
        ("{}", Kind::Object),
        ("[]", Kind::Array),
        ("\"\"", Kind::String),
        ("-1", Kind::Number),
        ("false", Kind::Bool),
        (" null ", Kind::Null),
    ];
    for (text, kind) in kinds {
        assert_eq!(raw(text).kind(), kind, "{text}");
    }
}

#[test]
fn strings_are_borrowed_until_there_is_something_to_unescape() {
    assert!(matches!(
        raw(r#""plain ü""#).str(),
        Some(std::borrow::Cow::Borrowed("plain ü"))
    ));
    assert_eq!(
        raw(r#""a\n\u00e9\ud83d\ude00\/""#).str().unwrap(),
        "a\né😀/"
    );
}

#[test]
fn half_a_surrogate_pair_becomes_a_replacement_character() {
    assert_eq!(raw(r#""a\ud83d""#).str().unwrap(), "a\u{fffd}");
    assert_eq!(raw(r#""\ude00b""#).str().unwrap(), "\u{fffd}b");
    assert_eq!(raw(r#""\ud83d\u0041""#).str().unwrap(), "\u{fffd}A");
}

#[test]
fn a_string_is_itself_in_any_spelling() {
    for (text, is_type) in [
        (r#""type""#, true),
        (r#""\u0074ype""#, true),
        (r#""typ\u0065""#, true),
        (r#""typ""#, false),
        (r#""types""#, false),
        (r#""type\u0065""#, false),
        (r#""typ\u0066""#, false),
        (r#""typ\\e""#, false),
        (r#""tape""#, false),
        (r#""""#, false),
        ("type", false),
    ] {
        assert_eq!(
            Raw::trusted(text.as_bytes()).is_str("type"),
            is_type,
            "{text}"
        );
    }
    assert!(raw(r#""""#).is_str(""));
    assert!(raw(r#""a\\b""#).is_str("a\\b"));
    assert!(!raw(r#""a\nb""#).is_str("a\\nb"));
}

#[test]
fn other_kinds_are_no_strings() {
    assert_eq!(raw("12").str(), None);
    let mut out = String::from("kept");
    assert!(!raw("{}").push_str(&mut out));
    assert!(raw(r#"" too""#).push_str(&mut out));
    assert_eq!(out, "kept too");
}

#[test]
fn numbers_are_read_from_their_token() {
    assert_eq!(raw("18446744073709551615").u64(), Some(u64::MAX));
    assert_eq!(raw("18446744073709551616").u64(), None);
    assert_eq!(raw("-1").u64(), None);
    assert_eq!(raw("1.5").u64(), None);
    assert_eq!(raw("1.5e1").f64(), Some(15.0));
    assert_eq!(raw("\"1\"").u64(), None);
}

#[test]
fn the_last_of_repeated_members_counts() {
    let object = raw(r#"{"a": 1, "b": {"a": 3}, "\u0061": 2}"#);
    assert_eq!(object.get("a").unwrap().as_text(), "2");
    assert_eq!(object.get("b").unwrap().get("a").unwrap().u64(), Some(3));
    assert!(object.get("c").is_none());
    assert!(raw("[1]").get("a").is_none());
}

#[test]
fn items_keep_their_text() {
    let items: Vec<_> = raw(r#"[ 1.0 ,"a]", [ ] ,{"b":[2]}]"#)
        .items()
        .map(Raw::as_text)
        .collect();
    assert_eq!(items, ["1.0", "\"a]\"", "[ ]", "{\"b\":[2]}"]);
    assert_eq!(raw("{}").items().count(), 0);
}

#[test]
fn emptiness_is_for_containers_only() {
    assert!(raw("{ }").is_empty());
    assert!(raw("[\n]").is_empty());
    assert!(!raw("[0]").is_empty());
    assert!(!raw("\"\"").is_empty());
}

#[test]
fn what_is_not_one_value_is_refused() {
    for text in ["", " ", "{", "[1,]", "{} {}", "\"a", "nul", "{\"a\"}"] {
        assert!(Raw::parse(text.as_bytes()).is_err(), "{text}");
    }
}
