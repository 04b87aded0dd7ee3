use bytes::Bytes;

use super::{BLOCK_LIMIT, Event, SseDecoder};

fn push(decoder: &mut SseDecoder, text: &'static [u8]) {
    decoder.push(Bytes::from_static(text));
}

/// Name and data of the events that are ready.
fn ready(decoder: &mut SseDecoder) -> Vec<(String, String)> {
    let mut events = Vec::new();
    while let Some(event) = decoder.next() {
        let data = String::from_utf8_lossy(event.data).into_owned();
        events.push((event.name.to_owned(), data));
    }
    events
}

fn events(stream: &'static [u8]) -> Vec<(String, String)> {
    let mut decoder = SseDecoder::new();
    push(&mut decoder, stream);
    ready(&mut decoder)
}

fn message(data: &str) -> (String, String) {
    ("message".to_owned(), data.to_owned())
}

#[test]
fn crlf_and_lf_blocks_follow_each_other() {
    assert_eq!(
        events(b"data: a\r\n\r\ndata:b\n\n"),
        [message("a"), message("b")]
    );
}

#[test]
fn cr_alone_and_mixed_line_ends_end_lines() {
    assert_eq!(
        events(b"data: a\r\rdata: b\r\n\rdata: c\n\r\n"),
        [message("a"), message("b"), message("c")]
    );
}

#[test]
fn comments_are_no_events() {
    assert_eq!(events(b": c\ndata: x\n\n: only\n\n"), [message("x")]);
}

#[test]
fn a_line_without_colon_is_ignored_and_an_unknown_field_is_an_event() {
    assert_eq!(events(b"foo\n\n"), []);
    assert_eq!(events(b"foo: 1\n\n"), [message("")]);
}

#[test]
fn one_space_of_the_value_is_removed() {
    assert_eq!(events(b"data:  x\n\n"), [message(" x")]);
}

#[test]
fn data_lines_are_joined() {
    assert_eq!(events(b"data: a\ndata:\ndata: b\n\n"), [message("a\n\nb")]);
}

#[test]
fn an_empty_event_line_is_a_type_of_its_own() {
    assert_eq!(
        events(b"event:\ndata: a\n\n"),
        [(String::new(), "a".to_owned())]
    );
}

#[test]
fn field_names_are_case_insensitive() {
    let mut decoder = SseDecoder::new();
    push(&mut decoder, b"EVENT: e\nData: d\nID: 7\nRetry: 12\n\n");
    let expected = Event {
        name: "e",
        data: b"d",
        id: Some(b"7"),
        retry: Some(12),
    };
    assert_eq!(decoder.next(), Some(expected));
}

#[test]
fn a_byte_order_mark_is_dropped_only_at_the_start() {
    assert_eq!(
        events(b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n"),
        [message("a"), message("")]
    );
}

#[test]
fn a_byte_order_mark_may_be_split() {
    let mut decoder = SseDecoder::new();
    for part in [&b"\xef"[..], b"\xbb", b"\xbfdata: a\n\n"] {
        push(&mut decoder, part);
        if let Some(event) = decoder.next() {
            assert_eq!(event.data, b"a");
            return;
        }
    }
    unreachable!("the last part completes the event");
}

#[test]
fn crlf_may_be_split_between_its_bytes() {
    let mut decoder = SseDecoder::new();
    push(&mut decoder, b"data: a\r\n\r");
    assert_eq!(ready(&mut decoder), [message("a")]);
    push(&mut decoder, b"\ndata: b\r");
    assert_eq!(ready(&mut decoder), []);
    push(&mut decoder, b"\n\r\n");
    assert_eq!(ready(&mut decoder), [message("b")]);
    assert_eq!(decoder.unfinished(), 0);
}

#[test]
fn an_event_inside_one_chunk_is_not_copied() {
    let chunk = Bytes::from_static(b"data: first\n\ndata: second\n\n");
    let range = chunk.as_ptr_range();
    let mut decoder = SseDecoder::new();
    decoder.push(chunk);
    while let Some(event) = decoder.next() {
        assert!(range.contains(&event.data.as_ptr()));
    }
}

#[test]
fn the_chunk_is_let_go_once_it_is_read() {
    let chunk = Bytes::from(b"data: first\n\ndata: sec".to_vec());
    let mut decoder = SseDecoder::new();
    decoder.push(chunk.clone());
    assert_eq!(ready(&mut decoder), [message("first")]);
    assert!(chunk.is_unique());
    assert_eq!(decoder.unfinished(), "data: sec".len());
}

#[test]
fn an_unterminated_event_is_only_given_at_the_end() {
    let mut decoder = SseDecoder::new();
    push(&mut decoder, b"data: a\n\ndata: b\n");
    assert_eq!(ready(&mut decoder), [message("a")]);
    assert_eq!(decoder.unfinished(), 8);
    assert_eq!(decoder.finish().map(|event| event.data), Some(&b"b"[..]));
    assert_eq!(decoder.finish(), None);
    assert_eq!(decoder.unfinished(), 0);
}

#[test]
fn a_block_that_is_too_large_is_dropped_and_reported_once() {
    let mut decoder = SseDecoder::new();
    push(&mut decoder, b"data: before\n\ndata: ");
    assert_eq!(ready(&mut decoder), [message("before")]);
    let filler = Bytes::from(vec![b'x'; 64 * 1024]);
    let mut reports = 0;
    for _ in 0..256 {
        decoder.push(filler.clone());
        assert_eq!(decoder.next(), None);
        assert!(decoder.unfinished() <= BLOCK_LIMIT);
        reports += u32::from(decoder.overflowed());
    }
    push(&mut decoder, b"\nevent: late\n\ndata: after\n\n");
    assert_eq!(ready(&mut decoder), [message("after")]);
    assert_eq!((reports, decoder.overflowed()), (1, false));
}

#[test]
fn the_limit_does_not_depend_on_how_the_stream_is_cut() {
    for (size, fits) in [(BLOCK_LIMIT, true), (BLOCK_LIMIT + 1, false)] {
        let mut block = b"data: ".to_vec();
        block.resize(size - 2, b'x');
        block.extend_from_slice(b"\n\n");
        let mut whole = SseDecoder::new();
        whole.push(Bytes::from(block.clone()));
        assert_eq!((whole.next().is_some(), whole.overflowed()), (fits, !fits));
        let mut cut = SseDecoder::new();
        let (head, tail) = block.split_at(size / 2);
        cut.push(Bytes::copy_from_slice(head));
        assert!(cut.next().is_none());
        cut.push(Bytes::copy_from_slice(tail));
        assert_eq!((cut.next().is_some(), cut.overflowed()), (fits, !fits));
    }
}
