use super::HostPattern;

#[test]
fn hosts_match_by_name_suffix_or_with_their_port() {
    let table = [
        ("a.com", "a.com", "a.com", true),
        ("A.com", "a.com", "A.COM", true),
        ("a.com", "b.a.com", "b.a.com", false),
        ("*.a.com", "b.a.com", "b.a.com", true),
        ("*.a.com", "c.b.a.com", "c.b.a.com", true),
        ("*.a.com", "a.com", "a.com", false),
        ("*a.com", "a.com", "a.com", true),
        ("*", "anything", "anything", true),
        ("*", "", "", true),
        ("a.com:81", "a.com", "a.com:81", true),
        ("a.com:81", "a.com", "a.com", false),
        ("*.a.com:81", "b.a.com", "b.A.com:81", true),
        ("[::1]", "[::1]", "[::1]:80", true),
    ];
    for (pattern, host, full, expected) in table {
        assert_eq!(
            HostPattern::new(pattern).matches(host, full),
            expected,
            "{pattern} on {full}"
        );
    }
}
