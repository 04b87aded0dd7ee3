//! What the streams under `streams/` say, however they are cut.

use bytes::Bytes;
use llm::{Dialect, EventReader, Usage, Want};
use proptest::prelude::*;
use wire::sse::{Event, SseDecoder};

/// Everything a stream says, event by event put together.
#[derive(Debug, Default, PartialEq, Eq)]
struct Heard {
    text: String,
    usage: Option<Usage>,
    has_tool_calls: bool,
    /// The number of the event, from 0, that carried content first.
    first_content: Option<usize>,
    is_done: bool,
    is_failure: bool,
}

impl Heard {
    fn hear(&mut self, number: usize, reader: &mut dyn EventReader, event: &Event<'_>) {
        let reading = reader.read(event);
        self.text.push_str(reading.text);
        self.usage = reading.usage.or(self.usage);
        self.has_tool_calls |= reading.has_tool_calls;
        if reading.is_first_content {
            assert_eq!(
                self.first_content.replace(number),
                None,
                "there is one first"
            );
        }
        self.is_done |= reading.is_done;
        self.is_failure |= reading.is_failure;
    }
}

const TEXT: Want = Want {
    text: true,
    raw_usage: false,
};
const USAGE: Want = Want {
    text: false,
    raw_usage: false,
};

fn heard<'s>(dialect: Dialect, want: Want, pieces: impl IntoIterator<Item = &'s [u8]>) -> Heard {
    let mut decoder = SseDecoder::new();
    let mut reader = dialect.protocol().reader(want);
    let mut heard = Heard::default();
    let mut number = 0;
    for piece in pieces {
        decoder.push(Bytes::copy_from_slice(piece));
        while let Some(event) = decoder.next() {
            heard.hear(number, reader.as_mut(), &event);
            number += 1;
        }
    }
    heard
}

/// Usage as prompt, completion, total, cache read, cache creation, reasoning.
fn used(counts: [u64; 6]) -> Usage {
    let [prompt, completion, total, read, creation, reasoning] = counts;
    Usage {
        prompt_tokens: prompt,
        completion_tokens: completion,
        total_tokens: total,
        cache_read_input_tokens: read,
        cache_creation_input_tokens: creation,
        reasoning_tokens: reasoning,
    }
}

macro_rules! stream {
    ($path:literal) => {
        include_bytes!(concat!("streams/", $path, ".sse")).as_slice()
    };
}

macro_rules! says {
    ($name:ident: $dialect:ident $path:literal => $expected:expr) => {
        #[test]
        fn $name() {
            let expected: Heard = $expected;
            assert_eq!(heard(Dialect::$dialect, TEXT, [stream!($path)]), expected);
            // Without the text, everything else is heard all the same.
            let expected = Heard {
                text: String::new(),
                ..expected
            };
            assert_eq!(heard(Dialect::$dialect, USAGE, [stream!($path)]), expected);
        }
    };
}

fn done(text: &str, first_content: Option<usize>, usage: Option<Usage>) -> Heard {
    let text = text.to_owned();
    Heard {
        text,
        usage,
        first_content,
        is_done: true,
        ..Heard::default()
    }
}

// === openai-chat ===

says!(chat_ends_with_a_usage_chunk: OpenAiChat "openai_chat/plain" =>
    done("Grüße, \"world\"\n😀", Some(1), Some(used([10, 4, 14, 3, 0, 2]))));
says!(chat_calls_tools: OpenAiChat "openai_chat/tools" =>
    Heard { has_tool_calls: true, ..done("", Some(0), Some(used([10, 4, 14, 3, 0, 2]))) });
says!(chat_with_growing_usage_counts_the_last: OpenAiChat "openai_chat/cumulative" =>
    done("ab", Some(0), Some(used([7, 3, 10, 0, 0, 0]))));
says!(chat_with_reasoning_begins_with_it: OpenAiChat "openai_chat/reasoning" =>
    done("4", Some(1), Some(used([20, 6, 26, 16, 0, 5]))));
says!(chat_may_begin_with_a_chunk_without_choices: OpenAiChat "openai_chat/filtered" =>
    done("ok", Some(1), Some(used([10, 4, 14, 3, 0, 2]))));
says!(chat_text_that_looks_like_members_is_text: OpenAiChat "openai_chat/quoted" =>
    done(r#"say "usage":{"prompt_tokens":99} and "tool_calls":[1] and "error":{}"#, Some(0), None));
says!(chat_text_of_all_choices_is_joined: OpenAiChat "openai_chat/two_choices" =>
    done("abc", Some(0), None));
says!(chat_that_is_cut_is_not_done: OpenAiChat "openai_chat/cut" =>
    Heard { is_done: false, ..done("half", Some(0), None) });
says!(chat_may_fail_in_mid_stream: OpenAiChat "openai_chat/failure" =>
    Heard { is_done: false, is_failure: true, ..done("half", Some(0), None) });
says!(chat_skips_noise: OpenAiChat "openai_chat/noise" =>
    done("", None, Some(used([2, 1, 3, 0, 0, 0]))));
says!(chat_usage_is_found_in_a_choice: OpenAiChat "openai_chat/usage_in_choice" =>
    done("a", Some(0), Some(used([5, 1, 6, 0, 0, 0]))));
says!(chat_usage_is_found_in_a_vendor_member: OpenAiChat "openai_chat/usage_in_vendor_member" =>
    done("a", Some(0), Some(used([5, 1, 6, 0, 0, 0]))));

// === openai-responses ===

says!(responses_end_with_usage: OpenAiResponses "openai_responses/plain" =>
    done("Hello there", Some(4), Some(used([10, 4, 14, 3, 0, 2]))));
says!(responses_may_come_without_event_names: OpenAiResponses "openai_responses/unnamed" =>
    done("Hello there", Some(4), Some(used([10, 4, 14, 3, 0, 2]))));
says!(responses_call_functions: OpenAiResponses "openai_responses/tools" =>
    Heard { has_tool_calls: true, ..done("", Some(2), Some(used([10, 4, 14, 3, 0, 2]))) });
says!(responses_that_are_incomplete_used_tokens: OpenAiResponses "openai_responses/incomplete" =>
    done("Hello there", Some(4), Some(used([10, 4, 14, 3, 0, 2]))));
says!(responses_may_fail: OpenAiResponses "openai_responses/failed" =>
    Heard { is_failure: true, ..done("Hello", Some(4), None) });
says!(responses_may_end_in_an_error: OpenAiResponses "openai_responses/error" =>
    Heard { is_failure: true, ..done("Hello", Some(4), None) });

// === anthropic-messages ===

says!(messages_split_usage_over_two_events: AnthropicMessages "anthropic_messages/plain" =>
    done("Hello ☃\n", Some(3), Some(used([50, 30, 80, 200, 100, 0]))));
says!(messages_may_come_without_event_names: AnthropicMessages "anthropic_messages/unnamed" =>
    done("Hello ☃\n", Some(3), Some(used([50, 30, 80, 200, 100, 0]))));
says!(messages_use_tools: AnthropicMessages "anthropic_messages/tools" =>
    Heard { has_tool_calls: true, ..done("ok", Some(2), Some(used([10, 8, 18, 0, 0, 0]))) });
says!(messages_keep_thinking_out_of_the_text: AnthropicMessages "anthropic_messages/thinking" =>
    done("4", Some(2), Some(used([10, 9, 19, 0, 0, 0]))));
says!(messages_may_fail: AnthropicMessages "anthropic_messages/failure" =>
    Heard { is_failure: true, ..done("half", Some(2), Some(used([10, 1, 11, 0, 0, 0]))) });

// === usage in the provider's own names ===

fn raw_usage(
    dialect: Dialect,
    want: Want,
    stream: &'static [u8],
    names: &[&str],
) -> Vec<Option<f64>> {
    let mut decoder = SseDecoder::new();
    let mut reader = dialect.protocol().reader(want);
    decoder.push(Bytes::from_static(stream));
    while let Some(event) = decoder.next() {
        reader.read(&event);
    }
    let raw = reader.raw_usage();
    let number = |name: &&str| raw.and_then(|raw| raw.get(name));
    names.iter().map(number).collect()
}

const RAW: Want = Want {
    text: false,
    raw_usage: true,
};

#[test]
fn raw_usage_of_a_stream_is_merged_over_its_events() {
    let names = [
        "input_tokens",
        "output_tokens",
        "cache_read_input_tokens",
        "cache_creation",
    ];
    let stream = stream!("anthropic_messages/plain");
    let told = raw_usage(Dialect::AnthropicMessages, RAW, stream, &names);
    assert_eq!(told, [Some(50.0), Some(30.0), Some(200.0), None]);

    let names = ["prompt_tokens", "completion_tokens", "total_tokens"];
    let stream = stream!("openai_chat/cumulative");
    let told = raw_usage(Dialect::OpenAiChat, RAW, stream, &names);
    assert_eq!(told[..2], [Some(7.0), Some(3.0)]);

    let names = ["input_tokens", "output_tokens", "total_tokens"];
    let stream = stream!("openai_responses/plain");
    let told = raw_usage(Dialect::OpenAiResponses, RAW, stream, &names);
    assert_eq!(told, [Some(10.0), Some(4.0), Some(14.0)]);
}

#[test]
fn raw_usage_that_nobody_wants_is_not_kept() {
    let stream = stream!("openai_chat/plain");
    let told = raw_usage(Dialect::OpenAiChat, USAGE, stream, &["prompt_tokens"]);
    assert_eq!(told, [None]);
}

// === what is never a stream of text ===

#[test]
fn embeddings_and_passthrough_streams_are_not_read() {
    for dialect in [Dialect::OpenAiEmbeddings, Dialect::Passthrough] {
        assert_eq!(
            heard(dialect, TEXT, [stream!("openai_chat/plain")]),
            Heard::default()
        );
    }
}

// === properties ===

fn recorded() -> impl Strategy<Value = (Dialect, &'static [u8])> {
    prop::sample::select(vec![
        (Dialect::OpenAiChat, stream!("openai_chat/plain")),
        (Dialect::OpenAiChat, stream!("openai_chat/tools")),
        (Dialect::OpenAiChat, stream!("openai_chat/cumulative")),
        (Dialect::OpenAiChat, stream!("openai_chat/noise")),
        (Dialect::OpenAiResponses, stream!("openai_responses/plain")),
        (
            Dialect::OpenAiResponses,
            stream!("openai_responses/unnamed"),
        ),
        (
            Dialect::AnthropicMessages,
            stream!("anthropic_messages/plain"),
        ),
        (
            Dialect::AnthropicMessages,
            stream!("anthropic_messages/tools"),
        ),
    ])
}

proptest! {
    #[test]
    fn any_split_of_a_stream_says_the_same(
        (dialect, stream) in recorded(), size in 1_usize..200, text in any::<bool>(),
    ) {
        let want = Want { text, ..Want::default() };
        prop_assert_eq!(heard(dialect, want, stream.chunks(size)), heard(dialect, want, [stream]));
    }

    #[test]
    fn no_event_data_makes_a_reader_panic(
        name in prop::sample::select(vec![
            "message", "message_start", "content_block_start", "content_block_delta",
            "response.completed", "response.output_text.delta", "",
        ]),
        data in r#"[\[\]{}:,"\\ 0-9a-z_\-]{0,40}"#, text in any::<bool>(),
    ) {
        for dialect in Dialect::all() {
            let mut reader = dialect.protocol().reader(Want { text, ..Want::default() });
            reader.read(&Event::named(name, data.as_bytes()));
        }
    }
}
