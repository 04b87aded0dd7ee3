//! OpenAI Chat Completions.

use serde_json::{Value, json};

use crate::CREATED;
use crate::behaviour::{Behaviour, Usage};
use crate::event::{Event, Role};
use crate::prompt::Prompt;
use crate::reply::{Finish, Reply};

/// Writes the chunks of one answer.
struct Chunks<'a> {
    prompt: &'a Prompt,
    reply: &'a Reply,
    usage: Usage,
    finish: &'a str,
}

pub(super) fn document(prompt: &Prompt, reply: &Reply, behaviour: &Behaviour) -> Value {
    let content = reply.call.is_none().then_some(&reply.text);
    let mut message =
        json!({"role": "assistant", "content": content, "refusal": null, "annotations": []});
    if let Some(call) = &reply.call {
        message["tool_calls"] = json!([{
            "id": reply.id("call_"),
            "type": "function",
            "function": {"name": call.name, "arguments": call.arguments},
        }]);
    }
    let choices: Vec<_> = (0..prompt.choices)
        .map(|index| {
            json!({
                "index": index,
                "message": message,
                "logprobs": null,
                "finish_reason": finish(reply, behaviour),
            })
        })
        .collect();
    let mut document = json!({
        "id": reply.id("chatcmpl-"),
        "object": "chat.completion",
        "created": CREATED,
        "model": prompt.model,
        "system_fingerprint": "fp_sim",
        "choices": choices,
    });
    if behaviour.usage != Usage::None {
        document["usage"] = usage(prompt, all_tokens(prompt, reply));
    }
    document
}

pub(super) fn events(prompt: &Prompt, reply: &Reply, behaviour: &Behaviour) -> Vec<Event> {
    let chunks = Chunks {
        prompt,
        reply,
        usage: behaviour.usage,
        finish: finish(reply, behaviour),
    };
    let mut events = chunks.contents();
    for index in 0..prompt.choices {
        events.push(Event::data(&chunks.last(index)));
    }
    if prompt.include_usage && behaviour.usage == Usage::Normal {
        let mut chunk = chunks.chunk(json!([]));
        chunk["usage"] = usage(prompt, all_tokens(prompt, reply));
        events.push(Event::data(&chunk));
    }
    events.push(Event {
        name: None,
        data: "[DONE]".to_owned(),
        role: Role::End,
    });
    events
}

// === impl Chunks ===

impl Chunks<'_> {
    fn contents(&self) -> Vec<Event> {
        let mut events = Vec::new();
        for index in 0..self.prompt.choices {
            let delta = json!({"role": "assistant", "content": "", "refusal": null});
            events.push(Event::data(&self.delta(index, &delta, 0)));
        }
        let mut seen = String::new();
        for piece in &self.reply.pieces {
            seen.push_str(piece);
            let tokens = crate::tokens::count(&seen);
            for index in 0..self.prompt.choices {
                let chunk = self.delta(index, &json!({"content": piece}), tokens);
                events.push(Event::data(&chunk).with_role(Role::Text));
            }
        }
        if self.reply.call.is_some() {
            for index in 0..self.prompt.choices {
                events.extend(self.call(index));
            }
        }
        events
    }

    fn call(&self, index: usize) -> Vec<Event> {
        let Some(call) = &self.reply.call else {
            return Vec::new();
        };
        let first = json!({"tool_calls": [{
            "index": 0,
            "id": self.reply.id("call_"),
            "type": "function",
            "function": {"name": call.name, "arguments": ""},
        }]});
        let rest = call
            .pieces()
            .into_iter()
            .map(|piece| json!({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}));
        std::iter::once(first)
            .chain(rest)
            .map(|delta| Event::data(&self.delta(index, &delta, 0)).with_role(Role::Text))
            .collect()
    }

    fn last(&self, index: usize) -> Value {
        let mut chunk = self.delta(index, &json!({}), self.reply.completion_tokens);
        chunk["choices"][0]["finish_reason"] = json!(self.finish);
        if self.usage == Usage::Finish {
            chunk["usage"] = usage(self.prompt, all_tokens(self.prompt, self.reply));
        }
        chunk
    }

    fn delta(&self, index: usize, delta: &Value, tokens: u64) -> Value {
        let choice =
            json!({"index": index, "delta": delta, "logprobs": null, "finish_reason": null});
        let mut chunk = self.chunk(json!([choice]));
        match self.usage {
            Usage::Cumulative => chunk["usage"] = usage(self.prompt, tokens),
            Usage::Normal if self.prompt.include_usage => chunk["usage"] = Value::Null,
            _ => {}
        }
        chunk
    }

    fn chunk(&self, choices: Value) -> Value {
        let mut chunk = json!({
            "id": self.reply.id("chatcmpl-"),
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": self.prompt.model,
            "system_fingerprint": "fp_sim",
        });
        chunk["choices"] = choices;
        chunk
    }
}

fn finish<'a>(reply: &Reply, behaviour: &'a Behaviour) -> &'a str {
    behaviour.finish.as_deref().unwrap_or(match reply.finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
        Finish::Tool => "tool_calls",
    })
}

fn all_tokens(prompt: &Prompt, reply: &Reply) -> u64 {
    reply
        .completion_tokens
        .saturating_mul(prompt.choices as u64)
}

fn usage(prompt: &Prompt, completion: u64) -> Value {
    json!({
        "prompt_tokens": prompt.tokens,
        "completion_tokens": completion,
        "total_tokens": prompt.tokens + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}
