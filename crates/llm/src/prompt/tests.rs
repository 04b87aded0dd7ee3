use wire::json::{Raw, Scan};

use super::{BLOCK_BYTES, MOST_BLOCKS, blocks};
use crate::dialect::Dialect;

fn of(dialect: Dialect, body: &str) -> Vec<u64> {
    blocks(dialect, &Scan::new(body.to_owned().into()).expect("JSON"))
}

fn chat(messages: &str) -> Vec<u64> {
    let body = format!(r#"{{"model":"m","messages":{messages}}}"#);
    of(Dialect::OpenAiChat, &body)
}

#[test]
fn a_turn_goes_on_with_the_blocks_of_the_one_before() {
    let first = chat(r#"[{"role":"system","content":"s"},{"role":"user","content":"u"}]"#);
    let second = chat(
        r#"[{"role":"system","content":"s"},{"role":"user","content":"u"},
            {"role":"assistant","content":"a"},{"role":"user","content":"v"}]"#,
    );
    assert_eq!(first.len(), 2);
    assert_eq!(second.len(), 4);
    assert!(second.starts_with(&first));
}

#[test]
fn what_differs_early_differs_ever_after() {
    let one = chat(r#"[{"role":"user","content":"u"},{"role":"user","content":"same"}]"#);
    let other = chat(r#"[{"role":"user","content":"v"},{"role":"user","content":"same"}]"#);
    assert!(one.iter().all(|block| !other.contains(block)));
}

#[test]
fn the_role_counts() {
    let user = chat(r#"[{"role":"user","content":"u"}]"#);
    assert_ne!(user, chat(r#"[{"role":"system","content":"u"}]"#));
}

#[test]
fn another_model_shares_nothing() {
    let of_model = |model: &str| {
        let body = format!(r#"{{"model":"{model}","messages":[{{"role":"user","content":"u"}}]}}"#);
        of(Dialect::OpenAiChat, &body)
    };
    assert_ne!(of_model("m"), of_model("n"));
}

#[test]
fn markers_for_caching_and_the_way_of_writing_do_not_count() {
    let message = |content: &str| {
        let body = format!(r#"{{"model":"m","messages":[{{"role":"user","content":{content}}}]}}"#);
        of(Dialect::AnthropicMessages, &body)
    };
    let plain = message(r#""u""#);
    assert_eq!(plain.len(), 1);
    let part = r#"[{"type": "text", "text": "u"}]"#;
    assert_eq!(message(part), plain);
    let marked = r#"[{"type":"text","text":"u","cache_control":{"type":"ephemeral"}}]"#;
    assert_eq!(message(marked), plain);
}

#[test]
fn tools_and_system_prompt_come_before_the_messages() {
    let one = of(
        Dialect::AnthropicMessages,
        r#"{"messages":[{"role":"user","content":"u"}],"system":"s","tools":[{"name":"t"}]}"#,
    );
    let other = of(
        Dialect::AnthropicMessages,
        r#"{"tools":[{"name":"t"}],"system":"s","messages":[{"role":"user","content":"v"}]}"#,
    );
    assert_eq!(one.len(), 3);
    assert_eq!(one.first_chunk::<2>(), other.first_chunk::<2>());
    assert_ne!(one.last(), other.last());
}

#[test]
fn responses_have_instructions_and_input() {
    let body = |input: &str| format!(r#"{{"instructions":"i","input":{input}}}"#);
    let text = of(Dialect::OpenAiResponses, &body(r#""u""#));
    assert_eq!(text.len(), 2);
    let list = r#"[{"role":"user","content":"u"},{"type":"function_call","call_id":"c"}]"#;
    let list = of(Dialect::OpenAiResponses, &body(list));
    assert_eq!(list.len(), 3);
    assert_eq!(list.first(), text.first());
}

#[test]
fn long_messages_share_their_beginnings() {
    let long = |end: &str| {
        let text = "x".repeat(BLOCK_BYTES * 3);
        chat(&format!(r#"[{{"role":"user","content":"{text}{end}"}}]"#))
    };
    let (one, other) = (long("1"), long("2"));
    assert_eq!(one.len(), 4);
    assert_eq!(one.first_chunk::<3>(), other.first_chunk::<3>());
    assert_ne!(one.last(), other.last());
}

#[test]
fn the_number_of_blocks_is_bounded_and_the_end_still_counts() {
    let many = |end: &str| {
        let message = r#"{"role":"user","content":"u"},"#.repeat(MOST_BLOCKS + 50);
        chat(&format!(
            r#"[{message}{{"role":"user","content":"{end}"}}]"#
        ))
    };
    assert_eq!(many("1").len(), MOST_BLOCKS);
    assert_ne!(many("1"), many("2"));
}

#[test]
fn values_of_any_depth_are_taken() {
    let deep = format!("{}1{}", "[".repeat(5000), "]".repeat(5000));
    let other = format!("{}2{}", "[".repeat(5000), "]".repeat(5000));
    let of = |content: &str| chat(&format!(r#"[{{"role":"user","content":{content}}}]"#));
    assert_ne!(of(&deep), of(&other));
}

#[test]
fn what_has_no_prompt_has_no_blocks() {
    let input = r#"{"model":"m","input":"u"}"#;
    assert!(of(Dialect::OpenAiEmbeddings, input).is_empty());
    assert!(of(Dialect::Passthrough, r#"{"model":"m","x":1}"#).is_empty());
    assert!(of(Dialect::OpenAiChat, r#"{"model":"m"}"#).is_empty());
}

#[test]
fn numbers_are_the_same_in_every_process() {
    let found = chat(r#"[{"role":"user","content":"u"}]"#);
    assert_eq!(found, [9_985_302_884_104_119_761]);
}

/// The scalars of a value, as a walk down all its levels finds them.
fn scalars(value: Raw<'_>, depth: usize, text: &mut String) {
    let is_text = |kind: Raw<'_>| kind.is_str("text") || kind.is_str("input_text");
    if value.is_object() && depth < 6 {
        for (name, member) in value.members() {
            if name != "cache_control" && !(name == "type" && is_text(member)) {
                scalars(member, depth + 1, text);
            }
        }
    } else if value.is_array() && depth < 6 {
        for item in value.items() {
            scalars(item, depth + 1, text);
        }
    } else {
        text.push_str(value.as_text());
        text.push(',');
    }
}

#[test]
fn nested_values_count_by_their_scalars() {
    let deep = r#"{"a":[[{"b":[{"c":[1, {"d" : "e"} ]}]}]]}"#;
    for item in [
        r#"{"role":"user","content":[{"type":"image","source":{"type":"base64","data":"x"}}]}"#,
        r#"{"type":["text",{"type":"text","more":[null,true,-1.5]}],"cache_control":{"a":["b"]}}"#,
        r#"{"\u0074ype":"text","cache\u005fcontrol":[1],"type":"t\u0065xt","t":"type","x":"text"}"#,
        r#"["a", [], {}, "b:c", "d\"", "type", "text"]"#,
        r#""alone""#,
        "17",
        deep,
    ] {
        let mut text = String::new();
        scalars(Raw::parse(item.as_bytes()).expect("JSON"), 0, &mut text);
        let whole = chat(&format!("[{item}]"));
        let mut cutter = super::Cutter::new();
        cutter.feed(b"\"m\"");
        cutter.before = cutter.finish_block();
        cutter.feed(text.as_bytes());
        cutter.cut();
        assert_eq!(whole, cutter.blocks, "{item}: {text}");
    }
}

#[test]
fn every_item_of_a_conversation_is_a_block_whatever_it_is() {
    let body = |input: &str| {
        of(
            Dialect::OpenAiResponses,
            &format!(r#"{{"input":[{input}]}}"#),
        )
    };
    let result = r#"{"type":"function_call_output","call_id":"c","output":"o"}"#;
    let first = body(result);
    assert_eq!(first.len(), 1);
    let second = body(&format!(r#"{result},{{"role":"user","content":"u"}}"#));
    assert_eq!(second.len(), 2);
    assert!(second.starts_with(&first));
}

#[test]
fn a_list_of_tools_is_one_block() {
    let body = r#"{"tools":[{"name":"a","role":"x"},{"name":"b"}],"system":[{"text":"s"},{"text":"t"}],
        "messages":[{"role":"user","content":"u"}]}"#;
    assert_eq!(of(Dialect::AnthropicMessages, body).len(), 3);
}
