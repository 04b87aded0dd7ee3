use super::{Inspector, Offence, Part, Violation};

/// What is said about a stream that comes in one piece.
fn verdict(stream: &str) -> Result<(), (Violation, Part)> {
    Inspector::new().feed(stream.as_bytes()).map_err(
        |Offence {
             violation, part, ..
         }| (violation, part),
    )
}

fn head_offence(stream: &str) -> Violation {
    let (violation, part) = verdict(stream).unwrap_err();
    assert_eq!(part, Part::Head, "{stream:?}");
    violation
}

fn body_offence(stream: &str) -> Violation {
    let (violation, part) = verdict(stream).unwrap_err();
    assert_eq!(part, Part::Body, "{stream:?}");
    violation
}

/// A POST with the given header lines, `Host` included.
fn post(lines: &str) -> String {
    format!("POST / HTTP/1.1\r\nhost: a\r\n{lines}\r\n")
}

fn chunked(body: &str) -> String {
    post("transfer-encoding: chunked\r\n") + body
}

#[test]
fn ordinary_requests_pass() {
    let streams = [
        "GET / HTTP/1.1\r\nHost: a.test:80\r\n\r\n".to_owned(),
        "GET / HTTP/1.0\r\n\r\n".to_owned(),
        "GET /a?b=c%20d HTTP/1.1\r\nHost: [::1]:80\r\nX:\r\nY: \t z \r\n\r\n".to_owned(),
        "\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n".to_owned(),
        post("Content-Length: 0\r\n"),
        post("Content-Length:5\r\n") + "hello" + &post("content-length: 3\r\n") + "bye",
        chunked("5\r\nhello\r\n0\r\n\r\n") + &post(""),
        chunked("5;ext=\"a b\"\r\nhello\r\n00\r\nx-sum: 7\r\n\r\n") + &post(""),
        chunked("A\r\n0123456789\r\n0\r\n\r\n"),
        post("Transfer-Encoding: Chunked\r\n") + "0\r\n\r\n",
    ];
    for stream in streams {
        assert_eq!(verdict(&stream), Ok(()), "{stream:?}");
    }
}

#[test]
fn length_beside_coding_is_refused_in_either_order() {
    let first = post("content-length: 5\r\ntransfer-encoding: chunked\r\n");
    let second = post("transfer-encoding: chunked\r\ncontent-length: 5\r\n");
    assert_eq!(head_offence(&first), Violation::LengthAndCoding);
    assert_eq!(head_offence(&second), Violation::LengthAndCoding);
}

#[test]
fn second_length_is_refused_even_when_equal() {
    let stream = post("content-length: 5\r\ncontent-length: 5\r\n");
    assert_eq!(head_offence(&stream), Violation::TwoLengths);
}

#[test]
fn length_that_is_not_plain_digits_is_refused() {
    for length in [
        "5, 5",
        "+5",
        "-5",
        "0x5",
        "5 5",
        "",
        "5.0",
        "99999999999999999999",
    ] {
        let stream = post(&format!("content-length: {length}\r\n"));
        assert_eq!(head_offence(&stream), Violation::Length, "{length:?}");
    }
}

#[test]
fn coding_other_than_chunked_is_refused() {
    for coding in [
        "gzip, chunked",
        "identity",
        "chunked, chunked",
        "chunked;a",
        "xchunked",
        "",
    ] {
        let stream = post(&format!("transfer-encoding: {coding}\r\n"));
        assert_eq!(head_offence(&stream), Violation::Coding, "{coding:?}");
    }
    let twice = post("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n");
    assert_eq!(head_offence(&twice), Violation::Coding);
}

#[test]
fn coding_in_old_http_is_refused() {
    let stream = "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n";
    assert_eq!(head_offence(stream), Violation::CodingInOld);
}

#[test]
fn line_ends_other_than_crlf_are_refused() {
    let streams = [
        "GET / HTTP/1.1\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\n\n",
        "GET / HTTP/1.1\r\nhost: a\r\nx: a\rb\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\r\n\r\n",
        "\nGET / HTTP/1.1\r\nhost: a\r\n\r\n",
    ];
    for stream in streams {
        assert_eq!(head_offence(stream), Violation::LineEnd, "{stream:?}");
    }
}

#[test]
fn nul_is_refused() {
    assert_eq!(head_offence(&post("x: a\0b\r\n")), Violation::Nul);
    assert_eq!(head_offence("GET /\0 HTTP/1.1\r\n"), Violation::Nul);
}

#[test]
fn folded_lines_are_refused() {
    assert_eq!(head_offence(&post("x: a\r\n b\r\n")), Violation::Folded);
    assert_eq!(head_offence(&post("x: a\r\n\tb: c\r\n")), Violation::Folded);
    assert_eq!(
        head_offence("GET / HTTP/1.1\r\n host: a\r\n\r\n"),
        Violation::Folded
    );
}

#[test]
fn header_names_are_one_word_before_a_colon() {
    for line in [
        "content-length : 5",
        "x\t: 5",
        "no colon",
        ": empty",
        "a b: c",
    ] {
        assert_eq!(
            head_offence(&post(&format!("{line}\r\n"))),
            Violation::HeaderLine,
            "{line:?}"
        );
    }
}

#[test]
fn host_is_there_once_and_is_an_authority() {
    assert_eq!(
        head_offence("GET / HTTP/1.1\r\nx: y\r\n\r\n"),
        Violation::NoHost
    );
    assert_eq!(head_offence(&post("Host: a\r\n")), Violation::TwoHosts);
    for host in [
        "", "a#b", "user@a", "a/b", "a?b", "a b", "a\x01", "a\\b", "ä",
    ] {
        let stream = format!("GET / HTTP/1.1\r\nhost: {host}\r\n\r\n");
        assert_eq!(head_offence(&stream), Violation::Host, "{host:?}");
    }
}

#[test]
fn request_lines_are_three_words() {
    let lines = [
        "GET /",
        "GET  / HTTP/1.1",
        "GET / / HTTP/1.1",
        "GET / HTTP/2.0",
        "GET\t/ HTTP/1.1",
        " ",
    ];
    for line in lines {
        let stream = format!("{line}\r\nhost: a\r\n\r\n");
        assert_eq!(head_offence(&stream), Violation::RequestLine, "{line:?}");
    }
    assert_eq!(
        head_offence("\r\n\r\nGET / HTTP/1.1\r\n"),
        Violation::RequestLine
    );
}

#[test]
fn malformed_chunks_are_refused() {
    let bodies = [
        "x\r\n",
        "\r\n",
        " 5\r\nhello\r\n",
        "5 \r\nhello\r\n",
        "0x5\r\nhello\r\n",
        "+5\r\nhello\r\n",
        "11111111111111111\r\n",
        "5\r\nhelloX",
        "5\r\nhello\n",
        "5\r\nhello\rX",
    ];
    for body in bodies {
        assert_eq!(body_offence(&chunked(body)), Violation::Chunk, "{body:?}");
    }
    assert_eq!(body_offence(&chunked("5\nhello\r\n")), Violation::LineEnd);
    assert_eq!(
        body_offence(&chunked("5;a\rb\r\nhello\r\n")),
        Violation::LineEnd
    );
}

#[test]
fn trailers_are_headers_that_say_nothing_about_framing() {
    assert_eq!(
        body_offence(&chunked("0\r\nContent-Length: 5\r\n\r\n")),
        Violation::Trailer
    );
    assert_eq!(
        body_offence(&chunked("0\r\nhost: b\r\n\r\n")),
        Violation::Trailer
    );
    assert_eq!(
        body_offence(&chunked("0\r\nx: a\r\n b\r\n\r\n")),
        Violation::Folded
    );
    assert_eq!(body_offence(&chunked("0\r\n\n")), Violation::LineEnd);
}

#[test]
fn later_requests_of_a_connection_are_inspected_too() {
    let bad = post("content-length: 1\r\ncontent-length: 1\r\n");
    let streams = [
        post("") + &bad,
        post("content-length: 5\r\n") + "hello" + &bad,
        chunked("5\r\nhello\r\n0\r\n\r\n") + &bad,
    ];
    for stream in streams {
        assert_eq!(head_offence(&stream), Violation::TwoLengths, "{stream:?}");
    }
}

#[test]
fn bodies_are_not_inspected() {
    let body = "\0\n\r GET / HTTP/1.1\n\n";
    let sized = post(&format!("content-length: {}\r\n", body.len())) + body + &post("");
    assert_eq!(verdict(&sized), Ok(()));
    let in_chunk = chunked(&format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len())) + &post("");
    assert_eq!(verdict(&in_chunk), Ok(()));
}

#[test]
fn endless_line_is_refused() {
    let mut inspector = Inspector::new();
    inspector.feed(b"GET /").unwrap();
    let piece = [b'a'; 4096];
    let offence = (0..1000)
        .find_map(|_| inspector.feed(&piece).err())
        .unwrap();
    assert_eq!(offence.violation, Violation::TooLong);
}

#[test]
fn http2_is_let_through_after_its_preface() {
    let mut inspector = Inspector::new();
    inspector
        .feed(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\n\n")
        .unwrap();
    inspector.feed(b"anything \n\0").unwrap();
}

#[test]
fn preface_is_only_one_at_the_beginning() {
    let stream = post("") + "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    assert_eq!(head_offence(&stream), Violation::RequestLine);
    assert_eq!(
        head_offence("PRI * HTTP/2.0\r\n\r\nSM\r\nX"),
        Violation::RequestLine
    );
}

#[test]
fn upgraded_connection_is_let_through_once_the_server_has_agreed() {
    let ask = "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\n";
    let mut agreed = Inspector::new();
    agreed.feed(ask.as_bytes()).unwrap();
    agreed.answered(b"HTTP/1.1 101 Switching Protocols\r\n\r\n");
    agreed.feed(b"\0\0 free\n").unwrap();

    let mut declined = Inspector::new();
    declined.feed(ask.as_bytes()).unwrap();
    declined.answered(b"HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!(
        declined.feed(b"\0\0 free\r\n").unwrap_err().violation,
        Violation::Nul
    );

    let mut unasked = Inspector::new();
    unasked.feed(post("").as_bytes()).unwrap();
    unasked.answered(b"HTTP/1.1 101 Switching Protocols\r\n\r\n");
    assert_eq!(
        unasked.feed(b"\0\0 free\r\n").unwrap_err().violation,
        Violation::Nul
    );
}

#[test]
fn tunnel_is_let_through_once_the_server_has_agreed() {
    let mut inspector = Inspector::new();
    inspector
        .feed(b"CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n")
        .unwrap();
    inspector.answered(b"HTTP/1.1 200 OK\r\n\r\n");
    inspector.feed(b"\x16\x03\x01\n").unwrap();
}
