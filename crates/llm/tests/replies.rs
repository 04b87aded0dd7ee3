//! What JSON replies say, and how usage adds up.

use llm::{Dialect, Reading, Usage, Want};
use proptest::prelude::*;

fn reading(dialect: Dialect, body: &str) -> Reading {
    dialect.protocol().read(
        body.as_bytes(),
        Want {
            text: true,
            ..Want::default()
        },
    )
}

/// Usage as prompt, completion, total, cache read, cache creation, reasoning.
fn counts(usage: Option<Usage>) -> Option<[u64; 6]> {
    let usage = usage?;
    Some([
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.total_tokens,
        usage.cache_read_input_tokens,
        usage.cache_creation_input_tokens,
        usage.reasoning_tokens,
    ])
}

macro_rules! counts {
    ($name:ident: $dialect:ident $usage:literal => $expected:expr) => {
        #[test]
        fn $name() {
            let body = concat!(r#"{"usage":"#, $usage, "}");
            let expected: Option<[u64; 6]> = $expected;
            assert_eq!(counts(reading(Dialect::$dialect, body).usage), expected);
        }
    };
}

#[test]
fn raw_usage_has_the_numbers_that_the_provider_names() {
    let usage = r#"{"usage":{"prompt_tokens":3,"cost":0.25,"prompt_tokens_details":
        {"cached_tokens":2},"tier":"flex","input_tokens":7}}"#;
    let want = Want {
        raw_usage: true,
        ..Want::default()
    };
    for dialect in [
        Dialect::OpenAiChat,
        Dialect::OpenAiResponses,
        Dialect::OpenAiEmbeddings,
        Dialect::AnthropicMessages,
    ] {
        let raw = dialect.protocol().read(usage.as_bytes(), want).raw_usage;
        let raw = raw.expect("a usage object");
        assert_eq!(raw.get("prompt_tokens"), Some(3.0), "{dialect}");
        assert_eq!(raw.get("cost"), Some(0.25), "{dialect}");
        for absent in ["prompt_tokens_details", "cached_tokens", "tier"] {
            assert_eq!(raw.get(absent), None, "{dialect} {absent}");
        }
        assert_eq!(reading(dialect, usage).raw_usage, None, "nobody wanted it");
    }
}

// === usage of openai-chat ===

counts!(chat_counts_prompt_completion_and_total: OpenAiChat
    r#"{"prompt_tokens":3,"completion_tokens":4,"total_tokens":9}"# => Some([3, 4, 9, 0, 0, 0]));
counts!(chat_without_total_has_the_sum: OpenAiChat
    r#"{"prompt_tokens":3,"completion_tokens":4}"# => Some([3, 4, 7, 0, 0, 0]));
counts!(chat_with_null_total_has_the_sum: OpenAiChat
    r#"{"prompt_tokens":3,"completion_tokens":4,"total_tokens":null}"# => Some([3, 4, 7, 0, 0, 0]));
counts!(chat_details_are_read: OpenAiChat
    r#"{"prompt_tokens":9,"completion_tokens":8,"total_tokens":17,
        "prompt_tokens_details":{"cached_tokens":5,"cache_creation_input_tokens":2},
        "completion_tokens_details":{"reasoning_tokens":6}}"# => Some([9, 8, 17, 5, 2, 6]));
counts!(chat_cache_writes_have_two_names: OpenAiChat
    r#"{"prompt_tokens":9,"prompt_tokens_details":{"cache_write_tokens":2}}"# =>
    Some([9, 0, 9, 0, 2, 0]));
counts!(chat_null_details_are_ignored: OpenAiChat
    r#"{"prompt_tokens":1,"prompt_tokens_details":null,"completion_tokens_details":null}"# =>
    Some([1, 0, 1, 0, 0, 0]));
counts!(deepseek_counts_its_cache_beside_the_details: OpenAiChat
    r#"{"prompt_tokens":9,"prompt_cache_hit_tokens":4}"# => Some([9, 0, 9, 4, 0, 0]));
counts!(deepseek_is_consulted_when_the_details_lack_the_count: OpenAiChat
    r#"{"prompt_tokens":9,"prompt_tokens_details":{"audio_tokens":0},"prompt_cache_hit_tokens":4}"#
    => Some([9, 0, 9, 4, 0, 0]));
counts!(the_details_go_before_deepseek: OpenAiChat
    r#"{"prompt_tokens_details":{"cached_tokens":0},"prompt_cache_hit_tokens":4}"# =>
    Some([0, 0, 0, 0, 0, 0]));
counts!(null_usage_is_none: OpenAiChat "null" => None);
counts!(usage_that_is_no_object_is_none: OpenAiChat "[1]" => None);
counts!(an_empty_usage_is_zero: OpenAiChat "{}" => Some([0; 6]));
counts!(odd_numbers_are_read: OpenAiChat
    r#"{"prompt_tokens":3.0,"completion_tokens":"4","total_tokens":-1}"# =>
    Some([3, 4, 7, 0, 0, 0]));
counts!(huge_numbers_do_not_overflow: OpenAiChat
    r#"{"prompt_tokens":1e300,"completion_tokens":18446744073709551615}"# =>
    Some([u64::MAX, u64::MAX, u64::MAX, 0, 0, 0]));
counts!(other_kinds_are_zero: OpenAiChat
    r#"{"prompt_tokens":{},"completion_tokens":[],"total_tokens":true}"# => Some([0; 6]));

// === usage of openai-responses ===

counts!(responses_count_everything: OpenAiResponses
    r#"{"input_tokens":9,"output_tokens":8,"total_tokens":17,
        "input_tokens_details":{"cached_tokens":5},"output_tokens_details":{"reasoning_tokens":6}}"#
    => Some([9, 8, 17, 5, 0, 6]));
counts!(responses_without_total_have_the_sum: OpenAiResponses
    r#"{"input_tokens":9,"output_tokens":8,"input_tokens_details":null}"# =>
    Some([9, 8, 17, 0, 0, 0]));
counts!(responses_have_names_of_their_own: OpenAiResponses
    r#"{"prompt_tokens":9,"completion_tokens":8}"# => Some([0; 6]));

// === usage of anthropic-messages ===

counts!(messages_count_the_cache_beside_the_prompt: AnthropicMessages
    r#"{"input_tokens":50,"output_tokens":30,"cache_read_input_tokens":200,
        "cache_creation_input_tokens":100}"# => Some([50, 30, 80, 200, 100, 0]));
counts!(messages_with_null_counts: AnthropicMessages
    r#"{"input_tokens":50,"output_tokens":null,"cache_read_input_tokens":null}"# =>
    Some([50, 0, 50, 0, 0, 0]));

// === usage of embeddings ===

counts!(embeddings_count_the_prompt: OpenAiEmbeddings
    r#"{"prompt_tokens":5,"total_tokens":5,"completion_tokens":7}"# => Some([5, 0, 5, 0, 0, 0]));
counts!(passthrough_counts_nothing: Passthrough r#"{"prompt_tokens":5}"# => None);

// === merging ===

fn usage(prompt: u64, completion: u64, total: u64) -> Usage {
    Usage {
        prompt_tokens: prompt,
        completion_tokens: completion,
        total_tokens: total,
        ..Usage::default()
    }
}

fn merged(first: Usage, later: Usage) -> Usage {
    let mut usage = first;
    usage.merge(&later);
    usage
}

#[test]
fn usage_that_is_split_is_put_together() {
    let start = Usage {
        cache_read_input_tokens: 200,
        cache_creation_input_tokens: 100,
        ..usage(50, 0, 50)
    };
    let expected = Usage {
        completion_tokens: 30,
        total_tokens: 80,
        ..start
    };
    assert_eq!(merged(start, usage(0, 30, 30)), expected);
}

#[test]
fn growing_usage_is_not_added_up() {
    assert_eq!(merged(usage(7, 1, 8), usage(7, 2, 9)), usage(7, 2, 9));
}

#[test]
fn zeros_take_nothing_away() {
    let full = Usage {
        cache_read_input_tokens: 1,
        cache_creation_input_tokens: 2,
        reasoning_tokens: 3,
        ..usage(7, 2, 9)
    };
    assert_eq!(merged(full, Usage::default()), full);
    assert_eq!(merged(Usage::default(), full), full);
}

#[test]
fn a_total_below_its_parts_becomes_their_sum() {
    assert_eq!(merged(usage(7, 2, 9), usage(0, 5, 0)), usage(7, 5, 12));
    assert_eq!(merged(usage(7, 2, 20), usage(0, 5, 0)), usage(7, 5, 20));
}

// === text and tool calls ===

macro_rules! says {
    ($name:ident: $dialect:ident $body:literal => $text:expr, $tools:literal) => {
        #[test]
        fn $name() {
            let found = reading(Dialect::$dialect, $body);
            let text: Option<&str> = $text;
            assert_eq!(
                (found.text.as_deref(), found.has_tool_calls),
                (text, $tools)
            );
        }
    };
}

says!(chat_joins_its_choices: OpenAiChat
    r#"{"choices":[{"message":{"content":"a\n"}},{"message":{"content":"b"}}]}"# =>
    Some("a\n b"), false);
says!(chat_with_tool_calls: OpenAiChat
    r#"{"choices":[{"message":{"content":null,"tool_calls":[{"id":"1"}]}}]}"# => Some(""), true);
says!(chat_with_an_empty_list_of_calls: OpenAiChat
    r#"{"choices":[{"message":{"content":"a","tool_calls":[]}}]}"# => Some("a"), false);
says!(chat_with_null_calls: OpenAiChat
    r#"{"choices":[{"message":{"tool_calls":null}},{"message":null},null]}"# => Some(""), false);
says!(chat_without_choices_has_no_text: OpenAiChat r#"{"error":{"message":"no"}}"# => None, false);
says!(responses_join_their_texts: OpenAiResponses
    r#"{"output":[{"type":"reasoning","content":[{"type":"output_text","text":"x"}]},
        {"type":"message","content":[{"type":"output_text","text":"a"},{"type":"refusal","refusal":"r"},
        {"type":"output_text","text":"b"}]}]}"# => Some("a b"), false);
says!(responses_with_a_function_call: OpenAiResponses
    r#"{"output":[{"type":"function_call","name":"f"}]}"# => Some(""), true);
says!(responses_without_output_have_no_text: OpenAiResponses r#"{"error":{}}"# => None, false);
says!(messages_join_their_text_blocks: AnthropicMessages
    r#"{"content":[{"type":"thinking","thinking":"x"},{"type":"text","text":"a"},{"type":"text","text":"b"}]}"#
    => Some("a b"), false);
says!(messages_with_a_tool_use: AnthropicMessages
    r#"{"content":[{"type":"text","text":"a"},{"type":"tool_use","id":"t"}]}"# => Some("a"), true);
says!(messages_without_content_have_no_text: AnthropicMessages
    r#"{"type":"error","error":{}}"# => None, false);
says!(embeddings_have_no_text: OpenAiEmbeddings r#"{"data":[]}"# => None, false);

#[test]
fn text_that_nobody_wants_is_not_read() {
    let body = br#"{"choices":[{"message":{"content":"a","tool_calls":[{}]}}],"usage":{}}"#;
    let found = Dialect::OpenAiChat.protocol().read(body, Want::default());
    let expected = Reading {
        usage: Some(Usage::default()),
        raw_usage: None,
        text: None,
        has_tool_calls: true,
    };
    assert_eq!(found, expected);
}

proptest! {
    #[test]
    fn what_is_not_json_reads_as_nothing(body in prop::collection::vec(any::<u8>(), 0..40)) {
        prop_assume!(!body.trim_ascii_start().starts_with(b"{"));
        for dialect in Dialect::all() {
            let found = dialect.protocol().read(&body, Want { text: true, ..Want::default() });
            prop_assert_eq!(found, Reading::default());
        }
    }

    #[test]
    fn odd_shapes_are_survived(
        name in prop::sample::select(vec!["choices", "usage", "output", "content"]),
        inner in prop::sample::select(vec!["message", "type", "tool_calls", "content", "prompt_tokens"]),
        value in prop::sample::select(vec!["null", "1", "[[]]", "{\"a\":[null]}", "\"x\"", "true"]),
        in_list in any::<bool>(),
    ) {
        let object = format!("{{\"{inner}\":{value}}}");
        let body = if in_list { format!("{{\"{name}\":[{object}]}}") } else { format!("{{\"{name}\":{object}}}") };
        for dialect in Dialect::all() {
            let found = reading(dialect, &body);
            prop_assert!(found.text.unwrap_or_default().len() <= 1);
        }
    }
}
