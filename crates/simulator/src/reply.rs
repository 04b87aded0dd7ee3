//! What is answered, whatever the dialect.

use crate::behaviour::Behaviour;
use crate::prompt::{Prompt, Said};
use crate::tokens;

/// How much of a prompt is repeated, in characters.
const ECHOED: usize = 400;

const FILLER: &str = "lorem ipsum dolor sit amet consectetur ";

/// What is answered.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The same for the same request: the ids are made of it.
    pub(crate) number: u64,
    pub(crate) text: String,
    /// The text in the parts that a stream brings it in.
    pub(crate) pieces: Vec<String>,
    pub(crate) call: Option<Call>,
    pub(crate) finish: Finish,
    pub(crate) completion_tokens: u64,
}

/// A tool call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) name: String,
    /// The arguments as JSON text.
    pub(crate) arguments: String,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Finish {
    Stop,
    Length,
    Tool,
}

// === impl Reply ===

impl Reply {
    pub(crate) fn new(prompt: &Prompt, behaviour: &Behaviour) -> Self {
        let number = fingerprint(&prompt.body.to_string());
        let named = behaviour.tool.as_ref().map(|name| Call {
            name: name.clone(),
            arguments: prompt
                .tools
                .iter()
                .find(|tool| tool.name == *name)
                .map_or_else(|| "{}".to_owned(), |tool| tool.arguments().to_string()),
        });
        let call = named.or_else(|| {
            prompt.wanted_tool().map(|tool| Call {
                name: tool.name.clone(),
                arguments: tool.arguments().to_string(),
            })
        });
        if let Some(call) = call {
            return Self {
                number,
                text: String::new(),
                pieces: Vec::new(),
                completion_tokens: tokens::count(&call.name) + tokens::count(&call.arguments),
                call: Some(call),
                finish: Finish::Tool,
            };
        }
        Self::spoken(number, prompt, behaviour)
    }

    fn spoken(number: u64, prompt: &Prompt, behaviour: &Behaviour) -> Self {
        let mut text = said(prompt, behaviour);
        let limit = prompt.limit.unwrap_or(u64::MAX);
        let is_cut = tokens::truncate(&mut text, limit);
        Self {
            number,
            pieces: pieces(&text, behaviour),
            completion_tokens: tokens::count(&text),
            text,
            call: None,
            finish: if is_cut { Finish::Length } else { Finish::Stop },
        }
    }

    /// An id of the dialect.
    pub(crate) fn id(&self, prefix: &str) -> String {
        format!("{prefix}{:016x}", self.number)
    }
}

impl Call {
    /// The arguments in the parts that a stream brings them in.
    pub(crate) fn pieces(&self) -> Vec<String> {
        evenly(&self.arguments, 2)
    }
}

/// A number that a text decides, the same with every compiler (FNV-1a).
pub(crate) fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Filler words of exactly this many bytes.
pub(crate) fn filler(bytes: usize) -> String {
    FILLER.chars().cycle().take(bytes).collect()
}

fn said(prompt: &Prompt, behaviour: &Behaviour) -> String {
    if let Some(text) = &behaviour.text {
        return text.clone();
    }
    if let Some(bytes) = behaviour.body_bytes {
        return filler(bytes);
    }
    if let Some(chunks) = behaviour.chunks {
        let bytes = behaviour.chunk_bytes.unwrap_or(8);
        return filler(chunks.saturating_mul(bytes));
    }
    let echoed = |text: &str| text.chars().take(ECHOED).collect::<String>();
    match &prompt.last {
        Said::User(said) if said.is_empty() => "You said nothing.".to_owned(),
        Said::User(said) => format!("You said: {}", echoed(said)),
        Said::ToolResult(result) => format!("The tool answered: {}", echoed(result)),
    }
}

/// The parts of a text: so many, or so long, or one for each word.
fn pieces(text: &str, behaviour: &Behaviour) -> Vec<String> {
    match (behaviour.chunks, behaviour.chunk_bytes) {
        (Some(chunks), _) => evenly(text, chunks),
        (None, Some(bytes)) => evenly(text, text.len().div_ceil(bytes.max(1))),
        (None, None) => text
            .split_inclusive(char::is_whitespace)
            .map(str::to_owned)
            .collect(),
    }
}

/// Cuts a text into this many parts of about the same length; fewer if it is too short.
fn evenly(text: &str, parts: usize) -> Vec<String> {
    let mut rest = text;
    let mut pieces = Vec::new();
    for left in (1..=parts).rev() {
        let mut at = rest.len().div_ceil(left);
        while !rest.is_char_boundary(at) {
            at += 1;
        }
        let (piece, after) = rest.split_at(at);
        if !piece.is_empty() {
            pieces.push(piece.to_owned());
        }
        rest = after;
    }
    pieces
}
