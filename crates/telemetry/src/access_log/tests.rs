use super::*;

#[test]
fn entry_reads_back_as_the_values_put_in() {
    let mut line = JsonLine::new();
    line.text("hostile", "a\"b\\c\nd\re\tf\u{0}g\u{7f}h\u{2028}é")
        .optional_text("absent", None)
        .optional_text("present", Some(""))
        .number("count", 18_446_744_073_709_551_615_u64)
        .milliseconds("latency", 12.345_678)
        .milliseconds("broken", f64::NAN)
        .flag("stream", true)
        .value("list", &["x", "y"]);
    let text = line.finish();

    assert!(!text.contains('\n'));
    let read: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(read["hostile"], "a\"b\\c\nd\re\tf\u{0}g\u{7f}h\u{2028}é");
    assert!(read.get("absent").is_none());
    assert_eq!(read["present"], "");
    assert_eq!(read["count"], 18_446_744_073_709_551_615_u64);
    assert_eq!(read["latency"], 12.346);
    assert_eq!(read["broken"], 0);
    assert_eq!(read["stream"], true);
    assert_eq!(read["list"], serde_json::json!(["x", "y"]));
}

#[test]
fn raw_json_stays_on_one_line() {
    let mut line = JsonLine::new();
    line.raw("messages", "[\n  {\"content\": \"a\\nb\"}\r\n]");
    assert_eq!(line.finish(), r#"{"messages":[   {"content": "a\nb"}  ]}"#);
}

#[test]
fn object_without_members_is_an_object() {
    assert_eq!(JsonLine::default().finish(), "{}");
}
