//! OpenAI Responses.

use serde_json::{Value, json};

use crate::CREATED;
use crate::behaviour::{Behaviour, Usage};
use crate::event::{Event, Role};
use crate::prompt::Prompt;
use crate::reply::{Finish, Reply};

/// Members of the request that the answer repeats, with what stands for an absent one.
const ECHOED: &[(&str, &str)] = &[
    ("instructions", "null"),
    ("max_output_tokens", "null"),
    ("metadata", "{}"),
    ("parallel_tool_calls", "true"),
    ("previous_response_id", "null"),
    ("reasoning", r#"{"effort":null,"summary":null}"#),
    ("store", "true"),
    ("temperature", "1.0"),
    ("text", r#"{"format":{"type":"text"}}"#),
    ("tool_choice", r#""auto""#),
    ("tools", "[]"),
    ("top_p", "1.0"),
    ("truncation", r#""disabled""#),
    ("user", "null"),
];

/// Writes the events of one answer.
struct Writer<'a> {
    prompt: &'a Prompt,
    reply: &'a Reply,
    behaviour: &'a Behaviour,
    events: Vec<Event>,
}

pub(super) fn document(prompt: &Prompt, reply: &Reply, behaviour: &Behaviour) -> Value {
    let mut response = skeleton(prompt, reply);
    let reason = match (&behaviour.finish, reply.finish) {
        (Some(word), _) => Some(word.as_str()),
        (None, Finish::Length) => Some("max_output_tokens"),
        (None, Finish::Stop | Finish::Tool) => None,
    };
    match reason.filter(|reason| *reason != "completed") {
        Some("failed") => {
            response["status"] = json!("failed");
            response["error"] = json!({"code": "server_error", "message": "told to fail"});
        }
        Some(reason) => {
            response["status"] = json!("incomplete");
            response["incomplete_details"] = json!({"reason": reason});
        }
        None => {
            response["status"] = json!("completed");
            response["completed_at"] = json!(CREATED + 1);
        }
    }
    response["output"] = json!([item(reply, "completed")]);
    if behaviour.usage != Usage::None {
        response["usage"] = json!({
            "input_tokens": prompt.tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": reply.completion_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": prompt.tokens + reply.completion_tokens,
        });
    }
    response
}

pub(super) fn events(prompt: &Prompt, reply: &Reply, behaviour: &Behaviour) -> Vec<Event> {
    let writer = Writer {
        prompt,
        reply,
        behaviour,
        events: Vec::new(),
    };
    writer.write()
}

// === impl Writer ===

impl Writer<'_> {
    fn write(mut self) -> Vec<Event> {
        let begun = json!({"response": skeleton(self.prompt, self.reply)});
        self.add("response.created", begun.clone(), Role::Other);
        self.add("response.in_progress", begun, Role::Other);
        let added = json!({"output_index": 0, "item": started(self.reply)});
        self.add("response.output_item.added", added, Role::Other);
        if self.reply.call.is_some() {
            self.call();
        } else {
            self.text();
        }
        let done = json!({"output_index": 0, "item": item(self.reply, "completed")});
        self.add("response.output_item.done", done, Role::Other);
        let last = document(self.prompt, self.reply, self.behaviour);
        let name = match last["status"].as_str() {
            Some("failed") => "response.failed",
            Some("incomplete") => "response.incomplete",
            _ => "response.completed",
        };
        self.add(name, json!({"response": last}), Role::End);
        self.events
    }

    fn text(&mut self) {
        let place = json!({
            "item_id": self.reply.id("msg_"), "output_index": 0, "content_index": 0,
        });
        let with_part = json!({"part": part("")});
        self.add(
            "response.content_part.added",
            joined(&place, with_part),
            Role::Other,
        );
        for piece in &self.reply.pieces {
            let delta = joined(&place, json!({"delta": piece, "logprobs": []}));
            self.add("response.output_text.delta", delta, Role::Text);
        }
        let text = json!({"text": self.reply.text, "logprobs": []});
        self.add(
            "response.output_text.done",
            joined(&place, text),
            Role::Other,
        );
        let with_part = json!({"part": part(&self.reply.text)});
        self.add(
            "response.content_part.done",
            joined(&place, with_part),
            Role::Other,
        );
    }

    fn call(&mut self) {
        let Some(call) = &self.reply.call else { return };
        let place = json!({"item_id": self.reply.id("fc_"), "output_index": 0});
        for piece in call.pieces() {
            let delta = joined(&place, json!({"delta": piece}));
            self.add("response.function_call_arguments.delta", delta, Role::Text);
        }
        let done = json!({"name": call.name, "arguments": call.arguments});
        let done = joined(&place, done);
        self.add("response.function_call_arguments.done", done, Role::Other);
    }

    fn add(&mut self, name: &'static str, members: Value, role: Role) {
        let head = json!({"type": name, "sequence_number": self.events.len()});
        let event = Event::named(name, &joined(&head, members));
        self.events.push(event.with_role(role));
    }
}

/// The answer before anything was said.
fn skeleton(prompt: &Prompt, reply: &Reply) -> Value {
    let mut response = json!({
        "id": reply.id("resp_"),
        "object": "response",
        "created_at": CREATED,
        "status": "in_progress",
        "error": null,
        "incomplete_details": null,
        "model": prompt.model,
        "output": [],
    });
    for (name, absent) in ECHOED {
        let asked = prompt.body.get(name).filter(|value| !value.is_null());
        response[*name] = asked
            .cloned()
            .unwrap_or_else(|| serde_json::from_str(absent).unwrap_or_default());
    }
    response["usage"] = Value::Null;
    response
}

fn item(reply: &Reply, status: &str) -> Value {
    match &reply.call {
        Some(call) => json!({
            "id": reply.id("fc_"),
            "type": "function_call",
            "status": status,
            "call_id": reply.id("call_"),
            "name": call.name,
            "arguments": call.arguments,
        }),
        None => json!({
            "id": reply.id("msg_"),
            "type": "message",
            "role": "assistant",
            "status": status,
            "content": [part(&reply.text)],
        }),
    }
}

/// The item before anything is in it.
fn started(reply: &Reply) -> Value {
    let mut item = item(reply, "in_progress");
    match &reply.call {
        Some(_) => item["arguments"] = json!(""),
        None => item["content"] = json!([]),
    }
    item
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

/// The members of both objects.
fn joined(first: &Value, second: Value) -> Value {
    let mut all = first.clone();
    if let (Some(all), Value::Object(second)) = (all.as_object_mut(), second) {
        all.extend(second);
    }
    all
}
