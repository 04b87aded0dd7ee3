//! What a request asks for, whatever its dialect.

use serde_json::Value;
use thiserror::Error;

use crate::tokens;

/// What a request asks for.
#[derive(Debug, Default)]
pub(crate) struct Prompt {
    pub(crate) model: String,
    /// What was said last.
    pub(crate) last: Said,
    pub(crate) stream: bool,
    pub(crate) include_usage: bool,
    pub(crate) tools: Vec<Tool>,
    pub(crate) choice: ToolChoice,
    /// The most tokens of the answer.
    pub(crate) limit: Option<u64>,
    /// How many answers are wanted.
    pub(crate) choices: usize,
    /// Tokens of the prompt.
    pub(crate) tokens: u64,
    /// The whole request.
    pub(crate) body: Value,
}

/// What was said last.
#[derive(Debug)]
pub(crate) enum Said {
    User(String),
    ToolResult(String),
}

#[derive(Debug)]
pub(crate) struct Tool {
    pub(crate) name: String,
    pub(crate) schema: Value,
}

/// Whether a tool is to be called.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum ToolChoice {
    /// If the prompt names one.
    #[default]
    Auto,
    Never,
    Any,
    Named(String),
}

/// A request that is not understood.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum PromptError {
    #[error("expected a JSON object as the body")]
    NoObject,
    #[error("{0}: expected it to be present")]
    Missing(&'static str),
}

// === impl Prompt ===

impl Prompt {
    pub(crate) fn chat(bytes: &[u8]) -> Result<Self, PromptError> {
        let body = object(bytes)?;
        let messages = list(&body, "messages")?;
        let last = match messages.last() {
            Some(message) if message["role"] == "tool" => {
                Said::ToolResult(text(&message["content"]))
            }
            _ => Said::User(last_of_user(messages)),
        };
        let tools = items(&body["tools"]).filter_map(|tool| {
            let function = &tool["function"];
            Tool::new(&function["name"], &function["parameters"])
        });
        Ok(Self {
            last,
            tools: tools.collect(),
            choice: choice(
                &body["tool_choice"],
                &body["tool_choice"]["function"]["name"],
            ),
            limit: number(&body, &["max_completion_tokens", "max_tokens"]),
            choices: body["n"].as_u64().map_or(1, |n| n.clamp(1, 128) as usize),
            include_usage: body["stream_options"]["include_usage"] == true,
            tokens: messages
                .iter()
                .map(|one| tokens::count(&text(&one["content"])))
                .sum(),
            ..Self::common(body)
        })
    }

    pub(crate) fn responses(bytes: &[u8]) -> Result<Self, PromptError> {
        let body = object(bytes)?;
        let input = &body["input"];
        if input.is_null() && body["prompt"].is_null() {
            return Err(PromptError::Missing("input"));
        }
        let last = match items(input).last() {
            Some(item) if item["type"] == "function_call_output" => {
                Said::ToolResult(text(&item["output"]))
            }
            Some(_) => Said::User(last_of_user(input.as_array().map_or(&[], Vec::as_slice))),
            None => Said::User(text(input)),
        };
        let tools =
            items(&body["tools"]).filter_map(|tool| Tool::new(&tool["name"], &tool["parameters"]));
        let counted = items(input).map(|item| tokens::count(&text(&item["content"])));
        let counted: u64 = counted.sum();
        Ok(Self {
            last,
            tools: tools.collect(),
            choice: choice(&body["tool_choice"], &body["tool_choice"]["name"]),
            limit: number(&body, &["max_output_tokens"]),
            tokens: counted
                + input.as_str().map_or(0, tokens::count)
                + tokens::count(&text(&body["instructions"])),
            ..Self::common(body)
        })
    }

    pub(crate) fn messages(bytes: &[u8]) -> Result<Self, PromptError> {
        let body = object(bytes)?;
        let messages = list(&body, "messages")?;
        let parts = messages.last().map(|message| &message["content"]);
        let result =
            parts.and_then(|parts| items(parts).rfind(|part| part["type"] == "tool_result"));
        let last = match result {
            Some(part) => Said::ToolResult(text(&part["content"])),
            None => Said::User(last_of_user(messages)),
        };
        let tools = items(&body["tools"])
            .filter_map(|tool| Tool::new(&tool["name"], &tool["input_schema"]));
        let system = tokens::count(&text(&body["system"]));
        let said: u64 = messages
            .iter()
            .map(|one| tokens::count(&text(&one["content"])))
            .sum();
        Ok(Self {
            last,
            tools: tools.collect(),
            choice: choice(&body["tool_choice"]["type"], &body["tool_choice"]["name"]),
            limit: number(&body, &["max_tokens"]),
            include_usage: true,
            tokens: system + said,
            ..Self::common(body)
        })
    }

    /// The tool to call, if one is to be called.
    pub(crate) fn wanted_tool(&self) -> Option<&Tool> {
        match (&self.choice, &self.last) {
            (ToolChoice::Named(name), _) => self.tools.iter().find(|tool| tool.name == *name),
            (ToolChoice::Any, _) => self.tools.first(),
            (ToolChoice::Auto, Said::User(said)) => {
                self.tools.iter().find(|tool| said.contains(&*tool.name))
            }
            (ToolChoice::Never, _) | (ToolChoice::Auto, Said::ToolResult(_)) => None,
        }
    }

    fn common(body: Value) -> Self {
        Self {
            model: body["model"].as_str().unwrap_or(crate::MODEL).to_owned(),
            stream: body["stream"] == true,
            choices: 1,
            body,
            ..Self::default()
        }
    }
}

// === impl Said ===

impl Default for Said {
    fn default() -> Self {
        Self::User(String::new())
    }
}

// === impl Tool ===

impl Tool {
    fn new(name: &Value, schema: &Value) -> Option<Self> {
        Some(Self {
            name: name.as_str()?.to_owned(),
            schema: schema.clone(),
        })
    }

    /// Arguments that fit the schema, always the same.
    pub(crate) fn arguments(&self) -> Value {
        match example(&self.schema) {
            object @ Value::Object(_) => object,
            _ => Value::Object(serde_json::Map::new()),
        }
    }
}

/// A value that fits a JSON schema, as far as `type`, `enum`, `const` and `properties` go.
fn example(schema: &Value) -> Value {
    if let Some(value) = schema
        .get("const")
        .or_else(|| items(&schema["enum"]).next())
    {
        return value.clone();
    }
    let kind = &schema["type"];
    let kind = kind
        .as_str()
        .or_else(|| items(kind).find_map(Value::as_str));
    match kind.unwrap_or("object") {
        "string" => Value::from("sim"),
        "integer" | "number" => Value::from(1),
        "boolean" => Value::from(true),
        "array" => Value::Array(Vec::new()),
        "null" => Value::Null,
        _ => {
            let properties = schema["properties"].as_object().into_iter().flatten();
            Value::Object(
                properties
                    .map(|(name, one)| (name.clone(), example(one)))
                    .collect(),
            )
        }
    }
}

fn object(bytes: &[u8]) -> Result<Value, PromptError> {
    match serde_json::from_slice(bytes) {
        Ok(body @ Value::Object(_)) => Ok(body),
        _ => Err(PromptError::NoObject),
    }
}

fn list<'a>(body: &'a Value, name: &'static str) -> Result<&'a [Value], PromptError> {
    let list = body[name].as_array().ok_or(PromptError::Missing(name))?;
    Ok(list)
}

fn items(value: &Value) -> std::slice::Iter<'_, Value> {
    value.as_array().map_or(&[][..], Vec::as_slice).iter()
}

fn number(body: &Value, names: &[&str]) -> Option<u64> {
    names.iter().find_map(|name| body[*name].as_u64())
}

/// All text of a content, which is a string or a list of parts.
fn text(content: &Value) -> String {
    if let Some(text) = content.as_str() {
        return text.to_owned();
    }
    let parts = items(content).map(|part| {
        let nested = text(&part["content"]);
        part["text"].as_str().map_or(nested, str::to_owned)
    });
    parts.collect::<Vec<_>>().join(" ").trim().to_owned()
}

fn last_of_user(messages: &[Value]) -> String {
    let last = messages.iter().rfind(|message| message["role"] == "user");
    last.map(|message| text(&message["content"]))
        .unwrap_or_default()
}

fn choice(kind: &Value, name: &Value) -> ToolChoice {
    if let Some(name) = name.as_str() {
        return ToolChoice::Named(name.to_owned());
    }
    match kind.as_str() {
        Some("none") => ToolChoice::Never,
        Some("required" | "any") => ToolChoice::Any,
        _ => ToolChoice::Auto,
    }
}
