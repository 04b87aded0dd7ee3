use std::time::Duration;

use super::was_closed;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn news_of_a_close_comes_within_a_round_trip() {
    assert!(was_closed(ms(0), ms(0)));
    assert!(was_closed(ms(100), ms(0)));
    assert!(!was_closed(ms(101), ms(0)));
    assert!(was_closed(ms(300), ms(200)));
    assert!(!was_closed(ms(301), ms(200)));
}

#[test]
fn a_handshake_that_had_to_be_repeated_is_no_measure() {
    assert!(was_closed(ms(1100), ms(7000)));
    assert!(!was_closed(ms(1101), ms(7000)));
}
