use serde_json::{Value, json};

use super::*;
use crate::behaviour::Usage;
use crate::event::{Role, faulty};

fn read(dialect: Dialect, body: &Value) -> Prompt {
    dialect.read(body.to_string().as_bytes()).unwrap()
}

fn document(dialect: Dialect, body: &Value) -> Value {
    let prompt = read(dialect, body);
    let behaviour = Behaviour::default();
    dialect.document(&prompt, &Reply::new(&prompt, &behaviour), &behaviour)
}

fn events(dialect: Dialect, body: &Value, behaviour: &Behaviour) -> Vec<Event> {
    let prompt = read(dialect, body);
    let events = dialect.events(&prompt, &Reply::new(&prompt, behaviour), behaviour);
    faulty(events, dialect.error_event(), behaviour)
}

/// The data of all events that hold JSON.
fn data(events: &[Event]) -> Vec<Value> {
    let json = events.iter().filter(|event| event.data != "[DONE]");
    json.map(|event| serde_json::from_str(&event.data).unwrap())
        .collect()
}

fn names(events: &[Event]) -> Vec<&str> {
    events.iter().filter_map(|event| event.name).collect()
}

fn user(said: &str) -> Value {
    json!([{"role": "user", "content": said}])
}

fn weather_tool() -> Value {
    json!({"type": "object", "properties": {
        "city": {"type": "string"}, "days": {"type": "integer"}, "unit": {"enum": ["C", "F"]},
        "exact": {"type": ["boolean", "null"]}, "place": {"properties": {"lat": {"type": "number"}}},
    }})
}

const ARGUMENTS: &str = r#"{"city":"sim","days":1,"unit":"C","exact":true,"place":{"lat":1}}"#;

#[test]
fn chat_stream_obeys_the_rules_of_the_sdks() {
    let body = json!({"messages": user("a b"), "stream_options": {"include_usage": true}});
    let events = events(Dialect::Chat, &body, &Behaviour::default());
    assert_eq!(events.last().unwrap().data, "[DONE]");
    let chunks = data(&events);
    assert!(
        chunks
            .iter()
            .all(|one| one["object"] == "chat.completion.chunk")
    );
    assert!(chunks.iter().all(|one| one["id"] == chunks[0]["id"]));
    let with_role = |one: &&Value| one["choices"][0]["delta"].get("role").is_some();
    assert_eq!(chunks.iter().filter(with_role).count(), 1);
    let text: String = chunks
        .iter()
        .filter_map(|one| one["choices"][0]["delta"]["content"].as_str())
        .collect();
    assert_eq!(text, "You said: a b");
    let (usage, rest) = chunks.split_last().unwrap();
    assert_eq!(usage["choices"], json!([]));
    assert_eq!(usage["usage"]["prompt_tokens"], 2);
    assert_eq!(usage["usage"]["completion_tokens"], 5);
    assert!(rest.iter().all(|one| one["usage"].is_null()));
    let finishes: Vec<_> = rest
        .iter()
        .filter_map(|one| one["choices"][0]["finish_reason"].as_str())
        .collect();
    assert_eq!(finishes, ["stop"]);
    assert_eq!(rest.last().unwrap()["choices"][0]["delta"], json!({}));
}

#[test]
fn chat_usage_is_where_it_is_asked_for() {
    let told = |usage, asked: bool| {
        let body = json!({"messages": user("a"), "stream_options": {"include_usage": asked}});
        let behaviour = Behaviour {
            usage,
            ..Behaviour::default()
        };
        let chunks = data(&events(Dialect::Chat, &body, &behaviour));
        let counts = chunks
            .iter()
            .map(|one| one["usage"]["completion_tokens"].as_u64());
        (chunks.len(), counts.collect::<Vec<_>>())
    };
    assert_eq!(told(Usage::Normal, false), (5, vec![None; 5]));
    assert_eq!(told(Usage::None, true), (5, vec![None; 5]));
    assert_eq!(
        told(Usage::Finish, false).1,
        [None, None, None, None, Some(4)]
    );
    let counts = [Some(0), Some(1), Some(3), Some(4), Some(4)];
    assert_eq!(told(Usage::Cumulative, true).1, counts);
}

#[test]
fn chat_calls_a_tool_that_the_prompt_names_and_fits_its_schema() {
    let tool = json!({"type": "function", "function": {
        "name": "get_weather", "parameters": weather_tool(),
    }});
    let body = json!({"messages": user("please get_weather"), "tools": [tool]});
    let answer = document(Dialect::Chat, &body);
    let choice = &answer["choices"][0];
    assert_eq!(choice["finish_reason"], "tool_calls");
    assert!(choice["message"]["content"].is_null());
    let call = &choice["message"]["tool_calls"][0];
    assert_eq!(
        call["function"],
        json!({"name": "get_weather", "arguments": ARGUMENTS})
    );

    let chunks = data(&events(Dialect::Chat, &body, &Behaviour::default()));
    let calls: Vec<_> = chunks
        .iter()
        .map(|one| &one["choices"][0]["delta"]["tool_calls"][0])
        .filter(|call| !call.is_null())
        .collect();
    assert_eq!(calls[0]["id"], call["id"]);
    assert_eq!(calls[0]["function"]["name"], "get_weather");
    assert!(calls[1..].iter().all(|call| call.get("id").is_none()));
    let arguments: String = calls
        .iter()
        .filter_map(|call| call["function"]["arguments"].as_str())
        .collect();
    assert_eq!(arguments, ARGUMENTS);
}

#[test]
fn tool_is_called_when_forced_and_not_when_answered_or_forbidden() {
    let tool = json!({"type": "function", "function": {"name": "look"}});
    let finish = |choice: Value, messages: Value| {
        let body = json!({"messages": messages, "tools": [tool], "tool_choice": choice});
        document(Dialect::Chat, &body)["choices"][0]["finish_reason"].clone()
    };
    let forced = json!({"type": "function", "function": {"name": "look"}});
    assert_eq!(finish(forced, user("hi")), "tool_calls");
    assert_eq!(finish(json!("required"), user("hi")), "tool_calls");
    assert_eq!(finish(json!("none"), user("look")), "stop");
    assert_eq!(finish(json!("auto"), user("hi")), "stop");
    let answered = json!([
        {"role": "user", "content": "look"},
        {"role": "assistant", "tool_calls": []},
        {"role": "tool", "tool_call_id": "x", "content": "seen"},
    ]);
    let body = json!({"messages": answered, "tools": [tool]});
    let said = document(Dialect::Chat, &body);
    assert_eq!(
        said["choices"][0]["message"]["content"],
        "The tool answered: seen"
    );
}

#[test]
fn chat_gives_as_many_choices_as_wanted() {
    let body = json!({"messages": user("a"), "n": 2});
    let answer = document(Dialect::Chat, &body);
    assert_eq!(answer["choices"].as_array().unwrap().len(), 2);
    assert_eq!(answer["usage"]["completion_tokens"], 8);
    let chunks = data(&events(Dialect::Chat, &body, &Behaviour::default()));
    let first: Vec<_> = chunks
        .iter()
        .map(|one| one["choices"][0]["index"].clone())
        .collect();
    assert_eq!(first[..4], [0, 1, 0, 1]);
}

#[test]
fn answer_is_cut_at_the_limit_with_the_word_for_it() {
    let chat = json!({"messages": user("aaaa bbbb"), "max_tokens": 4});
    let answer = document(Dialect::Chat, &chat);
    assert_eq!(
        answer["choices"][0]["message"]["content"],
        "You said: aaaa "
    );
    assert_eq!(answer["choices"][0]["finish_reason"], "length");
    assert_eq!(answer["usage"]["completion_tokens"], 4);
    let body = json!({"messages": user("a"), "max_tokens": 1});
    assert_eq!(
        document(Dialect::Messages, &body)["stop_reason"],
        "max_tokens"
    );
    let body = json!({"input": "a", "max_output_tokens": 1});
    let answer = document(Dialect::Responses, &body);
    assert_eq!(answer["status"], "incomplete");
    assert_eq!(answer["incomplete_details"]["reason"], "max_output_tokens");
}

#[test]
fn same_request_gets_the_same_answer_and_another_gets_another_id() {
    let one = json!({"messages": user("a")});
    assert_eq!(document(Dialect::Chat, &one), document(Dialect::Chat, &one));
    let other = json!({"messages": user("b")});
    assert_ne!(
        document(Dialect::Chat, &one)["id"],
        document(Dialect::Chat, &other)["id"]
    );
}

#[test]
fn parts_of_a_content_are_read_as_its_text() {
    let parts = json!([{"type": "text", "text": "one"}, {"type": "image_url"}, {"type": "text", "text": "two"}]);
    let body = json!({"messages": [{"role": "user", "content": parts}]});
    let answer = document(Dialect::Chat, &body);
    assert!(
        answer["choices"][0]["message"]["content"]
            .as_str()
            .unwrap()
            .contains("one")
    );
    let body =
        json!({"input": [{"role": "user", "content": [{"type": "input_text", "text": "hi"}]}]});
    let text = &document(Dialect::Responses, &body)["output"][0]["content"][0]["text"];
    assert_eq!(text, "You said: hi");
}

#[test]
fn messages_stream_obeys_the_rules_of_the_sdks() {
    let body = json!({"messages": user("a"), "max_tokens": 100, "system": "be brief"});
    let events = events(Dialect::Messages, &body, &Behaviour::default());
    assert_eq!(
        names(&events),
        [
            "message_start",
            "content_block_start",
            "ping",
            "content_block_delta",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
    );
    let data = data(&events);
    for (event, data) in events.iter().zip(&data) {
        assert_eq!(event.name, data["type"].as_str());
    }
    assert_eq!(data[0]["message"]["content"], json!([]));
    assert_eq!(data[0]["message"]["usage"]["input_tokens"], 4);
    assert_eq!(data[7]["usage"]["output_tokens"], 4);
    assert_eq!(data[7]["delta"]["stop_reason"], "end_turn");
}

#[test]
fn messages_call_a_tool_as_a_block() {
    let tool = json!({"name": "get_weather", "input_schema": weather_tool()});
    let body = json!({
        "messages": user("hi"), "tools": [tool], "tool_choice": {"type": "any"},
    });
    let answer = document(Dialect::Messages, &body);
    assert_eq!(answer["stop_reason"], "tool_use");
    assert_eq!(
        answer["content"][0]["input"],
        serde_json::from_str::<Value>(ARGUMENTS).unwrap()
    );
    let data = data(&events(Dialect::Messages, &body, &Behaviour::default()));
    assert_eq!(data[1]["content_block"]["input"], json!({}));
    let partial: String = data
        .iter()
        .filter_map(|one| one["delta"]["partial_json"].as_str())
        .collect();
    assert_eq!(partial, ARGUMENTS);

    let answered = json!({"tools": [tool], "messages": [{"role": "user", "content": [
        {"type": "tool_result", "tool_use_id": "x", "content": [{"type": "text", "text": "21"}]},
    ]}]});
    let answer = document(Dialect::Messages, &answered);
    assert_eq!(answer["content"][0]["text"], "The tool answered: 21");
}

#[test]
fn responses_stream_obeys_the_rules_of_the_sdks() {
    let body = json!({"input": "a", "stream": true, "metadata": {"k": "v"}});
    let events = events(Dialect::Responses, &body, &Behaviour::default());
    let data = data(&events);
    for (number, (event, data)) in events.iter().zip(&data).enumerate() {
        assert_eq!(event.name, data["type"].as_str());
        assert_eq!(data["sequence_number"], number);
    }
    assert_eq!(
        names(&events),
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    let last = &data[10]["response"];
    assert_eq!(last["id"], data[0]["response"]["id"]);
    assert_eq!(last["metadata"], json!({"k": "v"}));
    assert_eq!(last["output"][0], data[9]["item"]);
    assert_eq!(data[2]["item"]["id"], data[4]["item_id"]);
    assert_eq!(
        last["usage"]["output_tokens_details"]["reasoning_tokens"],
        0
    );
    assert_eq!(*last, document(Dialect::Responses, &body));
}

#[test]
fn responses_call_a_tool_as_an_item() {
    let tool = json!({"type": "function", "name": "get_weather", "parameters": weather_tool()});
    let choice = json!({"type": "function", "name": "get_weather"});
    let body = json!({"input": "hi", "tools": [tool], "tool_choice": choice});
    let data = data(&events(Dialect::Responses, &body, &Behaviour::default()));
    let done = data
        .iter()
        .find(|one| one["type"] == "response.output_item.done")
        .unwrap();
    assert_eq!(done["item"]["arguments"], ARGUMENTS);
    assert_ne!(done["item"]["id"], done["item"]["call_id"]);

    let answered = json!({"input": [
        {"type": "function_call_output", "call_id": "call_1", "output": "21"},
    ]});
    let text = &document(Dialect::Responses, &answered)["output"][0]["content"][0]["text"];
    assert_eq!(text, "The tool answered: 21");
}

#[test]
fn error_in_the_middle_is_the_last_event() {
    for (dialect, body) in [
        (Dialect::Chat, json!({"messages": user("a b c")})),
        (Dialect::Messages, json!({"messages": user("a b c")})),
        (Dialect::Responses, json!({"input": "a b c"})),
    ] {
        for count in [0, 2] {
            let behaviour = Behaviour {
                error_after: Some(count),
                ..Behaviour::default()
            };
            let events = events(dialect, &body, &behaviour);
            let texts = events
                .iter()
                .filter(|event| event.role == Role::Text)
                .count();
            assert_eq!(texts, count, "{dialect:?}");
            let last: Value = serde_json::from_str(&events.last().unwrap().data).unwrap();
            assert!(last["error"]["message"].is_string(), "{dialect:?}");
        }
    }
}

#[test]
fn end_mark_can_be_left_out() {
    let behaviour = Behaviour {
        no_end: true,
        ..Behaviour::default()
    };
    let events = |dialect, body| events(dialect, &body, &behaviour);
    let chat = events(Dialect::Chat, json!({"messages": user("a")}));
    assert!(chat.iter().all(|event| event.data != "[DONE]"));
    let messages = events(Dialect::Messages, json!({"messages": user("a")}));
    assert_eq!(names(&messages).last(), Some(&"message_delta"));
    let responses = events(Dialect::Responses, json!({"input": "a"}));
    assert_eq!(names(&responses).last(), Some(&"response.output_item.done"));
}

#[test]
fn embeddings_come_as_floats_or_the_same_in_base64() {
    let ask = |body: Value| embeddings::document(body.to_string().as_bytes()).unwrap();
    let floats = ask(json!({"input": ["a b", "c"], "dimensions": 3}));
    assert_eq!(floats["data"].as_array().unwrap().len(), 2);
    assert_eq!(
        floats["usage"],
        json!({"prompt_tokens": 3, "total_tokens": 3})
    );
    let vector: Vec<f32> = serde_json::from_value(floats["data"][0]["embedding"].clone()).unwrap();
    let length: f32 = vector.iter().map(|one| one * one).sum();
    assert!((length - 1.0).abs() < 1e-5);
    assert_ne!(
        floats["data"][0]["embedding"],
        floats["data"][1]["embedding"]
    );

    let packed = ask(json!({"input": "a b", "dimensions": 3, "encoding_format": "base64"}));
    let packed = packed["data"][0]["embedding"].as_str().unwrap();
    let packed = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, packed);
    let unpacked: Vec<f32> = packed
        .unwrap()
        .chunks_exact(4)
        .map(|four| f32::from_le_bytes(four.try_into().unwrap()))
        .collect();
    assert_eq!(unpacked, vector);
    assert_eq!(
        ask(json!({"input": [1, 2, 3]}))["usage"]["prompt_tokens"],
        3
    );
    assert_eq!(
        ask(json!({"input": [[1, 2], [3]]}))["data"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(
        embeddings::document(b"{}").unwrap_err().to_string(),
        "input: expected it to be present"
    );
}

#[test]
fn paths_lead_to_what_they_end_in() {
    let of = |method: &Method, path| Endpoint::of(method, path);
    let chat = Endpoint::Spoken(Dialect::Chat);
    assert_eq!(of(&Method::POST, "/v1/chat/completions"), chat);
    assert_eq!(
        of(&Method::POST, "/openai/deployments/x/chat/completions"),
        chat
    );
    assert_eq!(of(&Method::GET, "/v1/chat/completions"), Endpoint::Echo);
    assert_eq!(
        of(&Method::POST, "/v1/messages/count_tokens"),
        Endpoint::CountTokens
    );
    assert_eq!(of(&Method::GET, "/v1/models/sim-1"), Endpoint::Models);
    assert_eq!(of(&Method::HEAD, "/"), Endpoint::Root);
    assert_eq!(of(&Method::POST, "/v1/images/generations"), Endpoint::Echo);
}
