//! The texts of common faults, as users of APISIX match on them.

use serde_json::Value;

use crate::support::House;

/// A path, what its body has besides what is needed, and the text after `invalid configuration: `.
const FAULTS: [(&str, &str, &str); 11] = [
    (
        "/routes/1",
        r#"{"priority":"x"}"#,
        r#"property "priority" validation failed: wrong type: expected integer, got string"#,
    ),
    (
        "/routes/1",
        r#"{"hosts":[]}"#,
        r#"property "hosts" validation failed: expect array to have at least 1 items"#,
    ),
    (
        "/routes/1",
        r#"{"hosts":["a","b","b"]}"#,
        r#"property "hosts" validation failed: expected unique items but items 2 and 3 are equal"#,
    ),
    (
        "/routes/1",
        r#"{"methods":["FETCH"]}"#,
        r#"property "methods" validation failed: failed to validate item 1: matches none of the enum values"#,
    ),
    (
        "/routes/1",
        r#"{"host":"a b"}"#,
        r#"property "host" validation failed: failed to match pattern "^\*$|^\*?[0-9a-zA-Z-._\[\]:]+$" with "a b""#,
    ),
    (
        "/routes/1",
        r#"{"colour":"red"}"#,
        "additional properties forbidden, found colour",
    ),
    (
        "/routes/1",
        r#"{"labels":{"a":"b c"}}"#,
        r#"property "labels" validation failed: failed to validate a (matching ".*"): failed to match pattern "^\S+$" with "b c""#,
    ),
    (
        "/routes/1",
        r#"{"uris":["/b"]}"#,
        "allOf 1 failed: value should match only one schema, but matches both schemas 1 and 2",
    ),
    (
        "/upstreams/1",
        r#"{"retries":-1}"#,
        r#"property "retries" validation failed: expected -1 to be at least 0"#,
    ),
    (
        "/upstreams/1",
        r#"{"timeout":{"connect":0,"send":1,"read":1}}"#,
        r#"property "timeout" validation failed: property "connect" validation failed: expected 0 to be greater than 0"#,
    ),
    (
        "/upstreams/1",
        r#"{"nodes":{"a:1":"heavy"}}"#,
        r#"property "nodes" validation failed: object matches none of the required"#,
    ),
];

#[tokio::test]
async fn common_faults_have_the_words_of_apisix() {
    let house = House::new().await;
    for (path, more, expected) in FAULTS {
        let mut body = match path {
            "/routes/1" => serde_json::json!({ "uri": "/a", "plugins": {} }),
            _ => serde_json::json!({ "nodes": {} }),
        };
        let more: Value = serde_json::from_str(more).unwrap();
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = house.client.send("PUT", path, &body.to_string()).await;
        let expected = format!("invalid configuration: {expected}");
        assert_eq!((answer.status, answer.error()), (400, expected), "{body}");
    }
}

#[tokio::test]
async fn what_is_missing_has_the_words_of_apisix() {
    let house = House::new().await;
    let long = "x".repeat(257);
    for (path, body, expected) in [
        (
            "/consumer_groups/1",
            "{}".to_owned(),
            r#"property "plugins" is required"#,
        ),
        (
            "/routes/1",
            r#"{"uri":"/a"}"#.to_owned(),
            "object matches none of the required",
        ),
        (
            "/services/1",
            format!(r#"{{"desc":"{long}"}}"#),
            r#"property "desc" validation failed: string too long, expected at most 256, got 257"#,
        ),
    ] {
        let answer = house.client.send("PUT", path, &body).await;
        let expected = format!("invalid configuration: {expected}");
        assert_eq!((answer.status, answer.error()), (400, expected), "{body}");
    }
}
