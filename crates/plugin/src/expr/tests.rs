use serde_json::{Value, json};

use super::Expr;
use crate::Ctx;
use crate::sample::{exchange, get, post, with_header};

fn request() -> Ctx {
    let ctx = with_header(get("/v1/chat?n=5&hex=0x10&name=Jack"), "x-team", "blue");
    with_header(ctx, "accept", "a, b")
}

fn matches(expression: &Value, mut ctx: Ctx) -> bool {
    Expr::compile(expression).unwrap().matches(&mut ctx)
}

#[test]
fn every_operator() {
    let table = [
        (json!(["arg_n", "==", "5"]), true),
        (json!(["arg_n", "==", 5]), true),
        (json!(["arg_n", "==", 5.0]), true),
        (json!(["arg_hex", "==", 16]), true),
        (json!(["arg_n", "==", "5.0"]), false),
        (json!(["arg_name", "==", 5]), false),
        (json!(["arg_name", "==", "jack"]), false),
        (json!(["arg_absent", "==", null]), true),
        (json!(["arg_n", "==", null]), false),
        (json!(["arg_absent", "==", "x"]), false),
        (json!(["arg_n", "5"]), true),
        (json!(["arg_n", 5]), true),
        (json!(["arg_n", "~=", "6"]), true),
        (json!(["arg_n", "~=", 5]), false),
        (json!(["arg_name", "~=", 5]), true),
        (json!(["arg_absent", "~=", "x"]), true),
        (json!(["arg_n", "~="]), true),
        (json!(["arg_absent", "~="]), false),
        (json!(["arg_n", ">", 4]), true),
        (json!(["arg_n", ">", "4"]), true),
        (json!(["arg_n", ">", 5]), false),
        (json!(["arg_n", ">=", 5]), true),
        (json!(["arg_n", "<", 6]), true),
        (json!(["arg_n", "<=", 4]), false),
        (json!(["arg_name", "<", 6]), false),
        (json!(["arg_absent", "<", 6]), false),
        (json!(["arg_n", "<", "x"]), false),
        (json!(["uri", "~~", "^/v[0-9]/"]), true),
        (json!(["arg_name", "~~", "^jack$"]), false),
        (json!(["arg_name", "~*", "^jack$"]), true),
        (json!(["arg_name", "~~", "^(?!Jill)"]), true),
        (json!(["arg_absent", "~~", ".*"]), false),
        (json!(["arg_name", "in", ["Jill", "Jack"]]), true),
        (json!(["arg_name", "IN", ["Jack"]]), true),
        (json!(["arg_n", "in", [5]]), false),
        (json!(["arg_name", "in", "Jack"]), false),
        (json!(["http_accept", "has", "a"]), false),
        (json!(["remote_addr", "ipmatch", ["192.0.2.0/24"]]), true),
        (json!(["remote_addr", "ipmatch", ["192.0.2.7"]]), true),
        (json!(["remote_addr", "ipmatch", "192.0.2.7"]), true),
        (
            json!(["remote_addr", "ipmatch", ["10.0.0.0/8", "::/0"]]),
            false,
        ),
        (json!(["arg_name", "ipmatch", ["0.0.0.0/0"]]), false),
        (json!(["arg_n", "!", "==", "5"]), false),
        (json!(["arg_name", "!", "in", ["Jill"]]), true),
        (json!(["arg_absent", "!", "~~", "x"]), true),
    ];
    for (term, expected) in table {
        assert_eq!(matches(&json!([term]), request()), expected, "{term}");
    }
}

#[test]
fn operators_on_json_bodies() {
    let ctx = || {
        post(
            "application/json",
            r#"{"model":"m1","n":3,"tags":["a",1],"messages":[{"content":"x"},{"content":"y"}]}"#,
        )
    };
    let table = [
        (json!(["post_arg.model", "==", "m1"]), true),
        (json!(["post_arg.n", "==", 3]), true),
        (json!(["post_arg.n", "==", "3"]), true),
        (json!(["post_arg.n", "in", [3]]), true),
        (json!(["post_arg.tags", "has", "a"]), true),
        (json!(["post_arg.tags", "has", 1]), true),
        (json!(["post_arg.tags", "has", "b"]), false),
        (json!(["post_arg.tags", "==", ["a", 1]]), false),
        (json!(["post_arg.messages[*].content", "has", "y"]), true),
    ];
    for (term, expected) in table {
        assert_eq!(matches(&json!([term]), ctx()), expected, "{term}");
    }
}

#[test]
fn numbers_known_as_such_equal_number_and_text() {
    let with_tokens = || {
        let mut ctx = request();
        ctx.exchange = Some(Box::new(exchange()));
        ctx
    };
    for right in [json!(15), json!("15"), json!(15.0)] {
        let term = json!([["llm_total_tokens", "==", right]]);
        assert!(matches(&term, with_tokens()), "{term}");
    }
    assert!(matches(
        &json!([["llm_total_tokens", "in", [15]]]),
        with_tokens()
    ));
    assert!(matches(
        &json!([["llm_total_tokens", "~~", "^1"]]),
        with_tokens()
    ));
}

#[test]
fn groups_join_and_negate() {
    let yes = json!(["arg_n", "==", "5"]);
    let no = json!(["arg_n", "==", "6"]);
    let table = [
        (json!([]), true),
        (json!([yes, yes]), true),
        (json!([yes, no]), false),
        (json!(["AND", yes, no]), false),
        (json!(["OR", yes, no]), true),
        (json!(["or", no, no]), false),
        (json!(["!AND", yes, no]), true),
        (json!(["!AND", yes, yes]), false),
        (json!(["!OR", no, no]), true),
        (json!(["!OR", yes, no]), false),
        (
            json!([yes, ["OR", no, ["!OR", no, ["AND", yes, no]]]]),
            true,
        ),
        (json!(["OR", [no], [yes, ["!AND", yes, no]]]), true),
    ];
    for (expression, expected) in table {
        assert_eq!(matches(&expression, request()), expected, "{expression}");
    }
}

#[test]
fn faults_are_told_in_the_words_of_the_original() {
    let deep = (0..40).fold(json!(["uri", "/"]), |inner, _| json!([inner]));
    let table = [
        (json!({}), "missing argument rule"),
        (json!("uri"), "missing argument rule"),
        (
            json!(["uri", "==", "/"]),
            "rule should be wrapped inside brackets",
        ),
        (json!([["uri", "=>", "/"]]), "invalid operator '=>'"),
        (json!([["uri", 5, "/"]]), "invalid operator '5'"),
        (json!([["uri"]]), "invalid expression"),
        (json!([[]]), "rule too short"),
        (json!(["OR", ["uri", "/"]]), "rule too short"),
        (json!([["uri", "not", "==", "/"]]), "bad 'not' expression"),
        (
            json!([["remote_addr", "ipmatch", ["10.0.0.300"]]]),
            "invalid ip address: \"10.0.0.300\"",
        ),
        (deep, "rule too deep, expected at most 32 levels"),
    ];
    for (expression, expected) in table {
        let error = Expr::compile(&expression).unwrap_err();
        assert_eq!(error.to_string(), expected, "{expression}");
    }
    let error = Expr::compile(&json!([["uri", "~~", "("]])).unwrap_err();
    assert!(
        error.0.starts_with("invalid regular expression \"(\": "),
        "{error}"
    );
}

#[test]
fn a_pattern_that_explodes_ends_without_a_match() {
    let long: &'static str = Box::leak("a".repeat(5000).into_boxed_str());
    let ctx = with_header(get("/"), "x-a", long);
    assert!(!matches(&json!([["http_x_a", "~~", r"^(a+)+\1b$"]]), ctx));
}

#[test]
fn an_expression_over_the_body_says_so_and_keeps_the_scan() {
    let expression = Expr::compile(&json!([["OR", ["uri", "/"], ["post_arg.a", "1"]]])).unwrap();
    assert!(expression.needs_body());
    assert!(!Expr::compile(&json!([["uri", "/"]])).unwrap().needs_body());
    let mut ctx = post("application/json", r#"{"a":"1"}"#);
    assert!(expression.matches(&mut ctx));
    assert!(ctx.body.scanned().is_some());
}
