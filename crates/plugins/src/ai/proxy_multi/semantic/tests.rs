//! Rankings from scores.

use super::Rules;

fn rules(thresholds: &[f64], fallback: usize) -> Rules {
    let names = ["a", "b", "c", "d"];
    Rules {
        names: names.iter().map(|name| (*name).into()).collect(),
        thresholds: thresholds.into(),
        fallback,
    }
}

#[test]
fn scores_that_are_good_enough_come_first_then_the_fallback_then_the_others() {
    let ranking = rules(&[0.5; 4], 1).rank(Some(&[0.4, 0.1, 0.6, 0.9]));
    assert_eq!(ranking.order, [3, 2, 1, 0]);
    assert_eq!(ranking.fitting, 2);
}

#[test]
fn a_threshold_of_its_own_lets_an_instance_pass() {
    let ranking = rules(&[0.95, 0.5, 0.0, 0.0], 3).rank(Some(&[0.9, 0.6, 0.1, -0.1]));
    assert_eq!(ranking.order, [1, 2, 3, 0]);
    assert_eq!(ranking.fitting, 2);
}

#[test]
fn a_score_that_equals_its_threshold_is_good_enough() {
    let ranking = rules(&[0.5; 4], 0).rank(Some(&[0.0, 0.5, 0.0, 0.0]));
    assert_eq!((ranking.order.first(), ranking.fitting), (Some(&1), 1));
}

#[test]
fn equal_scores_keep_the_order_of_the_configuration() {
    let ranking = rules(&[0.0; 4], 2).rank(Some(&[0.7; 4]));
    assert_eq!(ranking.order, [0, 1, 2, 3]);
}

#[test]
fn without_scores_the_fallback_leads() {
    let ranking = rules(&[0.0; 4], 2).rank(None);
    assert_eq!(ranking.order, [2, 0, 1, 3]);
    assert_eq!(ranking.fitting, 0);
    assert_eq!(ranking.scores, []);
}

#[test]
fn scores_are_listed_with_four_decimals_the_best_one_first() {
    let rules = rules(&[0.0; 4], 0);
    let ranking = rules.rank(Some(&[0.12, 0.998_74, -0.5, 0.0]));
    assert_eq!(
        rules.listed(&ranking),
        "b:0.9987,a:0.1200,d:0.0000,c:-0.5000"
    );
}
