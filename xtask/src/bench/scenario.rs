//! What is measured.

use std::time::Duration;

use clap::ValueEnum;

/// A kind of load.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum Scenario {
    /// A prompt of 1 KiB, a document as answer.
    #[value(name = "chat_1k")]
    Chat1k,
    /// A prompt of 64 KiB.
    #[value(name = "prompt_64k")]
    Prompt64k,
    /// A prompt of 1 MiB.
    #[value(name = "prompt_1m")]
    Prompt1m,
    /// A stream of 64 chunks, back to back.
    #[value(name = "stream_64")]
    Stream64,
    /// 1,000 streams at once, a chunk of each every 100 ms.
    #[value(name = "paced_1000")]
    Paced1000,
}

/// The sizes of a scenario.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub(super) connections: usize,
    pub(super) prompt_bytes: usize,
    /// Chunks of the stream; `None`: no stream is asked for.
    pub(super) chunks: Option<usize>,
    /// Time between chunks.
    pub(super) interval: Duration,
    /// Time between the first requests of two connections.
    pub(super) ramp: Duration,
}

// === impl Scenario ===

impl Scenario {
    pub(super) fn name(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    pub(super) fn shape(self) -> Shape {
        let document = |connections, kib: usize| Shape {
            connections,
            prompt_bytes: kib * 1024,
            chunks: None,
            interval: Duration::ZERO,
            ramp: Duration::ZERO,
        };
        match self {
            Self::Chat1k => document(32, 1),
            Self::Prompt64k => document(16, 64),
            Self::Prompt1m => document(8, 1024),
            Self::Stream64 => Shape {
                chunks: Some(64),
                ..document(32, 1)
            },
            Self::Paced1000 => Shape {
                chunks: Some(40),
                interval: Duration::from_millis(100),
                ramp: Duration::from_millis(2),
                ..document(1000, 1)
            },
        }
    }
}

// === impl Shape ===

impl Shape {
    /// The body of every request.
    pub(super) fn body(&self) -> Vec<u8> {
        const WORDS: &str = "A prompt with \"quotes\", a line\nbreak and ünïcode in it. ";
        let mut prompt: String = WORDS.chars().cycle().take(self.prompt_bytes).collect();
        prompt.truncate(prompt.floor_char_boundary(self.prompt_bytes));
        let mut body = serde_json::json!({
            "model": "bench-model",
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": prompt},
            ],
            "temperature": 0.7,
            "max_tokens": 256,
        });
        if self.chunks.is_some() {
            body["stream"] = true.into();
            body["stream_options"] = serde_json::json!({"include_usage": true});
        }
        body.to_string().into_bytes()
    }
}
