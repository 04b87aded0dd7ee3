use super::{HashRing, Tried};

const PAIR: [(&str, u32); 2] = [("openai", 4), ("deepseek", 1)];

fn key(number: usize) -> Vec<u8> {
    format!("index={number}").into_bytes()
}

fn picks(ring: &HashRing, count: usize) -> Vec<Option<usize>> {
    let none = Tried::new();
    (0..count)
        .map(|number| ring.pick(&key(number), &none))
        .collect()
}

#[test]
fn points_are_where_apisix_has_them() {
    let ring = HashRing::new(PAIR);
    assert_eq!(ring.len(), 800);
    let first: Vec<_> = ring.points.iter().take(3).copied().collect();
    assert_eq!(first, [(2_454_595, 0), (2_508_567, 0), (14_423_991, 0)]);
}

#[test]
fn keys_go_where_apisix_sends_them() {
    let ring = HashRing::new(PAIR);
    let picked: Vec<_> = (1..=10)
        .map(|number| ring.pick(&key(number), &Tried::new()).expect("a target"))
        .collect();
    assert_eq!(picked, [0, 1, 0, 1, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn weights_count_by_their_ratio() {
    let ring = HashRing::new([("openai", 400), ("deepseek", 100)]);
    assert_eq!(ring.points, HashRing::new(PAIR).points);
}

#[test]
fn a_colon_in_a_name_counts_as_a_zero_byte() {
    let colon = HashRing::new([("a:80", 1), ("b:80", 1)]);
    let zero = HashRing::new([("a\u{0}80", 1), ("b\u{0}80", 1)]);
    assert_eq!(colon.points, zero.points);
}

#[test]
fn a_tried_target_is_passed_over_and_nobody_else_moves() {
    let ring = HashRing::new([("a", 3), ("b", 6), ("c", 10)]);
    let tried: Tried = [1].into_iter().collect();
    for (number, before) in picks(&ring, 500).into_iter().enumerate() {
        let after = ring.pick(&key(number), &tried);
        if before == Some(1) {
            assert!(matches!(after, Some(0 | 2)), "{number}");
        } else {
            assert_eq!(after, before, "{number}");
        }
    }
}

#[test]
fn all_targets_tried_leaves_none() {
    let ring = HashRing::new([("a", 1), ("b", 0), ("c", 2)]);
    let tried: Tried = [0, 2].into_iter().collect();
    assert_eq!(ring.pick(b"k", &tried), None);
    assert_eq!(HashRing::new([]).pick(b"k", &Tried::new()), None);
}

#[test]
fn only_the_share_of_a_new_target_moves() {
    let before = picks(&HashRing::new([("a", 1), ("b", 1), ("c", 1)]), 3000);
    let grown = HashRing::new([("a", 1), ("b", 1), ("c", 1), ("d", 1)]);
    let after = picks(&grown, 3000);
    let moved = before.iter().zip(&after).filter(|(old, new)| old != new);
    let mut count = 0;
    for (_, new) in moved {
        assert_eq!(*new, Some(3));
        count += 1;
    }
    // A fourth of the keys, give or take what 160 points are uneven by.
    assert!((500..1000).contains(&count), "{count}");
}

#[test]
fn only_the_share_of_a_target_that_goes_moves() {
    let names = ["a", "b", "c", "d"];
    let before = picks(&HashRing::new(names.map(|name| (name, 1))), 3000);
    let after = picks(&HashRing::new([("a", 1), ("b", 1), ("d", 1)]), 3000);
    let mut count = 0;
    for (old, new) in before.iter().zip(&after) {
        let new = new.map(|index| [0, 1, 3][index]);
        if *old == Some(2) {
            count += 1;
        } else {
            assert_eq!(new, *old);
        }
    }
    // A fourth of the keys, give or take what 160 points are uneven by.
    assert!((500..1000).contains(&count), "{count}");
}

#[test]
fn targets_of_weight_zero_have_no_points_unless_all_weigh_zero() {
    let ring = HashRing::new([("a", 0), ("b", 2)]);
    assert!(picks(&ring, 200).iter().all(|pick| *pick == Some(1)));
    let equal = HashRing::new([("a", 0), ("b", 0)]);
    assert_eq!(equal.points, HashRing::new([("a", 1), ("b", 1)]).points);
}

#[test]
fn enormous_weights_keep_their_ratio_in_bounded_memory() {
    let ring = HashRing::new([("a", 3_000_000_001), ("b", 1_000_000_000), ("c", 1)]);
    assert!(ring.len() <= 160 * 4097, "{}", ring.len());
    let share = ring.points.iter().filter(|(_, index)| *index == 1).count();
    assert_eq!(share, 1023 * 160);
    assert!(ring.points.iter().any(|(_, index)| *index == 2));
}

#[test]
fn coprime_weights_of_millions_make_a_ring_of_bounded_size() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
    let weights = (1_000_003..).step_by(10_007);
    let ring = HashRing::new(names.into_iter().zip(weights));
    assert!(ring.len() <= 160 * (4096 + 10), "{}", ring.len());
    assert!(ring.len() > 160 * 4000, "{}", ring.len());
}

#[test]
fn a_key_on_a_point_belongs_to_that_point() {
    // The four bytes of a target's first place, and nothing before them: a checksum of `name` and four
    // zero bytes is the place of its first point.
    let ring = HashRing::new([("a", 1), ("b", 1)]);
    for (index, name) in [(0, "a"), (1, "b")] {
        let key = [name.as_bytes(), &[0; 4]].concat();
        let place = crc32fast::hash(&key);
        assert!(ring.points.contains(&(place, index)));
        assert_eq!(ring.pick(&key, &Tried::new()), Some(index as usize));
    }
}

#[test]
fn a_key_behind_the_last_point_belongs_to_the_first() {
    let ring = HashRing::new(PAIR);
    let (last, _) = ring.points[ring.len() - 1];
    let mut behind = (0..).map(key).filter(|key| crc32fast::hash(key) > last);
    let key = behind.next().expect("a key");
    let (_, first) = ring.points[0];
    assert_eq!(ring.pick(&key, &Tried::new()), Some(first as usize));
}
