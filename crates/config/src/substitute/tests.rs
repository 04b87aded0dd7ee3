use serde_json::json;

use super::*;

fn environment() -> Environment {
    let pairs = [
        ("HOST", "a.example"),
        ("PORT", "8080"),
        ("LINES", "x\ny"),
        ("ON", "true"),
    ];
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into()
}

fn text(text: &str) -> Result<String, Unset> {
    substitute_text(text, &environment()).map(|substituted| substituted.text)
}

#[test]
fn variables_are_replaced_in_text() {
    assert_eq!(
        text("h: ${{HOST}}:${{ PORT }}\n"),
        Ok("h: a.example:8080\n".to_owned())
    );
    assert_eq!(
        text("h: ${{NONE:=b.example}}"),
        Ok("h: b.example".to_owned())
    );
    assert_eq!(
        text("h: ${{HOST:=b.example}}"),
        Ok("h: a.example".to_owned())
    );
    assert_eq!(text("h: \"${{NONE:=}}\""), Ok("h: \"\"".to_owned()));
}

#[test]
fn what_is_no_variable_is_left_alone() {
    for line in [
        "$HOST",
        "${HOST}",
        "${{HOST}",
        "${{a-b}}",
        "${{}}",
        "$env://HOST",
    ] {
        assert_eq!(text(line), Ok(line.to_owned()));
    }
}

#[test]
fn a_variable_that_is_not_set_is_an_error_except_in_comments() {
    let unset = text("a: 1\n  # ${{NONE}}\nb: ${{NONE}}\n");
    assert_eq!(
        unset,
        Err(Unset {
            name: "NONE".to_owned(),
            line: 3
        })
    );
}

#[test]
fn lines_are_counted_in_the_original() {
    let substituted = substitute_text("a: ${{LINES}}\nb: 1\n", &environment()).expect("replaced");
    assert_eq!(substituted.text, "a: x\ny\nb: 1\n");
    assert_eq!(substituted.lines, [1, 1, 2]);
}

#[test]
fn values_of_json_become_what_they_look_like() {
    let value = json!({
        "${{HOST}}": "${{PORT}}", "on": "${{ON}}", "text": "port ${{PORT}}", "n": 1,
        "list": ["${{NONE:=0.5}}", "8080"],
    });
    assert_eq!(
        substitute_value(value, &environment()),
        Ok(json!({
            "a.example": 8080, "on": true, "text": "port 8080", "n": 1, "list": [0.5, "8080"],
        }))
    );
    let unset = substitute_value(json!(["${{NONE}}"]), &environment());
    assert_eq!(
        unset,
        Err(Unset {
            name: "NONE".to_owned(),
            line: 0
        })
    );
}
