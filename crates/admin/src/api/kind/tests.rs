use super::*;

#[test]
fn every_kind_has_its_row() {
    for kind in Kind::ALL {
        assert_eq!(Row::of(kind).kind, kind);
        assert!(!Row::of(kind).noun.is_empty(), "{kind}");
    }
}

#[test]
fn what_is_named_by_others_is_guarded_or_a_certificate() {
    for reference in ROWS.iter().flat_map(|row| row.references) {
        let guarded = Row::of(reference.to).in_use.is_some();
        assert!(
            guarded || reference.to == Kind::Ssl,
            "{}",
            reference.pointer
        );
    }
}
