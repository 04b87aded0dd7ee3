use std::borrow::Cow;

use proptest::prelude::*;

use super::{decode, encode_path, encode_segment};

#[test]
fn a_resource_name_stays_one_segment() {
    let name = b"arn:aws:bedrock:us-east-1:1:profile/anthropic.claude-v2:0";
    let expected = "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aprofile%2Fanthropic.claude-v2%3A0";
    assert_eq!(encode_segment(name), expected);
}

#[test]
fn what_a_path_may_hold_is_left_alone() {
    let path = "/v1/models/a:b@c;d=e,f/~x-y_z.(1)!$&'*+";
    assert!(matches!(encode_path(path.as_bytes()), Cow::Borrowed(same) if same == path));
}

#[test]
fn what_would_end_a_path_is_encoded() {
    assert_eq!(
        encode_path(b"/a?b#c%d e\"<>\\^`{|}"),
        "/a%3Fb%23c%25d%20e%22%3C%3E%5C%5E%60%7B%7C%7D"
    );
    assert_eq!(encode_path(b"/\r\n\0\xff"), "/%0D%0A%00%FF");
}

#[test]
fn a_plus_is_no_space() {
    assert_eq!(decode("/a+b%2B").as_ref(), b"/a+b+");
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        let path = encode_path(&bytes);
        prop_assert_eq!(decode(&path), &bytes[..]);
        let segment = encode_segment(&bytes);
        prop_assert!(!segment.contains('/'));
        prop_assert_eq!(decode(&segment), &bytes[..]);
    }
}
