use super::{is_secret_name, target};

#[test]
fn telling_names_are_secret() {
    let secret = [
        "key",
        "api_key",
        "apikey",
        "API-KEY",
        "x-api-key",
        "api-key",
        "xapikey",
        "token",
        "access_token",
        "accessToken",
        "x-auth-token",
        "authorization",
        "proxy-authorization",
        "password",
        "client_secret",
        "sig",
        "X-Amz-Signature",
        "X-Amz-Credential",
        "X-Amz-Security-Token",
        "x-goog-api-key",
        "cookie",
        "set-cookie",
        "jwt",
        "Ocp-Apim-Subscription-Key",
        "user[token]",
    ];
    for name in secret {
        assert!(is_secret_name(name), "{name}");
    }
    let open = [
        "q",
        "model",
        "monkey",
        "keyword",
        "tokens",
        "max_tokens",
        "author",
        "x-request-id",
        "signal",
        "content-type",
        "",
    ];
    for name in open {
        assert!(!is_secret_name(name), "{name}");
    }
}

#[test]
fn values_of_secret_arguments_are_masked_in_place() {
    let table = [
        ("/a", "/a"),
        ("/a?x=1", "/a?x=1"),
        ("/a?key=v", "/a?key=***"),
        ("/a?x=1&api_key=v&y=2#key=z", "/a?x=1&api_key=***&y=2#key=z"),
        ("/a?api%5Fkey=v", "/a?api%5Fkey=***"),
        ("/a?key", "/a?key"),
        ("/a?key=", "/a?key=***"),
        ("GET /a?token=v HTTP/1.1", "GET /a?token=*** HTTP/1.1"),
        ("https://h/p?sig=a=b", "https://h/p?sig=***"),
        ("/a?mine=v", "/a?mine=***"),
    ];
    for (text, expected) in table {
        assert_eq!(target(text, &["mine".into()]), expected);
    }
}
