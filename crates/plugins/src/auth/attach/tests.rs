use super::without_argument;

#[test]
fn an_argument_is_taken_out_and_the_rest_stays_as_written() {
    let table = [
        ("/a", "/a"),
        ("/a?x=1", "/a?x=1"),
        ("/a?key=1", "/a"),
        ("/a?x=%20&key=1&y=+", "/a?x=%20&y=+"),
        ("/a?key=1&key=2&x", "/a?x"),
        ("/a?k%65y=1&b", "/a?b"),
        ("/a?key", "/a"),
        ("/a?keys=1&", "/a?keys=1&"),
        ("http://h:1/a?key=1&b=2", "http://h:1/a?b=2"),
    ];
    for (uri, expected) in table {
        assert_eq!(
            without_argument(&uri.parse().unwrap(), "key").to_string(),
            expected
        );
    }
}
