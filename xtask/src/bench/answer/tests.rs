use super::*;

const STREAM: &str = "data: {\"choices\":[{\"index\":0}]}\n\ndata: {\"choices\":[{}]}\n\n\
                      data: {\"choices\":[],\"usage\":{}}\n\ndata: [DONE]\n\n";

fn judge(text: &str, expected: usize) -> Result<(), Wrong> {
    let mut check = StreamCheck::default();
    check.take(text.as_bytes());
    check.finish(expected)
}

#[test]
fn stream_is_judged_the_same_wherever_it_is_split() {
    for at in 0..STREAM.len() {
        let mut check = StreamCheck::default();
        let chunks = check.take(&STREAM.as_bytes()[..at]) + check.take(&STREAM.as_bytes()[at..]);
        assert_eq!(chunks, 2);
        assert_eq!(check.finish(2), Ok(()));
    }
}

#[test]
fn faulty_streams_are_found() {
    assert_eq!(
        judge(STREAM, 3),
        Err(Wrong::Chunks {
            expected: 3,
            found: 2
        })
    );
    assert_eq!(
        judge(&STREAM.replace("[DONE]", "{\"choices\":[]}"), 2),
        Err(Wrong::Done)
    );
    assert_eq!(
        judge(&format!("{STREAM}data: [DONE]\n\n"), 2),
        Err(Wrong::Done)
    );
    assert_eq!(judge(&format!("{STREAM}data"), 2), Err(Wrong::Rest));
    let error = STREAM.replacen("{\"choices\":[{}]}", "{\"error\":1}", 1);
    assert_eq!(
        judge(&error, 1),
        Err(Wrong::Event("{\"error\":1}".to_owned()))
    );
}

#[test]
fn document_needs_choices() {
    assert_eq!(check_document(br#"{"choices":[{}]}"#), Ok(()));
    assert_eq!(check_document(br#"{"choices":[]}"#), Err(Wrong::Document));
    assert_eq!(check_document(br#"{"error":{}}"#), Err(Wrong::Document));
    assert_eq!(check_document(b"{"), Err(Wrong::Document));
}
