use super::super::Raw;
use super::{Token, Tokens};

fn tokens(text: &str) -> Tokens<'_> {
    Raw::parse(text.as_bytes()).expect("JSON").tokens()
}

fn told(tokens: Tokens<'_>) -> Vec<String> {
    let one = |token| match token {
        Token::Open => "open".to_owned(),
        Token::Close => "close".to_owned(),
        Token::Name(name) => format!("{}:", name.as_text()),
        Token::Scalar(value) => value.as_text().to_owned(),
    };
    tokens.map(one).collect()
}

#[test]
fn all_parts_are_told_in_order() {
    let text = " { \"a\" : [ 1 , \"b:\\\"\" , null ] , \"c\":{}, \"d\":\"e\" } ";
    let parts = [
        "\"a\":",
        "open",
        "1",
        "\"b:\\\"\"",
        "null",
        "close",
        "\"c\":",
        "open",
        "close",
        "\"d\":",
        "\"e\"",
    ];
    let parts = ["open"].into_iter().chain(parts).chain(["close"]);
    assert_eq!(told(tokens(text)), parts.collect::<Vec<_>>());
    assert_eq!(told(tokens("-1.5e3")), ["-1.5e3"]);
    assert_eq!(told(tokens("\"s\"")), ["\"s\""]);
}

#[test]
fn values_are_passed_over_whole() {
    let mut parts = tokens(r#"{"a": {"b": [1]} , "c": [ 2, {"d": 3} ], "e": "f"}"#);
    assert!(matches!(parts.next(), Some(Token::Open)));
    assert!(matches!(parts.next(), Some(Token::Name(name)) if name.is_str("a")));
    assert_eq!(parts.value().as_text(), r#"{"b": [1]}"#);
    assert!(matches!(parts.next(), Some(Token::Name(name)) if name.is_str("c")));
    assert!(matches!(parts.next(), Some(Token::Open)));
    assert_eq!(parts.whole().as_text(), r#"[ 2, {"d": 3} ]"#);
    assert_eq!(told(parts), ["\"e\":", "\"f\"", "close"]);
}

#[test]
fn a_walk_over_what_is_no_json_ends() {
    for text in ["{\"a\":", "[[[", "\"a", "}{:,", "\\", "{\"a\" \"b\":c d"] {
        assert!(Tokens::new(text.as_bytes()).count() <= text.len(), "{text}");
        let mut parts = Tokens::new(text.as_bytes());
        while parts.next().is_some() {
            parts.value();
        }
        let mut parts = Tokens::new(text.as_bytes());
        while parts.next().is_some() {
            parts.whole();
        }
    }
}
