use llm::{Dialect, RawUsage, Want};
use proptest::prelude::*;

use super::{Cost, CostFault};

/// Usage with these members.
fn usage(members: &str) -> RawUsage {
    let body = format!(r#"{{"usage":{{{members}}}}}"#);
    let want = Want {
        raw_usage: true,
        ..Want::default()
    };
    let reading = Dialect::OpenAiChat.protocol().read(body.as_bytes(), want);
    reading.raw_usage.expect("a usage object")
}

fn cost(text: &str) -> Result<u64, CostFault> {
    let usage = usage(r#""input":10,"output":4,"cached":6,"ratio":0.5,"abs":7"#);
    Cost::new(text).expect("an expression").of(&usage)
}

fn refusal(text: &str) -> String {
    Cost::new(text).expect_err("no expression").to_string()
}

#[test]
fn expressions_are_calculated_as_lua_does() {
    let table = [
        ("input + output", 14),
        ("input - cached + cached * 0.1", 5),
        ("input * 2 + output * 3", 32),
        ("2 + 3 * 4", 14),
        ("(2 + 3) * 4", 20),
        ("10 - 4 - 3", 3),
        ("2 ^ 3 ^ 2", 512),
        ("-2 ^ 2 + 10", 6),
        ("2 ^ -1 * 8", 4),
        ("7 % 4", 3),
        ("-7 % 4", 1),
        ("7 / 2", 4),
        ("0.4", 0),
        ("0.5", 1),
        ("1.5", 2),
        ("unknown + 1", 1),
        ("-5", 0),
        ("0x10", 16),
        ("1e2", 100),
        ("1e-1 * 50", 5),
        ("2E+1", 20),
        (".5 * 4", 2),
        ("1-1", 0),
        ("1 - - 2", 3),
        ("abs(-3)", 3),
        ("ceil(1.2)", 2),
        ("floor(1.8)", 1),
        ("max(1, input, 3)", 10),
        ("min(output)", 4),
        ("math.max(input, output) + math.abs(-1)", 11),
        ("input > 5 and 1 or 2", 1),
        ("input > 50 and 1 or 2", 2),
        ("not (input > 5) and 1 or 2", 2),
        ("input == 10 and 3 or 4", 3),
        ("input ~= 10 and 3 or 4", 4),
        ("input <= 10 and output >= 4 and output < 5 and 9 or 0", 9),
        ("0 and 5", 5),
        ("(1 < 2) == (3 < 4) and 8 or 0", 8),
        ("1 == (1 < 2) and 8 or 2", 2),
        ("  input\n+\t1 ", 11),
        ("1e300", 9_007_199_254_740_991),
    ];
    for (text, expected) in table {
        assert_eq!(cost(text), Ok(expected), "{text}");
    }
}

#[test]
fn what_is_no_number_has_no_cost() {
    for (text, fault) in [
        ("1 / 0", CostFault::Infinite),
        ("0 / 0", CostFault::Infinite),
        ("-1 / 0", CostFault::Infinite),
        ("input > 5", CostFault::Result),
        ("not input", CostFault::Result),
        ("(input > 5) + 1", CostFault::Truth),
        ("-(1 < 2)", CostFault::Truth),
        ("(1 < 2) < 3", CostFault::Truth),
        ("max(1, 1 < 2)", CostFault::Truth),
    ] {
        assert_eq!(cost(text), Err(fault), "{text}");
    }
    assert_eq!(
        cost("0 > 1 and (1 < 2) + 1 or 5"),
        Ok(5),
        "what is not reached is not calculated"
    );
}

#[test]
fn what_is_no_expression_is_refused_with_its_place() {
    for (text, expected) in [
        ("", "expected a number, a name or '(' at the end"),
        ("input +", "expected a number, a name or '(' at the end"),
        (
            "input input",
            "expected an operator or the end at character 7",
        ),
        ("(1", "expected ')' at the end"),
        ("1)", "expected an operator or the end at character 2"),
        (
            "usage[1]",
            "expected a number, a name or an operator at character 6, found '['",
        ),
        (
            "details.cached",
            "expected an operator or the end at character 8",
        ),
        (
            "\"1\"",
            "expected a number, a name or an operator at character 1, found '\\\"'",
        ),
        ("1 // 2", "expected a number, a name or '(' at character 4"),
        ("1 .. 2", "expected an operator or the end at character 3"),
        (
            "1 = 2",
            "expected a number, a name or an operator at character 3, found '='",
        ),
        (
            "é",
            "expected a number, a name or an operator at character 1, found 'é'",
        ),
    ] {
        assert_eq!(refusal(text), expected, "{text}");
    }
}

#[test]
fn a_word_that_is_none_of_an_expression_is_refused() {
    for (text, expected) in [
        ("3x", "malformed number '3x' at character 1"),
        (
            "1 -- 2",
            "expected no comment at character 3, found '--'; two signs are written '- -'",
        ),
        ("1.2.3", "malformed number '1.2.3' at character 1"),
        ("0xZZ", "malformed number '0xZZ' at character 1"),
        (
            "true",
            "expected a number or a name at character 1, found the word 'true'",
        ),
        (
            "return 1",
            "expected a number or a name at character 1, found the word 'return'",
        ),
        (
            "os()",
            "expected abs, ceil, floor, max or min at character 1, found the function 'os'",
        ),
        (
            "math.sqrt(4)",
            "expected abs, ceil, floor, max or min at character 6, found the function 'math.sqrt'",
        ),
        (
            "math",
            "expected '.' and a function after 'math' at the end",
        ),
        ("math.", "expected a function after 'math.' at the end"),
        (
            "abs + 1",
            "expected '(' after the name of a function at character 5",
        ),
        ("abs()", "expected a number, a name or '(' at character 5"),
        ("abs(1, 2)", "expected ')' at character 6"),
    ] {
        assert_eq!(refusal(text), expected, "{text}");
    }
}

#[test]
fn depth_has_a_bound_in_every_direction() {
    let deep = "expected at most 100 operators within each other";
    assert_eq!(
        refusal(&format!("{}1{}", "(".repeat(1000), ")".repeat(1000))),
        deep
    );
    assert_eq!(refusal(&"- ".repeat(1000)), deep);
    assert_eq!(refusal(&"1+".repeat(1000)), deep);
    assert_eq!(refusal(&"2^".repeat(1000)), deep);
    assert_eq!(refusal(&"not ".repeat(1000)), deep);
    assert_eq!(refusal(&"abs(".repeat(1000)), deep);
    assert_eq!(cost(&format!("{}1", "1+".repeat(90))), Ok(91));
}

/// An expression over whole numbers, as text and with its value.
fn expression() -> impl Strategy<Value = (String, f64)> {
    let leaf = prop_oneof![
        (0_u16..100).prop_map(|number| (number.to_string(), f64::from(number))),
        Just(("input".to_owned(), 10.0)),
        Just(("nobody".to_owned(), 0.0)),
    ];
    leaf.prop_recursive(4, 24, 2, |inner| {
        let pair = (inner.clone(), inner.clone());
        prop_oneof![
            pair.clone()
                .prop_map(|((a, x), (b, y))| (format!("({a}+{b})"), x + y)),
            pair.clone()
                .prop_map(|((a, x), (b, y))| (format!("({a} - {b})"), x - y)),
            pair.clone()
                .prop_map(|((a, x), (b, y))| (format!("({a}*{b})"), x * y)),
            pair.prop_map(|((a, x), (b, y))| (format!("max({a},{b})"), x.max(y))),
            inner.prop_map(|(a, x)| (format!("math.abs({a})"), x.abs())),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in r"[a-c0-9x.+*/%^<>=~(),\- émath]{0,60}") {
        if let Ok(cost) = Cost::new(&text) {
            _ = cost.of(&usage(r#""a":3,"b":0"#));
        }
    }

    #[test]
    fn any_arithmetic_is_calculated((text, value) in expression()) {
        let expected = value.round().max(0.0);
        #[expect(clippy::cast_precision_loss, reason = "the numbers are small")]
        let found = cost(&text).map(|cost| cost as f64);
        prop_assert_eq!(found, Ok(expected.min(9_007_199_254_740_991.0)), "{}", text);
    }
}
