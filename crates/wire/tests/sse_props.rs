//! Properties of the event decoder, for whatever an upstream may send and however it is cut.

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use wire::sse::{Event, SseDecoder, encode};

/// What an event says, without the borrow.
type Owned = (String, Vec<u8>, Option<Vec<u8>>, Option<u64>);

fn owned(event: Event<'_>) -> Owned {
    (
        event.name.to_owned(),
        event.data.to_vec(),
        event.id.map(<[u8]>::to_vec),
        event.retry,
    )
}

fn stream() -> impl Strategy<Value = String> {
    let pieces = [
        "data: a",
        "data:b",
        "data",
        "data: {\"x\":1}",
        "event: ping",
        "event:",
        "EVENT: Up",
        "id: 7",
        "retry: 12",
        "retry: soon",
        ": comment",
        "foo: 1",
        "foo",
        "é: ü",
        ":",
        "\u{feff}",
        "\n",
        "\n",
        "\n\n",
        "\r",
        "\r\r",
        "\r\n",
        "\r\n\r\n",
        "\n\r",
        "data: ",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..24)
        .prop_map(|pieces| pieces.concat())
}

/// The events of a decoder that gets the stream in the given pieces.
fn decoded(pieces: &[&[u8]]) -> Vec<Owned> {
    let mut decoder = SseDecoder::new();
    let mut events = Vec::new();
    for piece in pieces {
        decoder.push(Bytes::copy_from_slice(piece));
        while let Some(event) = decoder.next() {
            events.push(owned(event));
        }
    }
    while let Some(event) = decoder.finish() {
        events.push(owned(event));
    }
    events
}

/// The reference: normalise the line ends, then split.
fn expected(stream: &str) -> Vec<Owned> {
    let text = stream.strip_prefix('\u{feff}').unwrap_or(stream);
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    text.split("\n\n").filter_map(expected_event).collect()
}

fn expected_event(block: &str) -> Option<Owned> {
    let fields = block.lines().filter_map(|line| line.split_once(':'));
    let fields = fields.filter(|(name, _)| !name.is_empty());
    let fields = fields.map(|(name, value)| {
        (
            name.to_ascii_lowercase(),
            value.strip_prefix(' ').unwrap_or(value),
        )
    });
    let fields: Vec<_> = fields.collect();
    let last = |wanted: &str| {
        fields
            .iter()
            .rev()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| *value)
    };
    let data: Vec<_> = fields
        .iter()
        .filter(|(name, _)| name == "data")
        .map(|(_, value)| *value)
        .collect();
    let retry = last("retry").and_then(|value| value.parse().ok());
    let event = (
        last("event").unwrap_or("message").to_owned(),
        data.join("\n").into_bytes(),
        last("id").map(|id| id.as_bytes().to_vec()),
        retry,
    );
    (!fields.is_empty()).then_some(event)
}

fn cut<'s>(stream: &'s [u8], cuts: &[prop::sample::Index]) -> Vec<&'s [u8]> {
    let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    ends.sort_unstable();
    ends.push(stream.len());
    let mut start = 0;
    ends.into_iter()
        .map(|end| &stream[std::mem::replace(&mut start, end)..end])
        .collect()
}

proptest! {
    #[test]
    fn any_split_of_a_stream_gives_the_same_events(
        stream in stream(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let whole = decoded(&[stream.as_bytes()]);
        prop_assert_eq!(&decoded(&cut(stream.as_bytes(), &cuts)), &whole);
        prop_assert_eq!(whole, expected(&stream));
    }

    #[test]
    fn a_stream_in_single_bytes_gives_the_same_events(stream in stream()) {
        let bytes: Vec<_> = stream.as_bytes().chunks(1).collect();
        prop_assert_eq!(decoded(&bytes), expected(&stream));
    }

    #[test]
    fn chunks_that_wait_unread_are_not_lost(
        stream in stream(), cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let mut decoder = SseDecoder::new();
        for piece in cut(stream.as_bytes(), &cuts) {
            decoder.push(Bytes::copy_from_slice(piece));
        }
        let mut events = Vec::new();
        while let Some(event) = decoder.finish() {
            events.push(owned(event));
        }
        prop_assert_eq!(events, expected(&stream));
    }

    #[test]
    fn what_is_encoded_is_decoded(
        name in "[a-z.]{1,8}", data in "[^\r]{0,30}", id in prop::option::of("[0-9]{1,4}"),
        retry in prop::option::of(any::<u64>()),
    ) {
        let event = Event { name: &name, data: data.as_bytes(), id: id.as_ref().map(String::as_bytes), retry };
        let mut out = BytesMut::new();
        encode(&event, &mut out);
        prop_assert_eq!(decoded(&[&out]), vec![owned(event)]);
    }
}
