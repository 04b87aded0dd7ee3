use super::Template;
use crate::sample::{exchange, get, with_header};

fn written(text: &str) -> String {
    let mut ctx = with_header(get("/a?token=t&q=1"), "x-odd", "say \"hi\"\\");
    ctx.exchange = Some(Box::new(exchange()));
    let mut out = String::new();
    Template::new(text).write(&ctx, "-", &mut out);
    out
}

#[test]
fn variables_and_text_take_turns() {
    let table = [
        ("", ""),
        ("plain", "plain"),
        ("$remote_addr", "192.0.2.7"),
        ("a$remote_addr b", "a192.0.2.7 b"),
        ("${host}name", "shop.examplename"),
        ("$host$scheme", "shop.examplehttp"),
        ("[$consumer_name]", "[-]"),
        ("${arg_x ?? none}", "none"),
        ("${arg_q ?? none}", "1"),
        ("$ 5 and $$host", "$ 5 and $shop.example"),
        (r"\$host", "$host"),
        ("${host", "${host"),
        ("ends with $", "ends with $"),
        ("$llm_total_tokens tokens", "15 tokens"),
        ("${post_arg.model}", "-"),
        ("é$host", "éshop.example"),
    ];
    for (text, expected) in table {
        assert_eq!(written(text), expected, "{text}");
    }
}

#[test]
fn filling_counts_what_has_a_value() {
    let ctx = get("/a?q=1");
    let fill = |text: &str| {
        let mut out = String::new();
        let found = Template::new(text).fill(&ctx, &mut out);
        (out, found)
    };
    assert_eq!(fill("constant"), ("constant".to_owned(), 0));
    assert_eq!(fill("$arg_none"), (String::new(), 0));
    assert_eq!(fill("$arg_q:$arg_none"), ("1:".to_owned(), 1));
    assert_eq!(fill("${arg_none ?? x}"), ("x".to_owned(), 1));
}

#[test]
fn log_lines_are_escaped_and_masked() {
    let ctx = with_header(get("/a?token=t&q=1"), "x-odd", "say \"hi\"\\");
    let mut out = String::new();
    Template::new("\"$request\" \"$http_x_odd\" $arg_none").write_log(&ctx, "-", &mut out);
    assert_eq!(out, r#""GET /a?token=***&q=1 HTTP/1.1" "say \"hi\"\\" -"#);
}

#[test]
fn a_template_over_the_body_says_so() {
    assert!(Template::new("$host ${post_arg.model}").needs_body());
    assert!(!Template::new("$host $arg_x").needs_body());
}
