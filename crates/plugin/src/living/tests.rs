use std::convert::Infallible;
use std::sync::Arc;

use super::Living;

fn share<T: Send + Sync + 'static>(living: &Living, identity: &str, value: T) -> Arc<T> {
    let Ok(shared) = living.share(identity, || Ok::<_, Infallible>(value));
    shared
}

#[test]
fn a_value_is_shared_while_somebody_holds_it() {
    let living = Living::default();
    let first = share(&living, "a", 1);
    assert_eq!(*share(&living, "a", 2), 1);
    assert_eq!(*share(&living, "b", 3), 3);
    drop(first);
    assert_eq!(*share(&living, "a", 4), 4);
}

#[test]
fn a_value_may_be_made_of_others_that_are_shared() {
    let living = Living::default();
    let Ok(outer) = living.share("outer", || {
        Ok::<_, Infallible>(vec![share(&living, "inner", 1), share(&living, "inner", 2)])
    });
    assert_eq!(
        outer.iter().map(|inner| **inner).collect::<Vec<_>>(),
        [1, 1]
    );
}

#[test]
fn a_value_that_takes_its_time_keeps_nobody_waiting() {
    let living = Living::default();
    let known = share(&living, "known", 1);
    let Ok(slow) = living.share("slow", || {
        // Whoever asks for anything meanwhile takes this lock, upkeep included.
        assert!(living.held.try_lock().is_ok(), "made under the lock");
        assert_eq!(living.all::<i32>(), [Arc::clone(&known)]);
        assert_eq!(*share(&living, "another", 3), 3);
        Ok::<_, Infallible>(2)
    });
    assert_eq!(*slow, 2);
}

#[test]
fn types_do_not_meet_under_one_identity() {
    let living = Living::default();
    let (number, text) = (share(&living, "a", 1_i32), share(&living, "a", "one"));
    assert_eq!((*number, *text), (1, "one"));
    assert_eq!(living.len(), 2);
    assert_eq!(living.all::<i32>(), [number]);
}

#[test]
fn entries_of_dropped_values_do_not_gather() {
    let living = Living::default();
    for round in 0..10_000 {
        drop(share(&living, &round.to_string(), round));
    }
    let kinds = living.lock();
    let entries: usize = kinds.values().map(|kind| kind.held.len()).sum();
    assert!(entries <= 65, "{entries} entries of nothing are kept");
}

#[test]
fn sweeps_grow_rarer_as_values_grow_more() {
    let living = Living::default();
    let kept: Vec<_> = (0..10_000)
        .map(|number| share(&living, &number.to_string(), number))
        .collect();
    let kinds = living.lock();
    let next: Vec<_> = kinds.values().map(|kind| kind.swept_at).collect();
    assert!(next[0] >= kept.len(), "a sweep walks {next:?} entries");
}
