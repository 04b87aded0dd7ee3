use super::*;

#[test]
fn word_has_a_token_for_every_four_characters_begun() {
    assert_eq!(count(""), 0);
    assert_eq!(count(" a  bb\nccc dddd"), 4);
    assert_eq!(count("abcde"), 2);
    assert_eq!(count("éééé"), 1);
}

#[test]
fn text_is_cut_to_exactly_the_limit() {
    for limit in 0..=6 {
        let mut text = "one twothree four fives".to_owned();
        let is_cut = truncate(&mut text, limit);
        assert_eq!(count(&text), limit.min(6));
        assert_eq!(is_cut, limit < 6);
    }
}
