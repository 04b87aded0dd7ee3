use serde_json::json;

use super::*;

#[test]
fn yaml_has_the_values_that_apisix_reads() {
    let text =
        "a: yes\nb: true\nc: 010\nd: 1.5\ne: ~\nf: \"1\"\ng: [x, 2]\nh: {i: null}\nj: 0x10\nk:\n";
    assert_eq!(
        parse_yaml(text).expect("YAML").value,
        json!({
            "a": true, "b": true, "c": "010", "d": 1.5, "e": null, "f": "1", "g": ["x", 2],
            "h": { "i": null }, "j": 16, "k": null,
        })
    );
}

#[test]
fn parts_of_yaml_know_their_lines() {
    let text = "# head\nroutes:\n  - id: 1\n    uri: /a\n  - uri: /b\n    plugins:\n      \
                x: { y: 1 }\n";
    let positions = parse_yaml(text).expect("YAML").positions;
    assert_eq!(positions.find("/routes"), (2, 1));
    assert_eq!(positions.find("/routes/0"), (3, 5));
    assert_eq!(positions.find("/routes/0/uri"), (4, 5));
    assert_eq!(positions.find("/routes/1/plugins/x"), (7, 7));
    assert_eq!(positions.find("/routes/1/plugins/x/y"), (7, 12));
    assert_eq!(
        positions.find("/routes/1/plugins/missing"),
        (6, 5),
        "the nearest around it"
    );
}

#[test]
fn anchors_merges_and_numeric_names_are_understood() {
    let text = "base: &b { x: 1 }\nuse: { <<: *b, y: 2 }\nagain: *b\n7: seven\n";
    let value = parse_yaml(text).expect("YAML").value;
    assert_eq!(
        value,
        json!({ "base": { "x": 1 }, "use": { "x": 1, "y": 2 }, "again": { "x": 1 }, "7": "seven" })
    );
}

#[test]
fn faults_of_yaml_know_their_lines() {
    let fault = parse_yaml("a: 1\nb: [1, 2\nc: 3\n").expect_err("no YAML");
    assert!(fault.line >= 2, "{fault:?}");
    let fault = parse_yaml("a: 1\nb: 2\na: 3\n").expect_err("a name twice");
    assert_eq!(fault.line, 3, "{fault:?}");
    assert!(!fault.reason.contains('\n'), "{fault:?}");
}

#[test]
fn parts_of_json_know_their_lines() {
    let text = "{\n  \"routes\": [\n    {\"id\": 1,\n     \"uri\": \"/é\", \"x\": 2}\n  ]\n}\n";
    let located = parse_json(text).expect("JSON");
    assert_eq!(located.value["routes"][0]["x"], 2);
    assert_eq!(located.positions.find("/routes/0"), (3, 5));
    assert_eq!(located.positions.find("/routes/0/uri"), (4, 13));
    assert_eq!(located.positions.find("/routes/0/x"), (4, 24));
    assert_eq!(parse_json("{\n\"a\": }").expect_err("no JSON").line, 2);
}

#[test]
fn names_with_slashes_are_found() {
    let positions = parse_yaml("a/b:\n  c~d: 1\n").expect("YAML").positions;
    assert_eq!(positions.find("/a~1b/c~0d"), (2, 3));
}
