//! What requests say about themselves.

use bytes::Bytes;
use llm::{Dialect, RequestFacts, dialect};
use wire::json::{Edits, JsonError, Raw, Scan};

fn scan(body: &'static str) -> Result<Scan, JsonError> {
    Scan::new(Bytes::from_static(body.as_bytes()))
}

macro_rules! detects {
    ($name:ident: $path:literal $body:literal => $expected:expr) => {
        #[test]
        fn $name() -> Result<(), JsonError> {
            let expected: Option<Dialect> = $expected;
            assert_eq!(dialect::detect($path, &scan($body)?), expected);
            Ok(())
        }
    };
}

const CHAT: Option<Dialect> = Some(Dialect::OpenAiChat);
const RESPONSES: Option<Dialect> = Some(Dialect::OpenAiResponses);
const EMBEDDINGS: Option<Dialect> = Some(Dialect::OpenAiEmbeddings);
const MESSAGES: Option<Dialect> = Some(Dialect::AnthropicMessages);
const PASSTHROUGH: Option<Dialect> = Some(Dialect::Passthrough);

// === detection, in the order of the table ===

detects!(messages_by_path: "/v1/messages" r#"{"messages":[]}"# => MESSAGES);
detects!(messages_by_the_end_of_the_path: "/x/v1/messages" r#"{"messages":[]}"# => MESSAGES);
detects!(messages_with_an_empty_body: "/v1/messages" "{}" => MESSAGES);
detects!(messages_before_responses_and_embeddings: "/v1/messages" r#"{"input":1}"# => MESSAGES);
detects!(messages_need_an_object: "/v1/messages" "[1]" => PASSTHROUGH);
detects!(messages_with_a_slash_more_are_chat: "/v1/messages/" r#"{"messages":[]}"# => CHAT);
detects!(a_path_in_capitals_is_another: "/V1/Messages" r#"{"messages":[]}"# => CHAT);
detects!(token_counts_look_like_chat: "/v1/messages/count_tokens" r#"{"messages":[]}"# => CHAT);
detects!(responses_by_path_and_input: "/v1/responses" r#"{"input":"a"}"# => RESPONSES);
detects!(responses_before_chat: "/v1/responses" r#"{"input":"a","messages":[]}"# => RESPONSES);
detects!(responses_with_null_input: "/v1/responses" r#"{"input":null}"# => RESPONSES);
detects!(responses_without_input_are_passed: "/v1/responses" r#"{"model":"m"}"# => PASSTHROUGH);
detects!(chat_by_messages: "/anything" r#"{"messages":[]}"# => CHAT);
detects!(chat_by_an_object_of_messages: "/anything" r#"{"messages":{}}"# => CHAT);
detects!(chat_before_embeddings: "/anything" r#"{"messages":[],"input":"a"}"# => CHAT);
detects!(messages_of_text_are_no_chat: "/anything" r#"{"messages":"a"}"# => PASSTHROUGH);
detects!(embeddings_by_input: "/anything" r#"{"input":["a"]}"# => EMBEDDINGS);
detects!(embeddings_by_null_input: "/anything" r#"{"input":null}"# => EMBEDDINGS);
detects!(other_objects_are_passed: "/v1/images/generations" r#"{"prompt":"a"}"# => PASSTHROUGH);
detects!(other_arrays_are_passed: "/anything" "[1]" => PASSTHROUGH);
detects!(an_empty_object_is_nothing: "/v1/chat/completions" "{}" => None);
detects!(an_empty_array_is_nothing: "/anything" "[]" => None);
detects!(text_is_nothing: "/v1/messages" "\"a\"" => None);
detects!(a_number_is_nothing: "/anything" "1" => None);
detects!(null_is_nothing: "/anything" "null" => None);

#[test]
fn names_lead_back_to_their_dialects() {
    for dialect in Dialect::all() {
        assert_eq!(Dialect::find(dialect.name()), Some(dialect));
    }
    assert_eq!(Dialect::all().count(), 5);
    assert_eq!(Dialect::find("vertex-predict"), None);
}

// === facts ===

fn facts(dialect: Dialect, body: &'static str) -> Result<RequestFacts, JsonError> {
    Ok(dialect.protocol().facts(&scan(body)?))
}

#[test]
fn chat_names_model_stream_tools_and_user() -> Result<(), JsonError> {
    let body = r#"{"model":"m","stream":true,"tools":[{},{}],"user":"u","safety_identifier":"s"}"#;
    let found = facts(Dialect::OpenAiChat, body)?;
    assert_eq!(
        found,
        RequestFacts {
            model: Some("m".to_owned()),
            stream: true,
            tool_count: 2,
            end_user: Some("s".to_owned()),
        }
    );
    assert_eq!(facts(Dialect::OpenAiResponses, body)?, found);
    Ok(())
}

#[test]
fn a_user_that_is_no_text_is_passed_over() -> Result<(), JsonError> {
    let found = facts(Dialect::OpenAiChat, r#"{"safety_identifier":1,"user":"u"}"#)?;
    assert_eq!(found.end_user.as_deref(), Some("u"));
    Ok(())
}

#[test]
fn messages_name_their_user_in_the_metadata() -> Result<(), JsonError> {
    let found = facts(
        Dialect::AnthropicMessages,
        r#"{"user":"x","metadata":{"user_id":"u"}}"#,
    )?;
    assert_eq!(found.end_user.as_deref(), Some("u"));
    let found = facts(
        Dialect::AnthropicMessages,
        r#"{"user":"x","metadata":null}"#,
    )?;
    assert_eq!(found.end_user, None);
    Ok(())
}

#[test]
fn embeddings_and_passthrough_name_no_user() -> Result<(), JsonError> {
    for dialect in [Dialect::OpenAiEmbeddings, Dialect::Passthrough] {
        assert_eq!(facts(dialect, r#"{"user":"u"}"#)?.end_user, None);
    }
    Ok(())
}

#[test]
fn only_true_asks_for_a_stream() -> Result<(), JsonError> {
    for dialect in Dialect::all() {
        for body in [
            r#"{"stream":false}"#,
            r#"{"stream":null}"#,
            r#"{"stream":"true"}"#,
            "{}",
        ] {
            assert!(!facts(dialect, body)?.stream, "{dialect}: {body}");
        }
        let streams = facts(dialect, r#"{"stream":true}"#)?.stream;
        assert_eq!(streams, dialect != Dialect::OpenAiEmbeddings, "{dialect}");
    }
    Ok(())
}

#[test]
fn models_of_every_kind_have_a_name() -> Result<(), JsonError> {
    let cases = [
        (r#"{"model":"a\u0062"}"#, Some("ab")),
        (r#"{"model":1.0}"#, Some("1.0")),
        (r#"{"model":true}"#, Some("true")),
        (r#"{"model":{}}"#, Some("<non-scalar>")),
        (r#"{"model":["m"]}"#, Some("<non-scalar>")),
        (r#"{"model":null}"#, None),
        (r#"{"model":"a","model":"b"}"#, Some("b")),
        ("{}", None),
    ];
    for (body, expected) in cases {
        assert_eq!(
            facts(Dialect::OpenAiChat, body)?.model.as_deref(),
            expected,
            "{body}"
        );
    }
    Ok(())
}

#[test]
fn tools_that_are_no_list_count_as_none() -> Result<(), JsonError> {
    for body in [
        "{}",
        r#"{"tools":null}"#,
        r#"{"tools":{"a":1}}"#,
        r#"{"tools":[]}"#,
    ] {
        assert_eq!(facts(Dialect::OpenAiChat, body)?.tool_count, 0, "{body}");
    }
    Ok(())
}

// === preparation ===

fn prepared(dialect: Dialect, body: &'static str) -> Result<Bytes, JsonError> {
    let scan = scan(body)?;
    let mut edits = Edits::new();
    dialect.protocol().prepare(&scan, &mut edits);
    Ok(edits.apply(&scan))
}

#[test]
fn a_chat_stream_is_asked_for_its_usage() -> Result<(), JsonError> {
    let out = prepared(Dialect::OpenAiChat, r#"{"stream":true}"#)?;
    assert_eq!(
        out,
        r#"{"stream":true,"stream_options":{"include_usage":true}}"#
    );
    Ok(())
}

#[test]
fn stream_options_of_the_client_are_replaced() -> Result<(), JsonError> {
    let out = prepared(
        Dialect::OpenAiChat,
        r#"{"stream_options":{"include_obfuscation":false}, "stream":true}"#,
    )?;
    assert_eq!(
        out,
        r#"{"stream_options":{"include_usage":true}, "stream":true}"#
    );
    Ok(())
}

#[test]
fn a_chat_without_stream_is_left_alone() -> Result<(), JsonError> {
    for body in [
        "{}",
        r#"{"stream":false}"#,
        r#"{"stream":null}"#,
        r#"{"stream":1}"#,
    ] {
        assert_eq!(prepared(Dialect::OpenAiChat, body)?, body);
    }
    Ok(())
}

#[test]
fn no_other_dialect_is_prepared() -> Result<(), JsonError> {
    let body = r#"{"stream":true}"#;
    for dialect in Dialect::all().filter(|dialect| *dialect != Dialect::OpenAiChat) {
        assert_eq!(prepared(dialect, body)?, body, "{dialect}");
    }
    Ok(())
}

// === what is logged ===

#[test]
fn each_dialect_logs_its_own_content() -> Result<(), JsonError> {
    let scan = scan(r#"{"messages":[1.0], "input":"i"}"#)?;
    let logged = |dialect: Dialect| dialect.protocol().log_content(&scan).map(Raw::as_text);
    assert_eq!(logged(Dialect::OpenAiChat), Some("[1.0]"));
    assert_eq!(logged(Dialect::AnthropicMessages), Some("[1.0]"));
    assert_eq!(logged(Dialect::OpenAiResponses), Some("\"i\""));
    assert_eq!(logged(Dialect::OpenAiEmbeddings), Some("\"i\""));
    assert_eq!(logged(Dialect::Passthrough), None);
    Ok(())
}

// === what the user said last ===

macro_rules! says {
    ($name:ident: $dialect:ident $body:literal => $expected:expr) => {
        #[test]
        fn $name() -> Result<(), JsonError> {
            let expected: Option<&str> = $expected;
            let found = Dialect::$dialect.protocol().last_user_text(&scan($body)?);
            assert_eq!(found.as_deref(), expected);
            Ok(())
        }
    };
}

says!(chat_ends_with_the_last_user_message: OpenAiChat
    r#"{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"},
        {"role":"user","content":"c\u00e9"},{"role":"assistant","content":"d"}]}"# => Some("c\u{e9}"));
says!(text_parts_of_a_chat_are_joined: OpenAiChat
    r#"{"messages":[{"role":"user","content":[{"type":"text","text":"a"},
        {"type":"image_url","image_url":{"url":"u"}},{"type":"text","text":"b"}]}]}"# => Some("a b"));
says!(a_chat_that_ends_with_an_image_says_nothing: OpenAiChat
    r#"{"messages":[{"role":"user","content":"a"},
        {"role":"user","content":[{"type":"image_url","image_url":{"url":"u"}}]}]}"# => None);
says!(a_chat_without_user_says_nothing: OpenAiChat
    r#"{"messages":[{"role":"system","content":"a"}]}"# => None);
says!(odd_messages_of_a_chat_say_nothing: OpenAiChat
    r#"{"messages":{"role":"user","content":"a"}}"# => None);
says!(an_empty_text_of_a_chat_says_nothing: OpenAiChat
    r#"{"messages":[{"role":"user","content":""}]}"# => None);
says!(input_of_responses_may_be_text: OpenAiResponses r#"{"input":"a"}"# => Some("a"));
says!(input_of_responses_may_be_items: OpenAiResponses
    r#"{"input":[{"role":"user","content":"a"},
        {"type":"message","role":"user","content":[{"type":"input_text","text":"b"},
        {"type":"input_image","image_url":"u"},{"type":"input_text","text":"c"}]},
        {"type":"function_call_output","call_id":"1","output":"d"}]}"# => Some("b c"));
says!(odd_input_of_responses_says_nothing: OpenAiResponses r#"{"input":1}"# => None);
says!(messages_end_with_the_last_user_message: AnthropicMessages
    r#"{"system":"s","messages":[{"role":"user","content":"a"},
        {"role":"user","content":[{"type":"text","text":"b"},{"type":"text","text":"c"}]}]}"#
    => Some("b c"));
says!(results_of_tools_are_not_the_users_words: AnthropicMessages
    r#"{"messages":[{"role":"user","content":"a"},
        {"role":"assistant","content":[{"type":"tool_use","id":"1","name":"n","input":{}}]},
        {"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":"b"}]}]}"#
    => Some("a"));
says!(embeddings_have_no_user: OpenAiEmbeddings r#"{"input":"a"}"# => None);
says!(other_bodies_have_no_user: Passthrough r#"{"prompt":"a"}"# => None);
