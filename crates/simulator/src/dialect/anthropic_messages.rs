//! Anthropic Messages.

use serde_json::{Value, json};

use crate::behaviour::{Behaviour, Usage};
use crate::event::{Event, Role};
use crate::prompt::Prompt;
use crate::reply::{Finish, Reply};

pub(super) fn document(prompt: &Prompt, reply: &Reply, behaviour: &Behaviour) -> Value {
    let content = match &reply.call {
        Some(call) => json!([{
            "type": "tool_use",
            "id": reply.id("toolu_"),
            "name": call.name,
            "input": serde_json::from_str::<Value>(&call.arguments).unwrap_or_else(|_| json!({})),
        }]),
        None => json!([{"type": "text", "text": reply.text, "citations": null}]),
    };
    let mut message = message(prompt, reply, behaviour, reply.completion_tokens);
    message["content"] = content;
    message["stop_reason"] = json!(stop_reason(reply, behaviour));
    message
}

pub(super) fn events(prompt: &Prompt, reply: &Reply, behaviour: &Behaviour) -> Vec<Event> {
    let start = message(prompt, reply, behaviour, 1);
    let mut events = vec![
        event("message_start", json!({"message": start})),
        event(
            "content_block_start",
            json!({"index": 0, "content_block": block(reply)}),
        ),
        event("ping", json!({})),
    ];
    let deltas = match &reply.call {
        Some(call) => deltas("input_json_delta", "partial_json", call.pieces()),
        None => deltas("text_delta", "text", reply.pieces.clone()),
    };
    events.extend(deltas);
    events.push(event("content_block_stop", json!({"index": 0})));
    let mut last = json!({
        "delta": {"stop_reason": stop_reason(reply, behaviour), "stop_sequence": null},
    });
    if behaviour.usage != Usage::None {
        last["usage"] = json!({"output_tokens": reply.completion_tokens});
    }
    events.push(event("message_delta", last));
    events.push(event("message_stop", json!({})).with_role(Role::End));
    events
}

/// The answer to a count of tokens.
pub(crate) fn token_count(prompt: &Prompt) -> Value {
    json!({"input_tokens": prompt.tokens})
}

fn message(prompt: &Prompt, reply: &Reply, behaviour: &Behaviour, output_tokens: u64) -> Value {
    let mut message = json!({
        "id": reply.id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": prompt.model,
        "content": [],
        "stop_reason": null,
        "stop_sequence": null,
    });
    if behaviour.usage != Usage::None {
        message["usage"] = json!({
            "input_tokens": prompt.tokens,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": output_tokens,
            "service_tier": "standard",
        });
    }
    message
}

fn block(reply: &Reply) -> Value {
    match &reply.call {
        Some(call) => json!({
            "type": "tool_use", "id": reply.id("toolu_"), "name": call.name, "input": {},
        }),
        None => json!({"type": "text", "text": ""}),
    }
}

fn deltas(kind: &str, member: &str, pieces: Vec<String>) -> impl Iterator<Item = Event> {
    pieces.into_iter().map(move |piece| {
        let mut delta = json!({"type": kind});
        delta[member] = json!(piece);
        let data = json!({"index": 0, "delta": delta});
        event("content_block_delta", data).with_role(Role::Text)
    })
}

/// An event whose type is its name.
fn event(name: &'static str, members: Value) -> Event {
    let mut data = json!({"type": name});
    if let (Some(data), Value::Object(members)) = (data.as_object_mut(), members) {
        data.extend(members);
    }
    Event::named(name, &data)
}

fn stop_reason<'a>(reply: &Reply, behaviour: &'a Behaviour) -> &'a str {
    behaviour.finish.as_deref().unwrap_or(match reply.finish {
        Finish::Stop => "end_turn",
        Finish::Length => "max_tokens",
        Finish::Tool => "tool_use",
    })
}
