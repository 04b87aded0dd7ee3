use std::collections::HashSet;

use super::Ids;

#[test]
fn ids_are_32_hexadecimal_digits_and_never_repeat() {
    let ids = Ids::new();
    let made: HashSet<_> = (0..10_000).map(|_| ids.next()).collect();
    assert_eq!(made.len(), 10_000);
    for id in made {
        assert_eq!(id.len(), 32);
        assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()), "{id}");
    }
}

#[test]
fn two_processes_do_not_share_ids() {
    assert_ne!(Ids::new().next(), Ids::new().next());
}
