use super::Pattern;

/// The captures of a match, or `None`.
fn captures(pattern: &str, parameters: bool, path: &str) -> Option<Vec<(String, String)>> {
    let pattern = Pattern::new(pattern, parameters);
    if !path.starts_with(pattern.literal()) {
        return None;
    }
    let found = pattern.captures(path)?;
    let owned = found
        .into_iter()
        .map(|(name, value)| (name.to_string(), value));
    Some(owned.collect())
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "it stands in a table beside `None`"
)]
fn pairs(pairs: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
    let owned = pairs
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Some(owned.collect())
}

#[test]
fn each_form_matches_what_it_should() {
    let table = [
        ("/a", false, "/a", pairs(&[])),
        ("/a", false, "/a/", None),
        ("/blog/bar*", false, "/blog/bar", pairs(&[])),
        ("/blog/bar*", false, "/blog/barley/x", pairs(&[])),
        ("/blog/bar*", false, "/blog/ba", None),
        ("/*", false, "/", pairs(&[])),
        ("/user/*rest", false, "/user/a/b", pairs(&[("rest", "a/b")])),
        ("/user/*rest", false, "/user/", pairs(&[("rest", "")])),
        (
            "/user/*rest/end",
            false,
            "/user/a/end/b/end",
            pairs(&[("rest", "a/end/b")]),
        ),
        ("/user/*rest/end", false, "/user/a/b", None),
        ("/user/*/end", false, "/user/x/end", pairs(&[(":ext", "x")])),
        ("/user/:id", false, "/user/:id", pairs(&[])),
        ("/user/:id", false, "/user/7", None),
        ("/user/:id", true, "/user/7", pairs(&[("id", "7")])),
        ("/user/:id", true, "/user/", None),
        ("/user/:id", true, "/user/7/x", None),
        ("/:a/x/:b", true, "/1/x/2", pairs(&[("a", "1"), ("b", "2")])),
        ("/:a/x/:b", true, "/1/y/2", None),
        ("/:a/*b", true, "/1/2/3", pairs(&[("a", "1"), ("b", "2/3")])),
        ("/a/*", true, "/a/b", pairs(&[(":ext", "b")])),
        ("/a:b", true, "/a:b", pairs(&[])),
    ];
    for (pattern, parameters, path, expected) in table {
        assert_eq!(
            captures(pattern, parameters, path),
            expected,
            "{pattern} on {path}"
        );
    }
}

#[test]
fn the_literal_part_ends_at_the_first_parameter_or_star() {
    assert_eq!(Pattern::new("/blog/bar*", false).literal(), "/blog/bar");
    assert_eq!(Pattern::new("/u/:id/x", true).literal(), "/u/");
    assert_eq!(Pattern::new("/u/:id/x", false).literal(), "/u/:id/x");
    assert!(Pattern::new("/u/:id/x", false).is_exact());
    assert!(!Pattern::new("/u/:id", true).is_exact());
}
