use serde_json::{Value, json};
use telemetry::access_log::JsonLine;

use super::LogFormat;
use crate::sample::{exchange, get};

fn compile(format: &Value) -> Result<LogFormat, super::LogFormatError> {
    LogFormat::compile(format.as_object().unwrap())
}

fn entry(format: &Value) -> String {
    let mut ctx = get("/a?api_key=secret&q=\"1\"".replace('"', "%22").as_str());
    ctx.exchange = Some(Box::new(exchange()));
    let mut line = JsonLine::new();
    compile(format).unwrap().write(&ctx, &mut line);
    line.finish()
}

#[test]
fn constants_and_variables_keep_their_types() {
    let format = json!({
        "host": "$host", "team": "blue", "level": 3, "on": true, "none": null, "list": [1, "$host"],
        "tokens": "$llm_total_tokens", "braces": "${scheme}", "absent": "$arg_x", "arg": "$arg_q",
        "uri": "$request_uri"
    });
    assert_eq!(
        entry(&format),
        r#"{"host":"shop.example","team":"blue","level":3,"on":true,"none":null,"list":[1,"$host"],"tokens":15,"braces":"http","arg":"\"1\"","uri":"/a?api_key=***&q=%221%22"}"#
    );
}

#[test]
fn objects_nest() {
    let format =
        json!({ "llm": { "model": "$llm_model", "tokens": { "all": "$llm_total_tokens" } } });
    assert_eq!(
        entry(&format),
        r#"{"llm":{"model":"large","tokens":{"all":15}}}"#
    );
}

#[test]
fn the_sixth_level_is_refused_and_named() {
    let five = json!({ "a": { "b": { "c": { "d": { "e": "$host" } } } } });
    assert!(compile(&json!({"a": {"b": {"c": {"d": "$host"}}}})).is_ok());
    assert!(compile(&five).is_ok());
    let error = compile(&json!({ "z": five })).unwrap_err();
    assert_eq!(error.pointer, "/z/a/b/c/d");
    assert_eq!(
        error.to_string(),
        "log_format nesting exceeds the maximum depth of 5"
    );
}

#[test]
fn needs_are_found_in_nested_objects() {
    let format = compile(&json!({ "a": { "b": "$llm_response_text" } })).unwrap();
    assert!(format.needs_answer_text() && !format.needs_body());
    let format = compile(&json!({ "a": { "b": "$request_body" } })).unwrap();
    assert!(format.needs_body());
}
