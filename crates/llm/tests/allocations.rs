//! The law of the hot path: an event that nobody wants costs no allocation.

use allocation_counter::measure;
use bytes::Bytes;
use llm::{Dialect, EventReader, Want};
use wire::sse::SseDecoder;

/// Events as they come by the hundred in the middle of an answer.
fn middle_of(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAiChat => concat!(
            r#"data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","#,
            r#""choices":[{"index":0,"delta":{"content":"a\n"},"finish_reason":null}],"usage":null}"#,
            "\n\n",
        ),
        Dialect::OpenAiResponses => concat!(
            "event: response.output_text.delta\n",
            r#"data: {"type":"response.output_text.delta","item_id":"m","delta":"a\n","logprobs":[]}"#,
            "\n\n",
        ),
        Dialect::AnthropicMessages => concat!(
            "event: content_block_delta\r\n",
            r#"data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}"#,
            "\r\n\r\n",
        ),
        Dialect::OpenAiEmbeddings | Dialect::Passthrough => "data: {\"anything\":[{}]}\n\n",
    }
}

fn read_all(chunks: &[Bytes], decoder: &mut SseDecoder, reader: &mut dyn EventReader) -> usize {
    let mut events = 0;
    for chunk in chunks {
        decoder.push(chunk.clone());
        while let Some(event) = decoder.next() {
            reader.read(&event);
            events += 1;
        }
    }
    events
}

/// Allocations for 64 events that come in chunks of this size, after one round to warm up.
fn allocations(dialect: Dialect, want: Want, chunk_size: usize) -> u64 {
    let stream = Bytes::from(middle_of(dialect).repeat(64));
    let cuts = (0..stream.len()).step_by(chunk_size);
    let chunks: Vec<_> = cuts
        .map(|at| stream.slice(at..stream.len().min(at + chunk_size)))
        .collect();
    let mut decoder = SseDecoder::new();
    let mut reader = dialect.protocol().reader(want);
    assert_eq!(read_all(&chunks, &mut decoder, reader.as_mut()), 64);
    measure(|| assert_eq!(read_all(&chunks, &mut decoder, reader.as_mut()), 64)).count_total
}

#[test]
fn events_that_nobody_wants_cost_nothing() {
    for dialect in Dialect::all() {
        let event = middle_of(dialect).len();
        for chunk_size in [event, event * 64, event * 3 + 7, 5] {
            let found = allocations(dialect, Want::default(), chunk_size);
            assert_eq!(found, 0, "{dialect} in chunks of {chunk_size} bytes");
        }
    }
}

#[test]
fn wanted_text_costs_one_allocation_for_each_event() {
    for dialect in Dialect::all() {
        let found = allocations(
            dialect,
            Want {
                text: true,
                ..Want::default()
            },
            4096,
        );
        assert!(found <= 64, "{dialect}: {found} allocations for 64 events");
    }
}
