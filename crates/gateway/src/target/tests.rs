use proptest::prelude::*;

use super::{host, path};

#[test]
fn paths_read_as_nginx_reads_them() {
    let table = [
        ("/", Some("/")),
        ("/v1/chat/completions", Some("/v1/chat/completions")),
        ("/a.b/c.d", Some("/a.b/c.d")),
        ("//a///b", Some("/a/b")),
        ("/a/./b/../c", Some("/a/c")),
        ("/a/b/..", Some("/a/")),
        ("/a/.", Some("/a/")),
        ("/..", None),
        ("/a/../../b", None),
        ("/%61%2Fb", Some("/a/b")),
        ("/a%2f..%2fb", Some("/b")),
        ("/%2e%2e/x", None),
        ("/a%20b", Some("/a b")),
        ("/%zz", None),
        ("/%4", None),
        ("/%00", None),
        ("/.well-known/x", Some("/.well-known/x")),
        ("/...", Some("/...")),
        ("/caf%C3%A9", Some("/café")),
        ("*", None),
        ("", None),
    ];
    for (raw, expected) in table {
        assert_eq!(path(raw, false).as_deref(), expected, "{raw}");
    }
}

#[test]
fn an_encoded_slash_may_be_kept() {
    assert_eq!(path("/a%2Fb%20c", true).as_deref(), Some("/a%2Fb c"));
    assert_eq!(path("/a%2fb/../c", true).as_deref(), Some("/c"));
}

#[test]
fn a_path_that_is_no_text_is_still_a_path() {
    assert_eq!(path("/%ff", false).as_deref(), Some("/\u{fffd}"));
}

#[test]
fn hosts_lose_port_and_case() {
    let table: [(&[u8], Option<&str>); 15] = [
        (b"Example.COM", Some("example.com")),
        (b"example.com:8080", Some("example.com")),
        (b"example.com.", Some("example.com")),
        (b"example.com.:80", Some("example.com")),
        (b"[::1]", Some("[::1]")),
        (b"[::1]:9080", Some("[::1]")),
        (b"", Some("")),
        (b"a/#@b", None),
        (b"user@b", None),
        (b"a?b", None),
        (b"a b", None),
        (b"a\\b", None),
        (b"a:b", None),
        (b"::1", None),
        (b"[::1]x", None),
    ];
    for (authority, expected) in table {
        assert_eq!(host(authority).as_deref(), expected, "{authority:?}");
    }
}

proptest! {
    #[test]
    fn a_path_that_was_read_has_nothing_left_to_remove(
        raw in "(/|\\.|a|%2[eEfF]|%41|b){0,24}",
    ) {
        if let Some(read) = path(&raw, false) {
            prop_assert!(read.starts_with('/'), "{read}");
            prop_assert!(!read.contains("//"), "{read}");
            let is_plain = |segment: &str| segment != "." && segment != "..";
            prop_assert!(read.split('/').all(is_plain), "{read}");
        }
    }

    #[test]
    fn any_target_is_read_without_a_fault(raw in any::<String>(), bytes in any::<Vec<u8>>()) {
        for keeps in [false, true] {
            if let Some(read) = path(&raw, keeps) {
                prop_assert!(read.starts_with('/'));
            }
        }
        if let Some(name) = host(&bytes) {
            prop_assert!(!name.contains(['/', '#', '@', '?', ' ', '\\']));
        }
    }
}
